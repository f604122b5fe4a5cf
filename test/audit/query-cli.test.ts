import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Command } from 'commander';
import { addAudit } from '../../src/cli/audit.ts';
import { exits } from '../../src/cli/exit.ts';
import { failure, tell, type Io } from '../../src/cli/io.ts';
import { auditDirIn } from '../../src/cli/place.ts';
import { tempDir } from './sample.ts';

/** `mcpd audit query …` beside a journal of these records. */
async function ask(t: TestContext, argv: readonly string[], records: readonly object[] = []) {
  const state = tempDir(t);
  mkdirSync(auditDirIn(state), { recursive: true, mode: 0o700 });
  const lines = records.map((record, at) => `${JSON.stringify({ seq: at + 1, ...record })}\n`);
  writeFileSync(join(auditDirIn(state), 'journal-000001.jsonl'), lines.join(''), { mode: 0o600 });
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
    await program.parseAsync(['audit', 'query', ...argv], { from: 'user' });
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
