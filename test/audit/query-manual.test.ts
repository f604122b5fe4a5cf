// What docs/audit.md shows of a journal is what the commands in it print, on the journal that it tells about.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { argumentDigest, argumentKey } from '../../src/audit/argument-digest.ts';
import { pathOf } from '../../src/audit/journal-files.ts';
import { proofPlace } from '../../src/audit/journal-keys.ts';
import { openProof } from '../../src/audit/journal-proof.ts';
import { Retention } from '../../src/audit/journal-retention.ts';
import { auditDirIn } from '../../src/cli/place.ts';
import { runCli } from '../../src/cli/program.ts';
import type { Io } from '../../src/cli/io.ts';
import { auditShape } from '../../src/config/schema-care.ts';
import { readToml } from '../../src/config/toml.ts';
import type { JsonText } from '../../src/domain/message.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { blocksOf, stepsOf } from '../support/reader.ts';
import { bench, sampleArrival, sampleCall, samplePermit, sampleSession, tempDir } from './sample.ts';

const sealKey = Buffer.alloc(32, 0xab);
const nowMs = Date.UTC(2026, 1, 1);

/** Ana reads, Bob is refused, Carol writes after Lea has said yes, and Lea locks everything. */
async function journalOfTheManual(t: TestContext): Promise<string> {
  const state = dirname(tempDir(t));
  writeFileSync(join(state, 'seal-key'), sealKey.toString('hex'), { mode: 0o600 });
  mkdirSync(auditDirIn(state), { mode: 0o700 });
  const proof = openProof(proofPlace(state, undefined), () => undefined);
  const keep = { keepMs: Infinity, keepBytesMax: Infinity };
  const it = bench(t, auditDirIn(state), {
    proof,
    upkeep: {
      checkpoints: proof.checkpoints,
      checkpointEveryMs: 10_000,
      retention: new Retention(auditDirIn(state), keep),
    },
    digest: argumentDigest(argumentKey(sealKey)),
  });
  const begin = (caller: string, id: string, tool: string, args: object, rule: string) => {
    it.clock.wall += 60_000;
    const params = JSON.stringify({ name: tool, arguments: args }) as JsonText;
    const arrival = sampleArrival({ id, message: { kind: 'request', id: 1, method: 'tools/call', params } });
    const trail = it.audit.open(arrival);
    const session = sampleSession({ id: `session of ${caller}`, principal: { name: caller } });
    const call = sampleCall(arrival, { kind: 'tool', name: tool }, session);
    const permit = samplePermit({ rule, record: ['path'] });
    trail.named(call);
    return { trail, call, permit };
  };
  const answered = async ({ trail, call, permit }: ReturnType<typeof begin>, by: string) => {
    trail.decided(permit, { version: '4f1c20aa97d3+0' });
    await trail.commit({
      call,
      permit,
      receipt: { kind: 'paid', done: () => undefined, would: undefined },
      approval: { kind: 'approved', by },
      ordersVersion: '4f1c20aa97d3+0',
      attempt: 1,
      stands: () => true,
    });
    it.clock.now += 8.25;
    const text = '{"content":[{"type":"text","text":"…"}]}' as RedactedJson;
    trail.close({ kind: 'answered', answer: { kind: 'result', text }, opened: undefined });
  };
  const path = '/srv/contracts/acme.txt';
  const ids = [
    '2b5e1c6a-6f0f-4d67-9d53-0c8a37f4b111',
    '9c1d4f0e-6a3b-4c52-8a0f-57d1e2b3c222',
    '71f0aa92-3e4d-4b8c-b6a5-1f2e3d4c5333',
  ];
  await answered(begin('ana', ids[0] ?? '', 'read_file', { path }, 'reading'), 'policy');
  const bob = begin('bob', ids[1] ?? '', 'write_file', { path, text: 'mine' }, 'no writes');
  const denial = { kind: 'deny', rule: 'no writes', reason: 'Only readers.', hidden: false } as const;
  bob.trail.decided(denial, { version: '4f1c20aa97d3+0' });
  bob.trail.close({ kind: 'refused', why: denial, target: { kind: 'tool', name: 'write_file' } });
  await answered(
    begin('carol', ids[2] ?? '', 'write_file', { path, text: 'signed' }, 'writes need a yes'),
    'lea',
  );
  it.clock.wall += 60_000;
  await it.audit.command({
    by: 'lea',
    as: 'user',
    role: 'admin',
    command: 'lockdown',
    args: ['reason=incident 12'],
    result: 'done',
  });
  await it.audit.close();
  return state;
}

test('every command of the manual that asks the journal prints what is shown', async (t) => {
  const state = await journalOfTheManual(t);
  const steps = blocksOf('audit.md')
    .filter(({ language }) => language === 'console')
    .flatMap(({ text }) => stepsOf(text));
  const asking = steps.filter(({ command }) => /^mcpd audit (query|export|digest|verify)\b/.test(command));
  assert.ok(asking.length >= 8, `${asking.length} commands`);
  for (const { command, shows } of asking) {
    let printed = '';
    const print = (text: string) => void (printed += text);
    const env = { MCPD_STATE_DIR: state, MCPD_POLICIES: state };
    const io: Io = { out: print, err: print, env, readSecret: async () => '', now: () => nowMs };
    // Files go where nothing of them is left.
    const argv = wordsOf(command).slice(1);
    await runCli(
      argv.map((it) => (it === 'january.jsonl' ? join(state, it) : it)),
      io,
    );
    printed = printed.replaceAll(`${state}/`, '');
    if (process.env['SHOW'] !== undefined) console.log(`$ ${command}\n${printed}`);
    else assert.match(printed.replaceAll('\r\n', '\n'), patternFor(shows), `${command}\n${printed}`);
  }
});

test('the records that the manual shows are the ones of its journal', async (t) => {
  const state = await journalOfTheManual(t);
  const lines = readFileSync(pathOf(auditDirIn(state), 1), 'utf8').split('\n');
  const shown = blocksOf('audit.md').find(({ language }) => language === 'json')?.text;
  assert.equal(shown, `${lines.slice(1, 3).join('\n')}\n`);
});

test('what the manual shows of mcpd.toml is what holds without it', () => {
  const shown = blocksOf('audit.md').find(({ language }) => language === 'toml')?.text ?? '';
  const read = readToml(shown);
  assert.ok(read.ok);
  const { audit } = read.document.value as { audit: unknown };
  assert.deepEqual(auditShape.parse(audit), auditShape.parse({}));
});

/** As it stands: ids and times are the same in every run. */
function patternFor(shows: string): RegExp {
  const pieces = shows.split('…').map((it) => it.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${pieces.join('[^\\n]*')}$`);
}

/** As a shell splits them, where there is nothing but words in single quotes. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}
