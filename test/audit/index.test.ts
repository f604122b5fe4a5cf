// The index says where to look, and the journal answers: whatever happens to either, the answer is that of reading it all.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { findAll, findNewest, type Watcher } from '../../src/audit/index-find.ts';
import { pathOf, readJournal } from '../../src/audit/journal-files.ts';
import type { Filter } from '../../src/audit/query-filter.ts';
import { query } from '../../src/audit/query.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import { until } from '../support/daemon.ts';
import { times } from '../support/faults.ts';
import { tempDir } from './sample.ts';

const mustIndex: Watcher = {
  progress: () => undefined,
  withoutIndex: (why) => assert.fail(`without an index: ${why}`),
};

type Desk = { readonly dir: string; readonly put: (number: number, ...records: readonly object[]) => void };

function journal(t: Parameters<typeof tempDir>[0]): Desk {
  const dir = tempDir(t);
  mkdirSync(dir, { mode: 0o700 });
  return { dir, put: (number, ...records) => append(dir, number, records) };
}

function append(dir: string, number: number, records: readonly object[]): void {
  const text = records.map((it) => `${JSON.stringify(it)}\n`).join('');
  appendFileSync(pathOf(dir, number), text, { mode: 0o600 });
}

const call = (seq: number, id: string, more: object = {}) => ({
  seq,
  kind: 'outcome',
  time: new Date(seq * 1000).toISOString(),
  id,
  caller: 'alice',
  outcome: 'refused',
  ...more,
});

async function idsIn(dir: string, filter: Filter = {}, watcher = mustIndex): Promise<unknown[]> {
  return (await findNewest(dir, filter, 1000, watcher)).records.map(({ id, kind }) => id ?? kind);
}

/** That it is the same as reading everything. */
async function agrees(dir: string, filter: Filter, limit: number): Promise<void> {
  const scanned = await query(readJournal(dir), filter, limit);
  const found = await findNewest(dir, filter, limit, mustIndex);
  assert.deepEqual(found, scanned);
  const all: JsonObject[] = [];
  for await (const record of findAll(dir, filter, mustIndex)) all.push(record);
  assert.deepEqual(all, (await query(readJournal(dir), filter, Number.MAX_SAFE_INTEGER)).records);
}

test('it is made, goes on from where it was, and is used as it is when there is nothing new', async (t) => {
  const { dir, put } = journal(t);
  put(1, call(1, 'a'), call(2, 'b'));
  assert.deepEqual(await idsIn(dir), ['a', 'b']);
  const steps: number[] = [];
  const watcher = { ...mustIndex, progress: (done: number) => void steps.push(done) };
  await idsIn(dir, {}, watcher);
  assert.deepEqual(steps, []);
  const { size } = statSync(pathOf(dir, 1));
  put(1, call(3, 'c'));
  put(2, call(4, 'd'));
  assert.deepEqual(await idsIn(dir, {}, watcher), ['a', 'b', 'c', 'd']);
  assert.equal(steps[0], size);
  assert.deepEqual(
    readdirSync(dir).filter((it) => it.startsWith('index')),
    ['index-000001.db'],
  );
  assert.equal(statSync(join(dir, 'index-000001.db')).mode & 0o777, 0o600);
});

test('an intent is found at once, and its outcome when it comes, also in another file', async (t) => {
  const { dir, put } = journal(t);
  const intent = { ...call(1, 'a', { kind: 'decision', phase: 'intent' }), outcome: undefined };
  put(1, intent);
  assert.deepEqual(await idsIn(dir, { outcome: 'unknown' }), ['a']);
  put(1, { ...intent, seq: 2, attempt: 2 });
  assert.deepEqual(await idsIn(dir, { outcome: 'unknown' }), ['a']);
  put(2, { seq: 3, kind: 'outcome', id: 'a', committed: true, outcome: 'answered' });
  assert.deepEqual(await idsIn(dir, { outcome: 'unknown' }), []);
  const { records } = await findNewest(dir, { outcome: 'answered', caller: 'alice' }, 10, mustIndex);
  assert.deepEqual(
    records.map((it) => [it['seq'], it['attempt'], it['outcomeSeq']]),
    [[1, 2, 3]],
  );
});

test('half a line is not read until it is whole, and is forgotten when it was cut off', async (t) => {
  const { dir, put } = journal(t);
  put(1, call(1, 'a'));
  appendFileSync(pathOf(dir, 1), '{"seq":2,"kind":"outcome","id":"half');
  assert.deepEqual(await idsIn(dir), ['a']);
  truncateSync(pathOf(dir, 1), statSync(pathOf(dir, 1)).size - 36);
  assert.deepEqual(await idsIn(dir), ['a']);
  put(1, call(2, 'b'));
  assert.deepEqual(await idsIn(dir), ['a', 'b']);
});

const changes: readonly (readonly [string, (dir: string) => void, readonly string[]])[] = [
  ['the oldest file is retired', (dir) => rmSync(pathOf(dir, 1)), ['c', 'd']],
  ['the newest file is gone', (dir) => rmSync(pathOf(dir, 2)), ['a', 'b']],
  ['all files are gone', (dir) => [1, 2].forEach((it) => rmSync(pathOf(dir, it))), []],
  ['a file is shorter', (dir) => truncateSync(pathOf(dir, 1), lineLength(dir)), ['a', 'c', 'd']],
  ['a record was edited', (dir) => edit(dir, 1, '"b"', '"x"'), ['a', 'x', 'c', 'd']],
  [
    'a record was edited where more was written since',
    (dir) => {
      edit(dir, 2, '"d"', '"x"');
      append(dir, 2, [call(5, 'e')]);
    },
    ['a', 'b', 'c', 'x', 'e'],
  ],
  [
    'a file was replaced by a longer one',
    (dir) => {
      rmSync(pathOf(dir, 2));
      append(dir, 2, [call(3, 'k'), call(4, 'l'), call(5, 'm')]);
    },
    ['a', 'b', 'k', 'l', 'm'],
  ],
];
for (const [what, change, expected] of changes) {
  test(`${what}: the answer is what the journal says now`, async (t) => {
    const { dir, put } = journal(t);
    put(1, call(1, 'a'), call(2, 'b'));
    put(2, call(3, 'c'), call(4, 'd'));
    assert.deepEqual(await idsIn(dir), ['a', 'b', 'c', 'd']);
    change(dir);
    assert.deepEqual(await idsIn(dir), expected);
    await agrees(dir, {}, 3);
  });
}

function lineLength(dir: string): number {
  return readFileSync(pathOf(dir, 1)).indexOf('\n') + 1;
}

function edit(dir: string, number: number, from: string, to: string): void {
  const text = readFileSync(pathOf(dir, number), 'utf8');
  assert.ok(text.includes(from));
  writeFileSync(pathOf(dir, number), text.replace(from, to));
}

test('an edit before what was written since is found when a place does not fit, and the index is made anew', async (t) => {
  const { dir, put } = journal(t);
  const many = Array.from({ length: 50 }, (_, at) => call(at + 1, `id-${at}`));
  put(1, ...many);
  await idsIn(dir);
  // The end of what was indexed is as it was, so that nothing shows but the line itself.
  edit(dir, 1, '{"seq":2,', '{"seq":7,');
  put(1, call(51, 'new'));
  const found = await findNewest(dir, { correlation: 'id-1' }, 10, mustIndex);
  assert.deepEqual(
    found.records.map(({ seq }) => seq),
    [7],
  );
  assert.deepEqual(
    readdirSync(dir).filter((it) => it.endsWith('.db')),
    ['index-000002.db'],
  );
});

test('an export that meets such an edit says that it is not whole, and the next one is', async (t) => {
  const { dir, put } = journal(t);
  put(1, ...Array.from({ length: 50 }, (_, at) => call(at + 1, `id-${at}`)));
  await idsIn(dir);
  edit(dir, 1, '{"seq":2,', '{"seq":7,');
  put(1, call(51, 'new'));
  const exported = async () => {
    let count = 0;
    for await (const record of findAll(dir, {}, mustIndex)) count += record['seq'] === 0 ? 0 : 1;
    return count;
  };
  await assert.rejects(exported(), { code: 'AUDIT_UNAVAILABLE', hint: /verify/ });
  assert.equal(await exported(), 51);
});

const damages: readonly (readonly [string, (path: string) => void])[] = [
  ['no database', (path) => writeFileSync(path, 'x'.repeat(10_000))],
  ['of another program', (path) => writeFileSync(path, otherDatabase())],
  ['empty', (path) => writeFileSync(path, '')],
  ['cut', (path) => truncateSync(path, 8192)],
  ['zeroed behind its header', (path) => writeFileSync(path, zeroed(path))],
];
for (const [what, damage] of damages) {
  test(`an index that is ${what} is made anew`, async (t) => {
    const { dir, put } = journal(t);
    put(1, call(1, 'a'), call(2, 'b', { caller: 'bob' }));
    await idsIn(dir);
    damage(join(dir, 'index-000001.db'));
    assert.deepEqual(await idsIn(dir, { caller: 'bob' }), ['b']);
    await agrees(dir, {}, 10);
  });
}

/** The header of an SQLite file with another application id (sqlite.org/fileformat.html, offset 68). */
function otherDatabase(): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write('SQLite format 3\0');
  bytes.writeUInt16BE(4096, 16);
  bytes.set([1, 1, 0, 64, 32, 32], 18);
  bytes.writeUInt32BE(1, 24);
  bytes.writeUInt32BE(1, 28);
  bytes.writeUInt32BE(4, 44);
  bytes.writeUInt32BE(1, 56);
  bytes.writeUInt32BE(7, 60);
  bytes.writeUInt32BE(0x12345678, 68);
  bytes.writeUInt32BE(1, 92);
  bytes.set([13, 0, 0, 0, 0, 16, 0, 0], 100);
  return bytes;
}

function zeroed(path: string): Buffer {
  const bytes = readFileSync(path);
  return bytes.fill(0, 4096);
}

test('where no index can be kept the whole journal is read, and it is said why', async (t) => {
  const { dir, put } = journal(t);
  put(1, call(1, 'a'));
  const said: string[] = [];
  const watcher = { ...mustIndex, withoutIndex: (why: string) => void said.push(why) };
  // What nobody can write, not even root.
  mkdirSync(join(dir, 'index-000001.db'));
  assert.deepEqual(await idsIn(dir, {}, watcher), ['a']);
  assert.match(said.join(), /index-000001\.db is not a plain file/);
  rmSync(join(dir, 'index-000001.db'), { recursive: true });
  writeFileSync(join(dir, 'index-000001.db'), '');
  chmodSync(join(dir, 'index-000001.db'), 0o644);
  assert.deepEqual(await idsIn(dir, {}, watcher), ['a']);
  assert.match(said[1] ?? '', /can be opened by other users/);
});

test('a folder that is not there holds nothing, and nothing is made in it', async (t) => {
  const dir = tempDir(t);
  assert.deepEqual(await findNewest(dir, {}, 10, mustIndex), { records: [], unreadable: 0 });
  mkdirSync(dir, { mode: 0o700 });
  await findNewest(dir, {}, 10, mustIndex);
  assert.deepEqual(readdirSync(dir), []);
});

test('many at once get the same answer, and there is one index afterwards', async (t) => {
  const { dir, put } = journal(t);
  put(1, ...Array.from({ length: 2000 }, (_, at) => call(at + 1, `id-${at}`)));
  const found = await Promise.all(
    Array.from(
      { length: 8 },
      async () => (await findNewest(dir, { correlation: 'id-7' }, 10, mustIndex)).records,
    ),
  );
  for (const records of found) assert.equal(records[0]?.['seq'], 8);
  assert.deepEqual(readdirSync(dir).sort(), ['index-000001.db', 'journal-000001.jsonl']);
});

/** `mcpd audit query` in a process of its own, beside a journal in `audit/`. */
function ask(state: string, ...argv: readonly string[]) {
  const env = { ...process.env, MCPD_STATE_DIR: state, MCPD_POLICIES: state };
  const launcher = join(import.meta.dirname, '../../src/launch.cjs');
  const args = [launcher, 'audit', 'query', '--json', ...argv];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = new Promise<{ out: string; err: string }>((resolve) => {
    child.once('close', () => resolve({ out, err }));
  });
  return { child, ended };
}

function stateWithMany(t: Parameters<typeof tempDir>[0], count: number): { state: string; dir: string } {
  const state = dirname(tempDir(t));
  const dir = join(state, 'audit');
  mkdirSync(dir, { mode: 0o700 });
  append(
    dir,
    1,
    Array.from({ length: count }, (_, at) => call(at + 1, `id-${at}`, { caller: `c${at % 7}` })),
  );
  return { state, dir };
}

test('commands at once, each in a process of its own, make one index and agree', async (t) => {
  const { state, dir } = stateWithMany(t, 20_000);
  const asked = Array.from({ length: 4 }, (_, at) => ask(state, '--correlation', `id-${at}`).ended);
  for (const [at, { out, err }] of (await Promise.all(asked)).entries()) {
    const { records } = JSON.parse(out) as { records: { seq: number }[] };
    assert.deepEqual([records.map(({ seq }) => seq), err], [[at + 1], '']);
  }
  assert.deepEqual(readdirSync(dir).sort(), ['index-000001.db', 'journal-000001.jsonl']);
});

test('a command that is killed while it makes the index leaves one that goes on', async (t) => {
  const { state, dir } = stateWithMany(t, 20_000);
  for (let round = 0; round < times(3, 30); round++) {
    const { child, ended } = ask(state);
    // It has begun, and is somewhere in the middle.
    await until('the index is being made', () => readdirSync(dir).length > 1 || child.exitCode !== null);
    await pause(round * 7);
    child.kill('SIGKILL');
    await ended;
  }
  append(dir, 1, [call(20_001, 'last')]);
  assert.deepEqual(await idsIn(dir, { caller: 'alice' }), ['last']);
  await agrees(dir, { caller: 'c3', outcome: 'refused' }, 5);
});

const word = fc.constantFrom('a', 'b', 'a/b', 'é', '');
const maybe = <T>(it: fc.Arbitrary<T>) => fc.option(it, { nil: undefined, freq: 2 });
const seconds = fc.integer({ min: 0, max: 40 });
const decision = fc.record(
  {
    kind: fc.constantFrom('allow', 'deny', 'confirm'),
    rule: word,
    approvedBy: fc.constantFrom('policy', 'ana', 'a, webhook:b/é', 'lease: a'),
    would: fc.record({ kind: fc.constantFrom('allow', 'deny'), rule: word }, { requiredKeys: [] }),
  },
  { requiredKeys: [] },
);
const record = fc.record(
  {
    seq: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constantFrom('x', 1.5, null)),
    kind: fc.constantFrom(
      'decision',
      'decision',
      'outcome',
      'outcome',
      'outcome',
      'upcall',
      'command',
      'lost',
    ),
    committed: fc.boolean(),
    time: fc.oneof(
      seconds.map((it) => new Date(it * 1000).toISOString()),
      fc.constant('never'),
    ),
    id: word,
    caller: fc.oneof(word, fc.constant(7)),
    server: word,
    session: word,
    command: word,
    target: fc.record({
      kind: fc.constantFrom('tool', 'resource', 'subscription'),
      name: fc.constantFrom('a', 'b', 'a b'),
    }),
    resources: fc.dictionary(
      word,
      fc.oneof(word, fc.integer({ min: 0, max: 3 }), fc.constant('x'.repeat(300))),
    ),
    args: fc.dictionary(word, fc.constantFrom('hmac:1', 'hmac:2')),
    decision,
    refusedBy: fc.record({ rule: word }),
    outcome: fc.constantFrom('answered', 'refused', 'declined', 'unknown'),
    error: fc.constantFrom('declined', 'denied'),
    attempt: fc.integer({ min: 2, max: 3 }),
    params: fc.constant({ some: 'thing' }),
    prev: fc.constant('p'),
  },
  { requiredKeys: ['kind'] },
);
const line = fc.oneof(
  { weight: 20, arbitrary: record.map((it) => JSON.stringify(it)) },
  { weight: 1, arbitrary: fc.constantFrom('', 'null', '{"seq":', '[]') },
);
const filter: fc.Arbitrary<Filter> = fc.record({
  tool: maybe(fc.constantFrom('a', 'b', 'a/b', 'b/a', 'a b', '')),
  caller: maybe(word),
  correlation: maybe(word),
  outcome: maybe(fc.constantFrom('answered', 'declined', 'unknown', 'denied')),
  server: maybe(word),
  session: maybe(word),
  command: maybe(word),
  rule: maybe(word),
  kind: maybe(fc.constantFrom('call', 'upcall', 'command')),
  approvedBy: maybe(fc.constantFrom('policy', 'ana', 'a', 'b/é', 'é')),
  resource: maybe(fc.constantFrom('a', 'a*', '*', '1', 'xx*', 'x'.repeat(300), `${'x'.repeat(290)}*`)),
  args: maybe(fc.constantFrom([{ name: 'a', digest: 'hmac:1' }], [])),
  would: maybe(fc.boolean()),
  sinceMs: maybe(seconds.map((it) => it * 1000)),
  untilMs: maybe(seconds.map((it) => it * 1000)),
});
/** Of most questions only a few members: what asks for everything at once finds nothing. */
const question = fc
  .tuple(
    filter,
    fc.array(fc.nat({ max: 14 }), { minLength: 0, maxLength: 2 }),
    fc.integer({ min: 0, max: 6 }),
  )
  .map(([all, kept, limit]) => ({
    filter: Object.fromEntries(Object.entries(all).filter((_, at) => kept.includes(at))),
    limit,
  }));

test('on any journal the index and reading everything give the same, however it grows and is cut at its start', async (t) => {
  let round = 0;
  const growing = fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), fc.array(line, { maxLength: 25 })), {
    minLength: 1,
    maxLength: 4,
  });
  const property = fc.asyncProperty(
    growing,
    fc.array(question, { minLength: 4, maxLength: 8 }),
    async (parts, asked) => {
      const dir = `${tempDir(t)}-${round++}`;
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      let number = 1;
      for (const [next, lines] of parts) {
        number += next;
        appendFileSync(pathOf(dir, number), lines.map((it) => `${it}\n`).join(''));
        for (const { filter, limit } of asked) await agrees(dir, filter, limit);
      }
      if (number > 1) rmSync(pathOf(dir, readdirSync(dir).includes('journal-000001.jsonl') ? 1 : 2));
      for (const { filter, limit } of asked) await agrees(dir, filter, limit);
    },
  );
  await fc.assert(property, { numRuns: times(15, 150) });
});
