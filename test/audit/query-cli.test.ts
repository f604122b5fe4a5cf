import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Command } from 'commander';
import { shortHash } from '../../src/audit/outside.ts';
import { addAudit } from '../../src/cli/audit.ts';
import { exits } from '../../src/cli/exit.ts';
import { failure, tell, type Io } from '../../src/cli/io.ts';
import { auditDirIn } from '../../src/cli/place.ts';
import { tempDir } from './sample.ts';

/** `mcpd audit query …` beside a journal of these records. */
async function ask(t: TestContext, argv: readonly string[], records: readonly object[] = []) {
  return await type(stateWith(t, records), ['query', ...argv]);
}

function stateWith(t: TestContext, records: readonly object[]): string {
  const state = tempDir(t);
  mkdirSync(auditDirIn(state), { recursive: true, mode: 0o700 });
  const lines = records.map((record, at) => `${JSON.stringify({ seq: at + 1, ...record })}\n`);
  writeFileSync(join(auditDirIn(state), 'journal-000001.jsonl'), lines.join(''), { mode: 0o600 });
  return state;
}

/** `mcpd audit …` */
async function type(state: string, argv: readonly string[]) {
  let [out, err] = ['', ''];
  const io: Io = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: { MCPD_STATE_DIR: state, MCPD_POLICIES: dirname(state) },
    readSecret: async () => '',
    now: () => Date.UTC(2026, 0, 2),
  };
  let code: number = exits.ok;
  const program = new Command('mcpd').exitOverride();
  addAudit(program, io, (told, json) => {
    code = tell(io, told, json);
  });
  try {
    await program.parseAsync(['audit', ...argv], { from: 'user' });
  } catch (reason) {
    code = tell(io, failure(reason), argv.includes('--json'));
  }
  return { code, out, err };
}

test('an outcome that no call has is a wrong command line, and the answer lists what there is', async (t) => {
  const ran = await ask(t, ['--outcome', 'foo']);
  assert.equal(ran.code, exits.usage);
  assert.match(ran.err, /no call ends with "foo"/);
  assert.match(ran.err, /answered.*awaiting.*rate-limited/s);
  for (const word of ['awaiting', 'unknown', 'rate-limited', 'UPSTREAM_TIMEOUT', '-32602'])
    assert.equal((await ask(t, ['--outcome', word])).code, exits.ok, word);
});

test('a time that is none is a wrong command line, in words and as JSON', async (t) => {
  const ran = await ask(t, ['--since', 'nonsense']);
  assert.equal(ran.code, exits.usage);
  assert.match(ran.err, /2h/);
  const { code, out } = await ask(t, ['--since', 'nonsense', '--json']);
  assert.equal(code, exits.usage);
  assert.equal((JSON.parse(out) as { error: { code: string } }).error.code, 'USAGE');
});

test('--would shows only what enforcing would have changed', async (t) => {
  const call = (id: string, would: object | undefined) => ({
    kind: 'outcome',
    time: '2026-01-01T00:00:00.000Z',
    id,
    outcome: 'answered',
    decision: { kind: 'allow', rule: 'built-in: observe', would },
  });
  const records = [call('as-is', undefined), call('would-not', { kind: 'deny', rule: 'no writes' })];
  const { out } = await ask(t, ['--would'], records);
  assert.match(out, /would-not .*deny "no writes"/);
  assert.doesNotMatch(out, /as-is/);
  assert.match((await ask(t, [], records)).out, /as-is/);
});

test('a kind that no record has is a wrong command line, and the answer lists what there is', async (t) => {
  const ran = await ask(t, ['--kind', 'calls']);
  assert.equal(ran.code, exits.usage);
  assert.match(ran.err, /call, upcall, command.*torn-tail/s);
  assert.equal((await ask(t, ['--kind', 'torn-tail'])).code, exits.ok);
});

const call = (id: string, more: object = {}) => ({
  kind: 'outcome',
  time: '2026-01-01T00:00:00.000Z',
  id,
  caller: 'ana',
  outcome: 'refused',
  ...more,
});

test('every condition of the command line reaches the journal', async (t) => {
  const session = shortHash('a-whole-session-id');
  const wanted = call('wanted', {
    server: 'fs',
    session,
    target: { kind: 'tool', name: 'read' },
    resources: { path: '/srv/a' },
    decision: { kind: 'confirm', rule: 'writes', approvedBy: 'webhook:chat/bob' },
  });
  const command = {
    kind: 'command',
    time: '2025-12-01T00:00:00.000Z',
    by: 'ana',
    command: 'lockdown',
    args: [],
  };
  const state = stateWith(t, [command, call('other', { time: '2025-12-01T00:00:01.000Z' }), wanted]);
  for (const argv of [
    ['--correlation', 'wanted'],
    ['--server', 'fs'],
    ['--tool', 'fs/read'],
    ['--resource', '/srv/*'],
    ['--rule', 'writes'],
    ['--approved-by', 'bob'],
    ['--session', session],
    ['--session', 'a-whole-session-id'],
    ['--since', '2025-12-31'],
    ['--caller', 'ana', '--kind', 'call', '--limit', '1'],
  ]) {
    const { code, out } = await type(state, ['query', ...argv]);
    assert.equal(code, exits.ok);
    assert.match(out, /wanted/, argv.join(' '));
    assert.doesNotMatch(out, /other|lockdown/, argv.join(' '));
  }
  assert.match((await type(state, ['query', '--command', 'lockdown'])).out, /mcpd lockdown/);
  assert.doesNotMatch((await type(state, ['query', '--until', '2025-12-31'])).out, /wanted/);
});

test('whoever knows a value finds who sent it, and nobody else can tell it from the journal', async (t) => {
  const state = stateWith(t, []);
  writeFileSync(join(state, 'seal-key'), 'ab'.repeat(32), { mode: 0o600 });
  const digestOf = async (...argv: string[]) => (await type(state, ['digest', ...argv])).out.trim();
  const path = await digestOf('/srv/plan.txt');
  const count = await digestOf('--json-value', '3');
  assert.match(path, /^hmac:[\w-]{22}$/);
  const line = JSON.stringify({ seq: 1, ...call('wanted', { args: { path, count } }) });
  writeFileSync(join(auditDirIn(state), 'journal-000001.jsonl'), `${line}\n`, { mode: 0o600 });
  assert.doesNotMatch(line, /plan/);
  const finds = async (...argv: string[]) => (await type(state, ['query', ...argv])).out.includes('wanted');
  assert.equal(await finds('--arg', 'path=/srv/plan.txt'), true);
  assert.equal(await finds('--arg', 'path=/srv/plan.txt', '--arg', 'count:=3'), true);
  assert.equal(await finds('--arg', 'path=/srv/plan.txt', '--arg', 'count=3'), false);
  assert.equal(await finds('--arg', 'text=/srv/plan.txt'), false);
  for (const argv of [['digest'], ['digest', 'x', '--stdin'], ['query', '--arg', 'path']])
    assert.equal((await type(state, argv)).code, exits.usage, argv.join(' '));
  rmSync(join(state, 'seal-key'));
  assert.equal((await type(state, ['digest', 'x'])).code, exits.configuration);
});

test('an export is a file of its owner’s own, whole or not there, and never written over another', async (t) => {
  const state = stateWith(t, [call('a'), call('b', { caller: 'bob' })]);
  const file = join(state, 'out.jsonl');
  const argv = ['export', '--format', 'jsonl', '--out', file];
  const ran = await type(state, [...argv, '--caller', 'bob', '--json']);
  assert.deepEqual(JSON.parse(ran.out), { ok: true, command: 'audit export', records: 1, format: 'jsonl' });
  const [line = '', ...more] = readFileSync(file, 'utf8').split('\n');
  assert.deepEqual([(JSON.parse(line) as { id: string }).id, more], ['b', ['']]);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const again = await type(state, argv);
  assert.deepEqual([again.code, /is there already/.test(again.err)], [exits.configuration, true]);
  assert.equal(readFileSync(file, 'utf8').split('\n').length, 2);
});

test('an export without a file goes to stdout, and nothing but the export does', async (t) => {
  const state = stateWith(t, [call('a'), call('b')]);
  const jsonl = (await type(state, ['export', '--format', 'jsonl'])).out;
  assert.deepEqual(
    jsonl
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { id: string }).id),
    ['a', 'b'],
  );
  assert.match((await type(state, ['export', '--format', 'csv'])).out, /^seq,time,.*\r\n"1",/);
  assert.match(
    (await type(state, ['export', '--format', 'ocsf', '--since', '2026-01-01'])).out,
    /"class_uid":6003/,
  );
  assert.equal((await type(state, ['export', '--format', 'jsonl', '--json'])).code, exits.usage);
  assert.notEqual((await type(state, ['export', '--format', 'xml'])).code, exits.ok);
});
