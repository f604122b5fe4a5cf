// Two callers, one daemon, even one child: neither sees, ends or answers anything of the other's.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  initialize,
  post,
  rule,
  serving,
  TestDaemon,
  textOf,
  until,
  type TestSession,
} from '../support/daemon.ts';

describe('callers cannot meet', () => {
  let daemon: TestDaemon;
  let theirKey: string;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        own: serving('answers', rule('allow', ['*'])),
        shared: serving('answers', `sharing = "all"\nanswer_within = "10m"\n${rule('allow', ['*'])}`),
      },
    });
    theirKey = await daemon.addKey('theirs');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
  const callOf = (id: number | string, name: string, args: object, more = {}) => ({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name, arguments: args, ...more },
  });

  for (const server of ['own', 'shared']) {
    it(`a session on ${server} is as unknown to another caller as one that never was`, async () => {
      const mine = await daemon.session(server);
      const none = await post(daemon, server, theirKey, 'no-such-session', ping);
      const post404 = await post(daemon, server, theirKey, mine.id, ping);
      assert.equal(post404.status, 404);
      assert.deepEqual(
        [post404.status, post404.body.error?.code, post404.body.error?.message],
        [none.status, none.body.error?.code, none.body.error?.message],
      );
      for (const method of ['GET', 'DELETE'] as const) {
        const reply = await mine.http(method, theirKey);
        await reply.body?.cancel();
        assert.equal(reply.status, 404, method);
      }
      assert.equal(await mine.text('echo', { text: 'still here' }), 'still here');
    });
  }

  it('a session of one server does not open another', async () => {
    const mine = await daemon.session('own');
    assert.equal((await post(daemon, 'shared', daemon.key, mine.id, ping)).status, 404);
  });

  it('a client cannot choose the id of its session', async () => {
    const chosen = 'chosen-by-the-client';
    const hello = await post(daemon, 'own', daemon.key, chosen, initialize());
    assert.notEqual(hello.headers.get('mcp-session-id'), chosen);
    assert.equal((await post(daemon, 'own', daemon.key, chosen, ping)).status, 404);
  });

  describe('in one child that both share', () => {
    let mine: TestSession;
    let theirs: TestSession;
    before(async () => {
      mine = await daemon.session('shared');
      theirs = await daemon.session('shared', { key: theirKey });
    });

    it('equal request ids get each their own answer', async () => {
      const rounds = Array.from({ length: 40 }, (_, round) =>
        [mine, theirs].map(async (session) => {
          const text = randomUUID();
          const reply = await session.raw(callOf(round % 2 === 0 ? round : String(round), 'echo', { text }));
          assert.equal(textOf(reply), text);
          assert.equal(reply.body.id, round % 2 === 0 ? round : String(round));
        }),
      );
      await Promise.all(rounds.flat());
    });

    it('equal progress tokens get each their own progress', async () => {
      const [few, many] = await Promise.all([
        mine.raw(callOf(5, 'progress', { steps: 2 }, { _meta: { progressToken: 'same' } })),
        theirs.raw(callOf(5, 'progress', { steps: 4 }, { _meta: { progressToken: 'same' } })),
      ]);
      for (const [reply, steps] of [
        [few, 2],
        [many, 4],
      ] as const) {
        assert.deepEqual(
          reply.events.map(({ params }) => params),
          Array.from({ length: steps }, (_, i) => ({ progressToken: 'same', progress: i + 1, total: steps })),
        );
      }
    });

    it('one cannot cancel the call of the other by its id', async () => {
      const answering = theirs.raw(callOf(6, 'slow', { ms: 1500 }));
      await until('it is in flight', async () => (await daemon.status('shared')).inFlight === 1);
      await mine.raw({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 6 } });
      // Nor by the id under which the child knows it.
      for (let id = 0; id < 200; id++)
        await mine.raw({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } });
      assert.equal(textOf(await answering), 'done');
    });

    it('what the child says to nobody in particular is told to nobody', async () => {
      const reply = await mine.call('log', { text: 'whose is this?' });
      assert.deepEqual(reply.events, []);
    });

    it('the end of one session leaves the other alone', async () => {
      const gone = await daemon.session('shared', { key: theirKey });
      assert.ok((await gone.http('DELETE')).ok);
      assert.equal((await post(daemon, 'shared', theirKey, gone.id, ping)).status, 404);
      assert.equal(await mine.text('echo', { text: 'still here' }), 'still here');
    });
  });

  it('in children of their own, neither sees what the other changed', async () => {
    const [mine, theirs] = [await daemon.session('own'), await daemon.session('own', { key: theirKey })];
    const before = await theirs.list('tools');
    await mine.call('change_tools');
    assert.equal((await mine.list('tools')).length, before.length + 1);
    assert.deepEqual(await theirs.list('tools'), before);
  });

  it('a revoked key is refused from the next call on, without a restart, also in sessions that are open', async () => {
    const key = await daemon.addKey('leaver');
    const session = await daemon.session('own', { key });
    assert.equal(await session.text('echo', { text: 'in' }), 'in');
    const revoked = await daemon.mcpd(['key', 'revoke', 'leaver', '--json']);
    assert.equal(revoked.code, 0, revoked.stderr);
    for (const reply of [
      await session.call('echo', { text: 'out' }),
      await post(daemon, 'own', key, undefined, initialize()),
    ]) {
      assert.equal(reply.status, 401);
      assert.match(reply.headers.get('www-authenticate') ?? '', /^Bearer/);
    }
    assert.equal((await session.http('GET', key)).status, 401);
    const again = await daemon.mcpd(['key', 'revoke', 'leaver']);
    assert.equal(again.code, 0);
    assert.match(again.stdout, /already/);
    assert.equal(await (await daemon.session('own')).text('echo', { text: 'mine' }), 'mine');
  });

  it('a stream that is open when its key is revoked ends, because it would not ask for the key again', async () => {
    const key = await daemon.addKey('listener');
    const session = await daemon.session('own', { key });
    const stream = await fetch(`${daemon.url}/servers/own/mcp`, {
      headers: { authorization: `Bearer ${key}`, accept: 'text/event-stream', 'mcp-session-id': session.id },
      signal: AbortSignal.timeout(10_000),
    });
    assert.equal(stream.status, 200);
    assert.equal((await daemon.mcpd(['key', 'revoke', 'listener'])).code, 0);
    // Reads to the end: it hangs, and fails, when the stream stays open.
    assert.doesNotMatch(await stream.text(), /^data:.+/m);
  });

  it('a failed sign-in is refused, and on record with its address, whatever it asked for', async () => {
    const wrong = `mcpd_12345678_${randomUUID().replaceAll('-', '')}abcdefghijk`;
    const before = (await daemon.audit('--outcome', 'UNAUTHENTICATED', '--limit', '1000')).length;
    const statuses = [
      (await post(daemon, 'own', wrong, undefined, initialize())).status,
      (await post(daemon, 'own', undefined, undefined, initialize())).status,
      (await post(daemon, 'no-such', wrong, undefined, initialize())).status,
      (
        await fetch(`${daemon.url}/servers/own/mcp`, {
          headers: { authorization: `Bearer ${wrong}`, accept: 'text/event-stream' },
        })
      ).status,
      (
        await fetch(`${daemon.url}/servers/own/mcp`, {
          method: 'DELETE',
          headers: { authorization: 'Basic YTpi' },
        })
      ).status,
      (await fetch(`${daemon.url}/readyz`, { headers: { authorization: `Bearer ${wrong}` } })).status,
      (await fetch(`${daemon.url}/somewhere`, { headers: { authorization: `Bearer ${wrong}` } })).status,
    ];
    assert.deepEqual(new Set(statuses), new Set([401]));
    const failed = (await daemon.audit('--outcome', 'UNAUTHENTICATED', '--limit', '1000')).slice(before);
    assert.equal(failed.length, statuses.length);
    for (const record of failed) {
      assert.equal(record['remote'], '127.0.0.1');
      assert.equal(record['caller'], undefined);
      assert.ok(!Number.isNaN(Date.parse(String(record['time']))));
    }
    assert.ok(
      !readFileSync(daemon.journalFiles()[0] ?? '', 'utf8').includes(wrong),
      'what was presented is not on record',
    );
  });

  it('no key stands on disk', () => {
    for (const entry of readdirSync(daemon.state, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
      for (const key of [daemon.key, theirKey]) assert.ok(!text.includes(key.slice(-43)), entry.name);
    }
  });
});
