import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { Gate } from '../../src/confirm/gate.ts';
import { Webhooks } from '../../src/confirm/webhook.ts';
import { realClock } from '../../src/domain/clock.ts';
import type { Confirmation, Consent } from '../../src/domain/decision.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { Orders } from '../../src/domain/orders.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import type { FrontPlane } from '../../src/front/front-plane.ts';
import { createFront, listen } from '../../src/front/server.ts';
import { pressureOf } from './pressure-of.ts';
import { Postman } from '../../src/webhooks.ts';
import { sampleArrival, sampleCall } from '../audit/sample.ts';
import { keyOf, secret, signed } from '../confirm/webhook-support.ts';
import { exchange, postText } from '../support/raw-http.ts';

/** What a person at the chat sees of a question. */
type Shown = { readonly id: string; readonly arguments: string; readonly answerAt: string };

const orders = { version: 'v7', servers: new Map() } as unknown as Orders;

function confirmation(approvals = 1, channels = ['chat'], leaseMsMax = 0): Confirmation {
  return {
    kind: 'confirm',
    rule: 'writes',
    record: [],
    rates: [],
    would: undefined,
    asking: {
      channels: channels.map((name) => ({ kind: 'webhook', name })),
      approvals,
      answerWithinMs: 60_000,
      leaseMsMax,
      leaseSame: [],
    },
  };
}

/** A front, a gate, and a chat system beside them that keeps what it is sent; nothing in between is made up. */
async function house(t: TestContext) {
  const shown: Shown[] = [];
  const arrived: (() => void)[] = [];
  const chat = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      shown.push((JSON.parse(Buffer.concat(chunks).toString()) as { data: Shown }).data);
      res.writeHead(200).end();
      arrived.shift()?.();
    });
  });
  await new Promise<void>((resolve) => chat.listen(0, '127.0.0.1', resolve));
  const chatUrl = `http://127.0.0.1:${(chat.address() as AddressInfo).port}/`;
  const hooks = new Map([
    ['chat', { url: chatUrl, key: keyOf(secret) }],
    ['gone', { url: 'http://127.0.0.1:1/', key: keyOf(secret) }],
  ]);

  const records: string[] = [];
  const refused: Outcome[] = [];
  let draining = false;
  const postman = new Postman({
    clock: realClock,
    version: 'test',
    log: () => undefined,
    wait: async () => undefined,
  });
  const gate: Gate = new Gate({
    clock: realClock,
    redact: (text) => text as RedactedJson,
    bindingOf: () => 'd@c',
    ordersVersion: () => orders.version,
    pose: () => undefined,
    notify: (question, name) => webhooks.ask(question, name),
    pendingMax: 8,
  });
  const webhooks = new Webhooks({
    clock: realClock,
    hookOf: (name) => hooks.get(name),
    post: (parcel) => void postman.post(parcel),
    gate: {
      answer: (id, verdict) => gate.answer(id, verdict),
      unreachable: (...lost) => gate.unreachable(...lost),
    },
    record: async ({ by, command, result }) => void records.push(`${by} ${command}: ${result}`),
  });
  const plane = {
    data: {
      audit: {
        open: () => ({
          identified: () => undefined,
          close: (outcome: Outcome) => void refused.push(outcome),
        }),
      },
      callers: {
        identify: () => {
          throw new Fault('UNAUTHENTICATED');
        },
      },
    },
    approvals: { take: webhooks.take },
    signIn: () => {
      throw new Fault('UNAUTHENTICATED');
    },
    peers: { credentials: () => ({ kind: 'none' }), remote: () => '' },
    oauth: { publicUrl: '', issuers: [] },
    wallMs: realClock.wallMs,
    pressure: pressureOf({ connectionsMax: 512 }),
    draining: () => draining,
    report: () => undefined,
  } as unknown as FrontPlane;
  const hosts = new Set<string>();
  const front = createFront({
    rules: { hosts, origins: new Set() },
    plane,
    httpSse: undefined,
    health: {
      alive: () => ({ version: '', uptimeSeconds: 0 }),
      ready: () => 'healthy',
      detail: async () => ({}),
    },
    headersWithinMs: 5_000,
    requestWithinMs: 5_000,
  });
  await listen(front, { host: '127.0.0.1', port: 0 });
  const { port } = front.address() as AddressInfo;
  hosts.add(`127.0.0.1:${port}`);
  t.after(() => {
    gate.drain();
    postman.close();
    for (const server of [chat, front]) {
      server.close();
      server.closeAllConnections();
    }
  });

  const send = async (body: string, headers: Record<string, string>, path = '/approvals/chat') => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  let messages = 0;
  return {
    shown,
    records,
    refused,
    port,
    gate,
    drain: () => (draining = true),
    send,
    /** Asks, and gives the question once the chat has it. */
    ask: async (
      permit: Confirmation,
      path = '/a',
    ): Promise<{ consent: Promise<Consent>; question: Shown }> => {
      const came = new Promise<void>((resolve) => arrived.push(resolve));
      const call = sampleCall(
        sampleArrival({
          message: {
            kind: 'request',
            id: 1,
            method: 'tools/call',
            params: `{"name":"write","arguments":{"path":${JSON.stringify(path)}}}` as never,
          },
        }),
        { kind: 'tool', name: 'write' },
      );
      const consent = Promise.resolve(gate.ask(call, permit, orders));
      await came;
      return { consent, question: shown.at(-1) as Shown };
    },
    /** The chat answers, properly signed. */
    answer: (more: object) => {
      const body = JSON.stringify(more);
      return send(body, signed(body, { id: `msg_${++messages}`, atMs: Date.now() }));
    },
  };
}

test('a question reaches the chat, and its signed yes lets the call go on with the name of who said it', async (t) => {
  const it = await house(t);
  const { consent, question } = await it.ask(confirmation());
  assert.equal(question.answerAt, '/approvals/chat');
  assert.equal(question.arguments, '{"name":"write","arguments":{"path":"/a"}}');
  const { status, body } = await it.answer({ id: question.id, verdict: 'approve', by: 'Bob' });
  assert.deepEqual([status, body], [200, { result: 'approved' }]);
  assert.deepEqual(await consent, { kind: 'approved', by: 'webhook:chat/bob' });
  assert.deepEqual(it.records, ['webhook:chat/bob approve: begun', 'webhook:chat/bob approve: approved']);
});

test('a signed no ends the call with its reason, and a second answer is told that it came too late', async (t) => {
  const it = await house(t);
  const { consent, question } = await it.ask(confirmation());
  await it.answer({ id: question.id, verdict: 'deny', by: 'bob', reason: 'not on a Friday' });
  assert.deepEqual(await consent, { kind: 'declined', by: 'webhook:chat/bob', reason: 'not on a Friday' });
  const late = await it.answer({ id: question.id, verdict: 'approve', by: 'bob' });
  assert.deepEqual([late.status, late.body['how']], [409, 'declined']);
});

test('where two must agree, one who says yes twice is one', async (t) => {
  const it = await house(t);
  const { consent, question } = await it.ask(confirmation(2));
  const yes = (by: string) => it.answer({ id: question.id, verdict: 'approve', by });
  assert.deepEqual((await yes('bob')).body, { result: 'counted', stillNeeded: 1 });
  assert.deepEqual((await yes('BOB')).body, { result: 'counted', stillNeeded: 1 });
  assert.deepEqual((await yes('eve')).body, { result: 'approved' });
  assert.deepEqual(await consent, { kind: 'approved', by: 'webhook:chat/bob, webhook:chat/eve' });
});

test('a yes for a time is refused where the policy has none, and the question goes on waiting', async (t) => {
  const it = await house(t);
  const { consent, question } = await it.ask(confirmation());
  const { status } = await it.answer({ id: question.id, verdict: 'approve', by: 'bob', for: '10m' });
  assert.equal(status, 409);
  assert.equal((await it.answer({ id: question.id, verdict: 'approve', by: 'bob' })).status, 200);
  assert.equal((await consent).kind, 'approved');
});

test('a call whose only webhook cannot be reached ends at once instead of waiting', async (t) => {
  const it = await house(t);
  const call = sampleCall(sampleArrival(), { kind: 'tool', name: 'write' });
  const consent = await it.gate.ask(call, confirmation(1, ['gone']), orders);
  assert.equal(consent.kind, 'cannot-ask');
  assert.match(consent.kind === 'cannot-ask' ? consent.reason : '', /webhook gone cannot be reached/);
});

test('where one of two webhooks cannot be reached the other may still answer', async (t) => {
  const it = await house(t);
  const { consent, question } = await it.ask(confirmation(1, ['gone', 'chat']));
  assert.equal((await it.answer({ id: question.id, verdict: 'approve', by: 'bob' })).status, 200);
  assert.equal((await consent).kind, 'approved');
});

test('attacks: replayed, late, early, forged, truncated, unsigned, for another webhook: none of them is an answer', async (t) => {
  const it = await house(t);
  const { consent, question } = await it.ask(confirmation(2));
  const body = JSON.stringify({ id: question.id, verdict: 'approve', by: 'bob' });
  const now = Date.now();
  const good = signed(body, { id: 'msg_good', atMs: now });
  const forged = signed(body, { id: 'msg_f', atMs: now, key: keyOf('a wrong secret of enough length') });
  const unsigned: readonly (readonly [string, string, Record<string, string>, string?])[] = [
    ['no headers', body, {}],
    ['late', body, signed(body, { id: 'msg_l', atMs: now - 301_000 })],
    ['early', body, signed(body, { id: 'msg_e', atMs: now + 302_000 })],
    ['wrong secret', body, forged],
    ['truncated', body.slice(0, -1), good],
    ['another body', body.replace('bob', 'eve'), good],
    ['another id', body, { ...good, 'webhook-id': 'msg_other' }],
    ['another time', body, { ...good, 'webhook-timestamp': String(Math.floor(now / 1000) + 1) }],
    ['another webhook', body, good, '/approvals/nobody'],
    ['one with another secret', body, forged, '/approvals/nobody'],
  ];
  const replies = [];
  for (const [what, text, headers, path] of unsigned) {
    const { status, body: said } = await it.send(text, headers, path);
    assert.equal(status, 401, what);
    replies.push(JSON.stringify(said));
  }
  // Whatever was wrong, and whether there is such a webhook: the same words.
  assert.equal(new Set(replies).size, 1);
  assert.equal(it.refused.length, unsigned.length);
  assert.ok(it.refused.every((it) => it.kind === 'failed' && it.fault.code === 'UNAUTHENTICATED'));
  assert.deepEqual(it.records, []);

  const two = { ...good, 'webhook-signature': `${forged['webhook-signature']} ${good['webhook-signature']}` };
  assert.deepEqual((await it.send(body, two)).body, { result: 'counted', stillNeeded: 1 });
  const replayed = await it.send(body, good);
  assert.deepEqual([replayed.status, replayed.body['how']], [409, 'replayed']);
  it.gate.drain();
  assert.equal((await consent).kind, 'declined');
});

test('what is signed and makes no sense is told what is wrong with it', async (t) => {
  const it = await house(t);
  const unknown = await it.answer({ id: 'zzzzzzzz', verdict: 'approve', by: 'bob' });
  assert.equal(unknown.status, 404);
  const wrong = await it.answer({ id: 'zzzzzzzz', verdict: 'maybe', by: 'bob' });
  assert.deepEqual([wrong.status, wrong.body], [400, { error: 'verdict: "approve" or "deny"' }]);
  const body = '{"id":"a","id":"b"}';
  assert.equal((await it.send(body, signed(body, { id: 'msg_twice', atMs: Date.now() }))).status, 400);
});

test('the route has the guards of the others: host, origin, type, size, method, and nothing while stopping', async (t) => {
  const it = await house(t);
  const body = '{"id":"zzzzzzzz","verdict":"deny","by":"bob"}';
  const raw = async (headers: Record<string, string>, text = body, path = '/approvals/chat') => {
    const bytes = postText(
      path,
      it.port,
      { ...signed(text, { atMs: Date.now() }), Connection: 'close', ...headers },
      text,
    );
    return (await exchange(it.port, bytes)).replies[0]?.status;
  };
  assert.equal(await raw({ Host: 'evil.example' }), 403);
  assert.equal(await raw({ Origin: 'https://evil.example' }), 403);
  assert.equal(await raw({ 'Content-Type': 'text/plain' }), 415);
  assert.equal(await raw({ 'Content-Encoding': 'gzip' }), 415);
  assert.equal(await raw({}, `{"reason":"${'x'.repeat(16_384)}"}`), 413);
  const chunks = `${(16_385).toString(16)}\r\n${'x'.repeat(16_385)}\r\n0\r\n\r\n`;
  const head = `POST /approvals/chat HTTP/1.1\r\nHost: 127.0.0.1:${it.port}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
  assert.equal((await exchange(it.port, head + chunks)).replies[0]?.status, 413);
  for (const path of ['/approvals/', '/approvals/chat/', '/approvals/CHAT', '/approvals/a%2fb', '/approvals'])
    assert.equal(await raw({}, body, path), 401, path);
  const got = await exchange(
    it.port,
    `GET /approvals/chat HTTP/1.1\r\nHost: 127.0.0.1:${it.port}\r\nConnection: close\r\n\r\n`,
  );
  assert.equal(got.replies[0]?.status, 405);
  it.drain();
  assert.equal(await raw({}), 503);
});

test('a body that breaks off is no answer', async (t) => {
  const it = await house(t);
  const { consent, question } = await it.ask(confirmation());
  const body = JSON.stringify({ id: question.id, verdict: 'approve', by: 'bob' });
  const bytes = postText('/approvals/chat', it.port, signed(body, { atMs: Date.now() }), body);
  await exchange(it.port, bytes.subarray(0, -3), { then: (socket) => socket.destroy() });
  assert.deepEqual(it.records, []);
  it.gate.drain();
  assert.equal((await consent).kind, 'declined');
});

test('bodies that never end keep no answer out, however many strangers send them', async (t) => {
  const it = await house(t);
  const { consent, question } = await it.ask(confirmation());
  const head = `POST /approvals/chat HTTP/1.1\r\nHost: 127.0.0.1:${it.port}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
  const strangers = Array.from({ length: 100 }, () => connect(it.port, '127.0.0.1'));
  t.after(() => strangers.forEach((socket) => socket.destroy()));
  await Promise.all(
    strangers.map(
      (socket) =>
        new Promise<void>((resolve) => socket.on('error', () => resolve()).write(head, () => resolve())),
    ),
  );
  // Whatever they sent is read before this, which comes after it.
  assert.equal((await it.send('{}', {}, '/approvals/nobody')).status, 401);
  const { status } = await it.answer({ id: question.id, verdict: 'approve', by: 'bob' });
  assert.equal(status, 200);
  assert.equal((await consent).kind, 'approved');
});
