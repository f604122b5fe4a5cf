import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { Parcel } from '../../src/confirm/webhook.ts';
import { sign, verify } from '../../src/confirm/webhook-signature.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { Webhook } from '../../src/domain/orders.ts';
import { HookKeeper } from '../../src/webhook-keys.ts';
import { Postman, type PostmanParts } from '../../src/webhooks.ts';
import { keyOf, secret } from './webhook-support.ts';

const wall = 1_800_000_000_000;
const body = Buffer.from('{"type":"approval.requested"}');

type Received = { readonly headers: IncomingMessage['headers']; readonly body: Buffer; readonly url: string };
type Chat = { readonly server: Server; readonly url: string; readonly received: Received[] };

/** A chat system that answers as it is told. */
async function chat(
  t: TestContext,
  answer: (res: ServerResponse, nth: number) => void = (res) => res.writeHead(204).end(),
): Promise<Chat> {
  const received: Received[] = [];
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      received.push({ headers: req.headers, body: Buffer.concat(chunks), url: req.url ?? '' });
      answer(res, received.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/T0K3N`, received };
}

type Ended = { readonly why: string | undefined };
type Post = {
  readonly postman: Postman;
  readonly send: (url: string, more?: Partial<Parcel>) => Promise<Ended>;
  readonly logged: string[];
  readonly waits: number[];
};

function post(t: TestContext, more: Partial<PostmanParts> = {}): Post {
  const logged: string[] = [];
  const waits: number[] = [];
  const postman = new Postman({
    clock: { wallMs: () => wall, steadyMs: () => 0 },
    version: 'test',
    log: (level, fields, message) => void logged.push(JSON.stringify([level, fields, message])),
    wait: async (ms) => void waits.push(ms),
    random: () => 1,
    ...more,
  });
  t.after(() => postman.close());
  const send = async (url: string, changed: Partial<Parcel> = {}): Promise<Ended> => {
    let why: string | undefined;
    await postman.post({
      webhook: 'chat',
      url,
      body,
      headersAt: (atMs) => sign(keyOf(secret), 'msg_1', atMs, body),
      untilMs: wall + 55_000,
      failed: (reason) => (why = reason),
      ...changed,
    });
    return { why };
  };
  return { postman, send, logged, waits };
}

test('a question is posted as JSON, signed, to the very address that was configured', async (t) => {
  const it = await chat(t);
  const { send, logged } = post(t);
  assert.deepEqual(await send(it.url), { why: undefined });
  const [got] = it.received;
  assert.ok(got);
  assert.deepEqual(
    [got.url, got.body.toString(), got.headers['content-type']],
    ['/hook/T0K3N', body.toString(), 'application/json'],
  );
  assert.deepEqual(verify(keyOf(secret), got.headers, got.body, wall), { kind: 'signed', id: 'msg_1' });
  assert.deepEqual(logged, []);
});

test('a server that is down for a moment is tried three times, longer apart each time, under one id', async (t) => {
  const it = await chat(t, (res, nth) => res.writeHead(nth < 3 ? 503 : 200).end('later'));
  const { send, waits } = post(t);
  assert.deepEqual(await send(it.url), { why: undefined });
  assert.deepEqual(waits, [1000, 2000]);
  assert.deepEqual(
    it.received.map(({ headers }) => headers['webhook-id']),
    ['msg_1', 'msg_1', 'msg_1'],
  );
});

test('after three tries it is given up, and the log does not hold the address', async (t) => {
  const it = await chat(t, (res) => res.writeHead(500).end());
  const { send, logged } = post(t);
  assert.deepEqual(await send(it.url), { why: 'cannot be reached (HTTP 500)' });
  assert.equal(it.received.length, 3);
  assert.match(logged.at(-1) ?? '', /was not delivered/);
  assert.doesNotMatch(logged.join(), /T0K3N|127\.0\.0\.1/);
});

test('what the server refuses is not sent again', async (t) => {
  for (const status of [400, 401, 404, 410, 429]) {
    const it = await chat(t, (res) => res.writeHead(status).end());
    assert.deepEqual(await post(t).send(it.url), { why: `cannot be reached (HTTP ${status})` });
    assert.equal(it.received.length, 1, String(status));
  }
});

test('a redirect is not followed: nobody but the configured address gets a question', async (t) => {
  const elsewhere = await chat(t);
  for (const status of [301, 302, 303, 307, 308]) {
    const it = await chat(t, (res) => res.writeHead(status, { location: elsewhere.url }).end());
    assert.deepEqual(await post(t).send(it.url), { why: `cannot be reached (HTTP ${status})` });
  }
  assert.equal(elsewhere.received.length, 0);
});

test('nobody listens, or the connection breaks: it is tried again and then given up', async (t) => {
  const gone = await chat(t);
  await new Promise((resolve) => gone.server.close(resolve));
  assert.deepEqual(await post(t).send(gone.url), { why: 'cannot be reached (ECONNREFUSED)' });
  const breaks = await chat(t, (res) => res.destroy());
  const { why } = await post(t).send(breaks.url);
  assert.match(why ?? '', /cannot be reached/);
  assert.equal(breaks.received.length, 3);
});

test('a server that never answers is let go, and one that never stops is not listened to', async (t) => {
  const silent = await chat(t, () => undefined);
  assert.deepEqual(await post(t, { answerWithinMs: 50 }).send(silent.url), {
    why: 'cannot be reached (TimeoutError)',
  });
  const endless = await chat(t, (res) => {
    res.writeHead(200);
    const more = (): void => {
      while (res.write('x'.repeat(65_536)));
      res.once('drain', more);
    };
    more();
  });
  assert.deepEqual(await post(t).send(endless.url), { why: undefined });
});

test('whoever fails at being told does not take the line down', async (t) => {
  const it = await chat(t, (res, nth) => res.writeHead(nth === 1 ? 400 : 200).end());
  const { send, logged } = post(t);
  await send(it.url, {
    failed: () => {
      throw new Error('gone');
    },
  });
  assert.match(logged.at(-1) ?? '', /could not be told/);
  assert.deepEqual(await send(it.url), { why: undefined });
});

test('a question that ran out while it waited is not sent', async (t) => {
  const it = await chat(t);
  assert.deepEqual(await post(t).send(it.url, { untilMs: wall }), { why: undefined });
  assert.equal(it.received.length, 0);
});

test('one webhook that hangs does not hold up another, and its line has an end', async (t) => {
  const silent = await chat(t, () => undefined);
  const quick = await chat(t);
  const { postman, send } = post(t);
  let begun = 0;
  const headersAt = (atMs: number) => {
    begun++;
    return sign(keyOf(secret), 'msg_1', atMs, body);
  };
  const sent = Array.from({ length: 300 }, () => send(silent.url, { webhook: 'silent', headersAt }));
  await send(quick.url);
  assert.equal(quick.received.length, 1);
  assert.equal(begun, 4);
  postman.close();
  const ends = (await Promise.all(sent)).map(({ why }) => why);
  // Those beyond the line are told at once; the daemon that stops gives up the others.
  assert.ok(ends.filter((why) => why === 'has too many questions waiting').length >= 40);
  assert.ok(ends.filter((why) => why === 'cannot be reached (AbortError)').length >= 200);
});

test('a webhook whose secret is missing or weak is warned about and not in force; the others are', async () => {
  const warned: string[] = [];
  const learned: string[] = [];
  const secrets: Record<string, string> = { chat: secret, weak: 'hunter2' };
  const keeper = new HookKeeper({
    secretOf: async ({ name }) => {
      const found = secrets[name];
      if (found === undefined)
        throw new Fault('SECRET_UNAVAILABLE', { detail: 'no such secret', hint: 'set it' });
      return found;
    },
    learn: (found) => void learned.push(found),
    warn: (name, why, hint) => void warned.push(`${name}: ${why}; ${hint}`),
  });
  const hook = (name: string): Webhook => ({
    name,
    url: `https://${name}.example/`,
    secret: `keychain:${name}`,
  });
  await keeper.apply([hook('chat'), hook('weak'), hook('missing')]);
  assert.deepEqual(keeper.hookOf('chat')?.key, keyOf(secret));
  assert.deepEqual(
    [keeper.hookOf('weak'), keeper.hookOf('missing'), keeper.hookOf('__proto__')],
    [undefined, undefined, undefined],
  );
  assert.deepEqual(learned, [secret, 'hunter2']);
  assert.match(warned.join(), /weak: its secret is shorter than 24 bytes.*missing: no such secret; set it/);
  assert.doesNotMatch(warned.join(), /hunter2/);
});

test('a webhook that is taken away or moved is out of force before its successor has a secret', async () => {
  const waiting: (() => void)[] = [];
  const keeper = new HookKeeper({
    secretOf: () => new Promise((resolve) => waiting.push(() => resolve(secret))),
    learn: () => undefined,
    warn: () => undefined,
  });
  const hook = (name: string, url = 'https://a.example/'): Webhook => ({ name, url, secret: 'keychain:x' });
  const release = async (applied: Promise<void>) => {
    for (let turns = 0; turns < 10; turns++) {
      waiting.shift()?.();
      await Promise.resolve();
    }
    await applied;
  };
  await release(keeper.apply([hook('a'), hook('b'), hook('c')]));
  const second = keeper.apply([hook('a'), hook('b', 'https://b.example/')]);
  assert.deepEqual(
    ['a', 'b', 'c'].map((name) => keeper.hookOf(name)?.url),
    ['https://a.example/', undefined, undefined],
  );
  const third = keeper.apply([]);
  await release(Promise.all([second, third]).then(() => undefined));
  assert.equal(keeper.hookOf('a'), undefined);
});
