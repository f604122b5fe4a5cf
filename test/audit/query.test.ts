import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorWords, isEnding, outcomeWords } from '../../src/audit/outcomes.ts';
import type { Filter } from '../../src/audit/query-filter.ts';
import { parseSince, query, queryAll } from '../../src/audit/query.ts';

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
  intent(2, 'a', {
    decision: { kind: 'allow', rule: 'reads', approvedBy: 'policy' },
    resources: { path: '/srv/a.txt' },
    args: { path: 'hmac:1' },
  }),
  intent(3, 'b', {
    caller: 'bob',
    server: 'git',
    session: 'abcdef012345',
    decision: {
      kind: 'confirm',
      approvedBy: 'lease: ana, webhook:chat/bob',
      would: { kind: 'deny', rule: 'no writes' },
    },
    resources: { path: '/srv/b.txt', n: 12 },
  }),
  refusal(4, 'c', {
    target: { kind: 'tool', name: 'write' },
    refusedBy: { rule: 'arguments' },
    resources: { uri: 'file:///b' },
  }),
  outcome(5, 'b', { error: 'tool-error', args: { path: 'hmac:1', text: 'hmac:2' } }),
  outcome(6, 'a'),
  intent(7, 'crashed'),
  JSON.stringify({ seq: 8, kind: 'command', time: time(8), by: 'root', command: 'lockdown' }),
];

async function ids(filter: Filter, lines: readonly string[] = journal, limit = 100) {
  const { records } = await query(lines, filter, limit);
  return records.map((it) => it['id'] ?? it['kind']);
}

test('without a filter everything is there, in order, a call once', async () => {
  assert.deepEqual(await ids({}), ['started', 'a', 'b', 'c', 'crashed', 'command']);
});

test('only so many are given, the newest', async () => {
  assert.deepEqual(await ids({}, journal, 2), ['crashed', 'command']);
  assert.deepEqual(await ids({}, journal, 0), []);
});

test('without an end every call comes when it has ended, and what has not ended comes last', async () => {
  const found: unknown[] = [];
  for await (const record of queryAll(journal, { kind: 'call' })) found.push(record['id']);
  assert.deepEqual(found, ['c', 'b', 'a', 'crashed']);
});

test('a call has the members of its intent and of its outcome', async () => {
  const lines = [intent(2, 'a'), outcome(6, 'a')];
  const { records } = await query(lines, { correlation: 'a' }, 1);
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

const cases: readonly (readonly [Filter, readonly string[]])[] = [
  [{ caller: 'bob' }, ['b', 'c']],
  [{ tool: 'write' }, ['c']],
  [{ tool: 'git/read' }, ['b']],
  [{ server: 'git' }, ['b']],
  [{ outcome: 'refused' }, ['c']],
  [{ outcome: 'tool-error' }, ['b']],
  [{ outcome: 'unknown' }, ['crashed']],
  [{ correlation: 'c' }, ['c']],
  [{ sinceMs: Date.parse(time(4)) }, ['c', 'crashed', 'command']],
  [{ sinceMs: Date.parse(time(3)), untilMs: Date.parse(time(7)) }, ['b', 'c']],
  [{ kind: 'call', untilMs: Date.parse(time(3)) }, ['a']],
  [{ kind: 'command' }, ['command']],
  [{ command: 'lockdown' }, ['command']],
  [{ session: 'abcdef012345' }, ['b']],
  [{ rule: 'reads' }, ['a']],
  [{ rule: 'arguments' }, ['c']],
  [{ rule: 'no writes' }, ['b']],
  [{ approvedBy: 'policy' }, ['a']],
  [{ approvedBy: 'bob' }, ['b']],
  [{ approvedBy: 'chat/bob' }, ['b']],
  [{ approvedBy: 'webhook:chat/bob' }, ['b']],
  [{ approvedBy: 'ana' }, ['b']],
  [{ approvedBy: 'an' }, []],
  [{ resource: '/srv/a.txt' }, ['a']],
  [{ resource: '/srv/*' }, ['a', 'b']],
  [{ resource: '/srv/' }, []],
  [{ resource: '12' }, ['b']],
  [{ resource: 'file:///b' }, ['c']],
  [{ resource: '*' }, ['a', 'b', 'c']],
  [{ args: [{ name: 'path', digest: 'hmac:1' }] }, ['a', 'b']],
  [
    {
      args: [
        { name: 'path', digest: 'hmac:1' },
        { name: 'text', digest: 'hmac:2' },
      ],
    },
    ['b'],
  ],
  [{ args: [{ name: 'constructor', digest: 'hmac:1' }] }, []],
  [{ caller: 'bob', outcome: 'answered' }, ['b']],
];
for (const [filter, expected] of cases) {
  test(`${JSON.stringify(filter)} finds ${expected.join(', ') || 'nothing'}`, async () => {
    assert.deepEqual(await ids(filter), expected);
  });
}

test('a call that was made again is one call, with its first try and the number of the last', async () => {
  const lines = [
    intent(1, 'a'),
    intent(2, 'b'),
    intent(3, 'a', { attempt: 2 }),
    intent(4, 'b', { attempt: 2 }),
    outcome(5, 'a'),
  ];
  const { records } = await query(lines, {}, 10);
  assert.deepEqual(
    records.map((it) => [it['id'], it['seq'], it['attempt'], it['outcome']]),
    [
      ['a', 1, 2, 'answered'],
      ['b', 2, 2, 'unknown'],
    ],
  );
});

test('what was found on both ways is in the one record of the call', async () => {
  const lines = [
    intent(1, 'a', { found: { in: { email: 1 } } }),
    outcome(2, 'a', { found: { out: { iban: 2 } } }),
    intent(3, 'b', { found: { in: { email: 3 } } }),
    outcome(4, 'b'),
    refusal(5, 'c', { found: { in: { email: 4 } } }),
  ];
  const { records } = await query(lines, {}, 10);
  assert.deepEqual(
    records.map((it) => it['found']),
    [{ in: { email: 1 }, out: { iban: 2 } }, { in: { email: 3 } }, { in: { email: 4 } }],
  );
});

test('would finds what enforcing everything would have changed, and not what it would only have named otherwise', async () => {
  const decided = (would: unknown) => ({ decision: { kind: 'allow', rule: 'built-in: observe', would } });
  const lines = [
    intent(1, 'denied', decided({ kind: 'deny', rule: 'no' })),
    intent(2, 'same', decided({ kind: 'allow', rule: 'reads' })),
    intent(3, 'limited', decided({ limit: '10/min' })),
    intent(4, 'none', decided(undefined)),
    intent(5, 'garbled', decided('deny')),
    ...['denied', 'same', 'limited', 'none', 'garbled'].map((id, at) => outcome(10 + at, id)),
    JSON.stringify({ seq: 30, kind: 'upcall', ...decided({ kind: 'deny', rule: 'no' }) }),
  ];
  assert.deepEqual(await ids({ would: true }, lines), ['denied', 'limited', 'upcall']);
  assert.equal((await ids({ would: false }, lines)).length, 6);
});

test('every word that an ending can have is known, and no other', () => {
  for (const word of [...outcomeWords, ...errorWords, 'UPSTREAM_TIMEOUT', '-32602', '17'])
    assert.equal(isEnding(word), true, word);
  for (const word of ['', 'foo', 'Answered', 'constructor', '__proto__', '-', '1.5', 'tool_error'])
    assert.equal(isEnding(word), false, word);
});

test('lines that are not records are counted, not obeyed and not fatal', async () => {
  const { records, unreadable } = await query(['{"seq":', '17', 'null', ...journal], {}, 100);
  assert.deepEqual([records.length, unreadable], [6, 3]);
});

test('the newest of a long journal are kept', async () => {
  const lines = Array.from({ length: 5000 }, (_, at) => refusal(at, `id-${at}`, { time: time(1) }));
  assert.deepEqual(await ids({}, lines, 2), ['id-4998', 'id-4999']);
});

test('since is a span or a date, and anything else is told what to write', () => {
  const now = Date.parse('2026-01-10T00:00:00Z');
  assert.equal(parseSince('2h', now), now - 7_200_000);
  assert.equal(parseSince('7d', now), now - 604_800_000);
  assert.equal(parseSince('30min', now), now - 1_800_000);
  assert.equal(parseSince('2026-01-02T03:04:05Z', now), Date.parse('2026-01-02T03:04:05Z'));
  for (const text of ['', 'yesterday', '2', '-2h', '2026-99-99', '2 h']) {
    assert.throws(() => parseSince(text, now), { code: 'USAGE', hint: /2h/ }, text);
  }
});
