import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verify } from '../../src/confirm/webhook-signature.ts';
import { bench, keyOf, question, secret, signed, type Bench } from './webhook-support.ts';

const answer = (more: object = {}) =>
  JSON.stringify({ id: '7k2m9qxz', verdict: 'approve', by: 'bob', ...more });

function say(
  it: Bench,
  body: string,
  more: { id?: string; atMs?: number; key?: Buffer; name?: string } = {},
) {
  const { name = 'chat', atMs = it.clock.wall, ...rest } = more;
  return it.webhooks.take(name, signed(body, { atMs, ...rest }), Buffer.from(body));
}

test('a question goes out whole, signed anew for each try under one id', () => {
  const it = bench();
  it.webhooks.ask(question({ approvalsNeeded: 2, approvedBy: ['operator:ana'] }), 'chat');
  const [parcel] = it.posted;
  assert.ok(parcel);
  const [first, second] = [parcel.headersAt(it.clock.wall), parcel.headersAt(it.clock.wall + 2000)];
  assert.equal(first['webhook-id'], second['webhook-id']);
  assert.notEqual(first['webhook-signature'], second['webhook-signature']);
  assert.equal(verify(keyOf(secret), second, parcel.body, it.clock.wall + 2000).kind, 'signed');
  assert.deepEqual([parcel.url, parcel.untilMs], ['https://chat.example/hook', question().expiresAt]);
  assert.deepEqual(JSON.parse(parcel.body.toString()), {
    type: 'approval.requested',
    timestamp: '2027-01-15T08:00:00.000Z',
    data: {
      id: '7k2m9qxz',
      caller: 'ana',
      server: 'files',
      method: 'tools/call',
      target: { kind: 'tool', name: 'write_file' },
      rule: 'writes need a yes',
      effect: 'Writes a file.',
      arguments: '{"name":"write_file","arguments":{"path":"/a"}}',
      argumentsSha256: 'a'.repeat(64),
      expiresAt: '2027-01-15T08:00:55.000Z',
      approvalsNeeded: 2,
      approvedBy: ['operator:ana'],
      leaseMsMax: 0,
      leaseSame: [],
      answerAt: '/approvals/chat',
    },
  });
});

test('whatever a caller writes, its reader sees it and its chat does not obey it', () => {
  const it = bench();
  const nasty = 'a\u202eb\u200b\u0085\u{e0041}';
  it.webhooks.ask(
    question({
      argsText: JSON.stringify({ name: nasty }),
      target: { kind: 'tool', name: nasty },
      caller: nasty,
    }),
    'chat',
  );
  const { data } = JSON.parse(it.posted[0]?.body.toString() ?? '') as {
    data: { arguments: string; caller: string; target: { name: string } };
  };
  for (const text of [data.arguments, data.caller, data.target.name]) assert.match(text, /^[\x20-\x7e]+$/);
  assert.deepEqual(JSON.parse(data.arguments), { name: nasty });
});

test('a question that cannot be sent is told to the gate, but not in the breath in which it was asked', async () => {
  for (const [name, more, why] of [
    ['nobody', {}, /has no usable secret/],
    ['chat', { argsText: JSON.stringify('x'.repeat(300_000)) }, /so long/],
  ] as const) {
    const it = bench();
    it.webhooks.ask(question(more), name);
    assert.deepEqual([it.posted.length, it.unreachable.length], [0, 0]);
    await Promise.resolve();
    assert.match(it.unreachable[0] ?? '', why);
  }
  const it = bench();
  it.webhooks.ask(question(), 'chat');
  it.posted[0]?.failed('cannot be reached (ECONNREFUSED)');
  assert.deepEqual(it.unreachable, ['7k2m9qxz chat: the webhook chat cannot be reached (ECONNREFUSED)']);
});

test('a signed yes reaches the gate with who said it, and is on record before it counts', async () => {
  const it = bench();
  assert.deepEqual(await say(it, answer({ by: 'Bob', for: '10m' })), { kind: 'taken', result: 'approved' });
  assert.deepEqual(it.heard, [
    { id: '7k2m9qxz', verdict: { verdict: 'approve', by: 'webhook:chat/bob', reason: '', forMs: 600_000 } },
  ]);
  assert.deepEqual(it.records, [
    'webhook:chat/bob approve id=7k2m9qxz for=600000ms: begun',
    'webhook:chat/bob approve id=7k2m9qxz for=600000ms: approved',
  ]);
});

test('when the journal is full a yes does not count and may be said again, and a no counts', async () => {
  const it = bench();
  it.journal = 'is full';
  await assert.rejects(say(it, answer()), { code: 'AUDIT_UNAVAILABLE' });
  assert.equal(it.heard.length, 0);
  it.journal = 'works';
  assert.equal((await say(it, answer())).kind, 'taken');
  it.journal = 'is full';
  await say(it, answer({ verdict: 'deny', reason: 'not today' }), { id: 'msg_2' });
  assert.deepEqual(it.heard.at(-1)?.verdict, {
    verdict: 'deny',
    by: 'webhook:chat/bob',
    reason: 'not today',
    forMs: 0,
  });
});

test('a message counts once, however often and however late it comes', async () => {
  const it = bench();
  const body = answer();
  const headers = signed(body, { atMs: it.clock.wall });
  const again = () => it.webhooks.take('chat', headers, Buffer.from(body));
  assert.deepEqual(
    (await Promise.all([again(), again(), again()])).map(({ kind }) => kind),
    ['taken', 'ended', 'ended'],
  );
  // To the last moment in which its timestamp is still good, and beyond.
  for (const ms of [1, 299_000, 1000, 1000, 600_000]) {
    it.clock.wall += ms;
    it.clock.steady += ms;
    assert.notEqual((await again()).kind, 'taken');
  }
  assert.equal(it.heard.length, 1);
});

test('a message from the future cannot be said again once it is due', async () => {
  const it = bench();
  const body = answer();
  const headers = signed(body, { atMs: it.clock.wall + 300_000 });
  const take = () => it.webhooks.take('chat', headers, Buffer.from(body));
  assert.equal((await take()).kind, 'taken');
  it.clock.wall += 599_000;
  it.clock.steady += 599_000;
  assert.deepEqual(await take(), { kind: 'ended', how: 'replayed' });
});

test('the same message under another webhook, or under one that does not exist, is unsigned', async () => {
  const it = bench();
  it.hooks.set('tickets', { url: 'https://t.example', key: keyOf('another secret of enough length') });
  const body = answer();
  const headers = signed(body, { atMs: it.clock.wall });
  for (const name of ['tickets', 'nobody', '__proto__'])
    assert.equal((await it.webhooks.take(name, headers, Buffer.from(body))).kind, 'unsigned', name);
  // The operator is told what nobody else is.
  assert.match(
    JSON.stringify(await it.webhooks.take('nobody', headers, Buffer.from(body))),
    /no such webhook/,
  );
  // Whoever has the secret of one webhook answers for no other.
  await say(it, body, { name: 'tickets', key: keyOf('another secret of enough length') });
  assert.equal(it.heard[0]?.verdict.by, 'webhook:tickets/bob');
  assert.equal(it.heard.length, 1);
});

test('a webhook whose secret was taken away is heard no more', async () => {
  const it = bench();
  it.hooks.delete('chat');
  assert.equal((await say(it, answer())).kind, 'unsigned');
  assert.equal(it.heard.length, 0);
});

test('what is unsigned, late or early, touches nothing and is not remembered', async () => {
  const it = bench();
  const body = answer();
  for (const more of [
    { key: keyOf('a wrong secret of enough length') },
    { atMs: it.clock.wall - 301_000 },
    { atMs: it.clock.wall + 301_000 },
  ])
    assert.equal((await say(it, body, more)).kind, 'unsigned');
  assert.deepEqual([it.heard, it.records], [[], []]);
  // Otherwise a stranger could use up the ids of the real sender.
  assert.equal((await say(it, body)).kind, 'taken');
});

test('what is signed and no answer is refused, and the sender may mend it under the same id', async () => {
  const it = bench();
  await assert.rejects(say(it, answer({ verdict: 'maybe' })), { code: 'BAD_PARAMS' });
  assert.equal((await say(it, answer())).kind, 'taken');
});

test('who has the secret cannot fill the memory, and is heard again later', async () => {
  const it = bench();
  it.answered = { kind: 'unknown' };
  const body = answer({ verdict: 'deny' });
  for (let at = 0; at < 10_000; at++) await say(it, body, { id: `m${at}` });
  await assert.rejects(say(it, body, { id: 'one-more' }), { code: 'TOO_MANY' });
  it.clock.wall += 601_000;
  it.clock.steady += 601_000;
  assert.equal((await say(it, body, { id: 'one-more' })).kind, 'unknown');
});

test('the sender is told what became of its answer', async () => {
  const it = bench();
  const cases = [
    [
      { kind: 'counted', question: question(), still: 1, changed: true },
      { kind: 'counted', still: 1 },
    ],
    [
      { kind: 'refused', reason: 'not for a time' },
      { kind: 'refused', reason: 'not for a time' },
    ],
    [
      { kind: 'already', ending: 'expired', by: undefined },
      { kind: 'ended', how: 'expired' },
    ],
    [{ kind: 'unknown' }, { kind: 'unknown' }],
  ] as const;
  for (const [at, [said, expected]] of cases.entries()) {
    it.answered = said;
    assert.deepEqual(await say(it, answer(), { id: `m${at}` }), expected);
  }
});
