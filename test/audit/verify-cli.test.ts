import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Command } from 'commander';
import { publicKeyPath } from '../../src/audit/journal-keys.ts';
import { addAuditVerify } from '../../src/cli/audit-verify.ts';
import { exits } from '../../src/cli/exit.ts';
import { failure, tell, type Io } from '../../src/cli/io.ts';
import { JournalRig, written } from './journal-rig.ts';

/** `mcpd audit verify …` beside a state directory. */
async function verify(dir: string, argv: readonly string[] = [], policies = dir) {
  let [out, err] = ['', ''];
  const io: Io = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: { MCPD_STATE_DIR: dir, MCPD_POLICIES: policies },
    readSecret: async () => '',
    now: () => Date.UTC(2026, 0, 2),
  };
  let code: number = exits.ok;
  const program = new Command('mcpd').exitOverride();
  addAuditVerify(program, io, (told, json) => {
    code = tell(io, told, json);
  });
  try {
    await program.parseAsync(['verify', ...argv], { from: 'user' });
  } catch (reason) {
    code = tell(io, failure(reason), argv.includes('--json'));
  }
  return { code, out, err };
}

async function rigWith(t: TestContext): Promise<JournalRig> {
  const rig = new JournalRig(t);
  await written(rig, 30);
  return rig;
}

test('an untouched journal: what was looked at, how far it is signed, and exit code 0', async (t) => {
  const rig = await rigWith(t);
  const { code, out, err } = await verify(rig.dir);
  assert.deepEqual([code, err], [exits.ok, '']);
  assert.match(out, /^31 records in \d files, from record 1 \(2026-01-02T03:04:05\.006Z\) to record 31 /);
  assert.match(out, /signed up to record 31, at 2026-/);
  assert.match(out, /Nothing is missing and nothing was changed\.$/m);
  const told = JSON.parse((await verify(rig.dir, ['--json'])).out) as Record<string, unknown>;
  assert.deepEqual([told['ok'], told['records'], told['findings']], [true, 31, []]);
});

test('a journal that was changed: the record is named, and the exit code is 1', async (t) => {
  const rig = await rigWith(t);
  const file = rig.files[1] ?? '';
  rig.setLines(file, rig.lines(file).toSpliced(2, 1));
  const { code, err } = await verify(rig.dir);
  assert.equal(code, exits.refused);
  assert.match(
    err,
    /Found:\n {2}journal-000002\.jsonl: missing: record \d+ is missing before record \d+ in journal-000002/,
  );
  assert.match(err, /the journal is not the one that was written: 1 finding\n/);
  const ran = await verify(rig.dir, ['--json']);
  const told = JSON.parse(ran.out) as { ok: boolean; error: { code: string }; findings: { kind: string }[] };
  assert.deepEqual(
    [ran.code, told.ok, told.error.code, told.findings.length],
    [exits.refused, false, 'JOURNAL_CHANGED', 1],
  );
});

test('an auditor elsewhere needs the journal, the checkpoints and the public key, and no daemon', async (t) => {
  const rig = await rigWith(t);
  const theirs = join(rig.dir, 'theirs');
  mkdirSync(theirs);
  cpSync(rig.audit, join(theirs, 'audit'), { recursive: true });
  cpSync(rig.proof.checkpoints, join(theirs, 'checkpoints'), { recursive: true });
  cpSync(publicKeyPath(rig.proof), join(theirs, 'key.pem'));
  const args = [
    ...['--journal', join(theirs, 'audit'), '--checkpoints', join(theirs, 'checkpoints')],
    ...['--public-key', join(theirs, 'key.pem')],
  ];
  const nowhere = join(rig.dir, 'nowhere');
  const fine = await verify(nowhere, args, nowhere);
  assert.equal(fine.code, exits.ok, fine.err);
  assert.match(fine.out, /The head was not looked at/);
  // Another mcpd's key: not one checkpoint can be believed.
  const other = await rigWith(t);
  cpSync(publicKeyPath(other.proof), join(theirs, 'key.pem'));
  assert.equal((await verify(nowhere, args, nowhere)).code, exits.refused);
});

test('what cannot be read is not called changed: exit code 78, and what to do', async (t) => {
  const rig = await rigWith(t);
  writeFileSync(join(rig.dir, 'no-key'), 'nothing');
  for (const argv of [
    ['--public-key', join(rig.dir, 'no-key')],
    ['--public-key', join(rig.dir, 'not-there')],
    ['--journal', join(rig.dir, 'not-there')],
  ]) {
    const ran = await verify(rig.dir, argv);
    assert.equal(ran.code, exits.configuration, argv.join(' '));
    assert.doesNotMatch(ran.err, /\brm\b/, 'a file that was named by mistake is not to be removed');
  }
  chmodSync(join(rig.proof.dir, 'head-key'), 0o644);
  const open = await verify(rig.dir);
  assert.equal(open.code, exits.configuration);
  assert.match(open.err, /chmod 600/);
  chmodSync(join(rig.proof.dir, 'head-key'), 0o600);
  rmSync(rig.files[0] ?? '');
  mkdirSync(join(rig.audit, 'journal-000001.jsonl'));
  assert.equal((await verify(rig.dir)).code, exits.configuration);
});

test('a folder without a journal is no journal without a flaw', async (t) => {
  const rig = new JournalRig(t);
  const { code, err } = await verify(rig.dir);
  assert.equal(code, exits.configuration);
  assert.match(err, /there is no journal in /);
});

test('the checkpoints are found where mcpd.toml says', async (t) => {
  const rig = await rigWith(t);
  const policies = join(rig.dir, 'policies');
  mkdirSync(policies);
  renameSync(rig.proof.checkpoints, join(rig.dir, 'elsewhere'));
  assert.equal((await verify(rig.dir, [], policies)).code, exits.refused);
  writeFileSync(join(policies, 'mcpd.toml'), '[audit]\ncheckpoints = "../elsewhere"\n');
  const { code, out, err } = await verify(rig.dir, [], policies);
  assert.equal(code, exits.ok, err);
  assert.match(out, /signed up to record 31/);
});

test('what somebody wrote into the journal is not obeyed by the terminal', async (t) => {
  const rig = await rigWith(t);
  const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;
  appendFileSync(
    rig.files[0] ?? '',
    '{"seq":900,"kind":"truncated","time":"\u001b[2J\\u001b[31m","from":1,"to":2}\n',
  );
  appendFileSync(join(rig.proof.checkpoints, 'checkpoints-000001.jsonl'), '\u001b[2J\n');
  for (const argv of [[], ['--json']]) {
    const { code, out, err } = await verify(rig.dir, argv);
    assert.equal(code, exits.refused);
    assert.doesNotMatch(out + err, controls);
  }
});
