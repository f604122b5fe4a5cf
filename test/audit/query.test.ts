import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSince, query, type Filter } from '../../src/audit/query.ts';

const time = (minute: number) => `2026-01-02T03:${String(minute).padStart(2, '0')}:00.000Z`;
const intent = (seq: number, id: string, more: object = {}) =>
  JSON.stringify({
    seq,
    kind: 'decision',
    phase: 'intent',
    time: time(seq),
    id,
    caller: 'alice',
    server: 'files',
    target: { kind: 'tool', name: 'read' },
    ...more,
  });
const outcome = (seq: number, id: string, more: object = {}) =>
  JSON.stringify({
    seq,
    kind: 'outcome',
    time: time(seq),
    id,
    committed: true,
    outcome: 'answered',
    ...more,
  });
const refusal = (seq: number, id: string, more: object = {}) =>
  JSON.stringify({
    seq,
    kind: 'outcome',
    time: time(seq),
    id,
    caller: 'bob',
    server: 'files',
    target: { kind: 'tool', name: 'write' },
    outcome: 'refused',
    error: 'denied',
    ...more,
  });

const journal = [
  JSON.stringify({ seq: 1, kind: 'started', time: time(1) }),
  intent(2, 'a'),
  intent(3, 'b', { caller: 'bob', server: 'git' }),
  refusal(4, 'c'),
  outcome(5, 'b', { error: 'tool-error' }),
  outcome(6, 'a'),
  intent(7, 'crashed'),
  JSON.stringify({ seq: 8, kind: 'command', time: time(8), by: 'root', command: 'lockdown' }),
];

async function ids(filter: Partial<Filter>, lines: readonly string[] = journal) {
  const { records } = await query(lines, { limit: 100, ...filter });
  return records.map((it) => it['id'] ?? it['kind']);
}

test('without a filter everything is there, in order, a call once', async () => {
  assert.deepEqual(await ids({}), ['started', 'a', 'b', 'c', 'crashed', 'command']);
});

test('a call has the members of its intent and of its outcome', async () => {
  const { records } = await query(journal, { correlation: 'a', limit: 1 });
  assert.deepEqual(records, [
    {
      seq: 2,
      kind: 'call',
      time: time(2),
      id: 'a',
      caller: 'alice',
      server: 'files',
      target: { kind: 'tool', name: 'read' },
      outcome: 'answered',
      outcomeSeq: 6,
      endedAt: time(6),
    },
  ]);
});

const cases: readonly (readonly [Partial<Filter>, readonly string[]])[] = [
  [{ caller: 'bob' }, ['b', 'c']],
  [{ tool: 'write' }, ['c']],
  [{ tool: 'git/read' }, ['b']],
  [{ server: 'git' }, ['b']],
  [{ outcome: 'refused' }, ['c']],
  [{ outcome: 'tool-error' }, ['b']],
  [{ outcome: 'unknown' }, ['crashed']],
  [{ correlation: 'c' }, ['c']],
  [{ sinceMs: Date.parse(time(4)) }, ['c', 'crashed', 'command']],
  [{ limit: 2 }, ['crashed', 'command']],
  [{ limit: 0 }, []],
  [{ caller: 'bob', outcome: 'answered' }, ['b']],
];
for (const [filter, expected] of cases) {
  test(`${JSON.stringify(filter)} finds ${expected.join(', ') || 'nothing'}`, async () => {
    assert.deepEqual(await ids(filter), expected);
  });
}

test('lines that are not records are counted, not obeyed and not fatal', async () => {
  const { records, unreadable } = await query(['{"seq":', '17', 'null', ...journal], { limit: 100 });
  assert.deepEqual([records.length, unreadable], [6, 3]);
});

test('the newest of a long journal are kept', async () => {
  const lines = Array.from({ length: 5000 }, (_, at) => refusal(at, `id-${at}`, { time: time(1) }));
  assert.deepEqual(await ids({ limit: 2 }, lines), ['id-4998', 'id-4999']);
});

test('since is a span or a date, and anything else is told what to write', () => {
  const now = Date.parse('2026-01-10T00:00:00Z');
  assert.equal(parseSince('2h', now), now - 7_200_000);
  assert.equal(parseSince('7d', now), now - 604_800_000);
  assert.equal(parseSince('30min', now), now - 1_800_000);
  assert.equal(parseSince('2026-01-02T03:04:05Z', now), Date.parse('2026-01-02T03:04:05Z'));
  for (const text of ['', 'yesterday', '2', '-2h', '2026-99-99', '2 h']) {
    assert.throws(() => parseSince(text, now), { code: 'CONFIG_INVALID', hint: /2h/ }, text);
  }
});
