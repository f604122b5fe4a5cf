import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { post, TestDaemon, until, type TestSession } from '../support/daemon.ts';
import { at, readTree } from '../support/oracle.ts';
import { Ear, order, reference, referenceToml, startReference } from './reference.ts';

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'attacker', version: '1' },
  },
};

type Reply = { readonly status: number; readonly body: string };

/** A request on a session's address with somebody's key. */
async function touch(
  daemon: TestDaemon,
  method: 'GET' | 'POST' | 'DELETE',
  key: string,
  sessionId: string,
  server = 'fx',
): Promise<Reply> {
  const response = await fetch(`${daemon.url}/servers/${server}/mcp`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-session-id': sessionId,
    },
    ...(method === 'POST' ? { body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' } : {}),
  });
  if (method === 'GET' && response.status === 200) {
    await response.body?.cancel();
    return { status: 200, body: '' };
  }
  const body = await response.text();
  return { status: response.status, body: body.replace(/"correlationId":"[^"]*"/, '"correlationId":""') };
}

describe('a session id in the wrong hands', () => {
  test('an id that a client brings along is never taken on', async () => {
    await using daemon = await startReference('all');
    for (const planted of ['planted', 'A'.repeat(32), '../../x', '__proto__', 'constructor']) {
      const { headers } = await post(daemon, 'fx', daemon.key, planted, initialize);
      const given = headers.get('mcp-session-id');
      assert.ok(given !== null && given !== planted);
      assert.equal((await touch(daemon, 'POST', daemon.key, planted)).status, 404);
    }
  });

  test('somebody else’s session answers exactly as one that does not exist, whatever is tried on it', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: referenceToml(), other: referenceToml('all') },
    });
    const mallory = await daemon.addKey('mallory');
    const alice = await daemon.session('fx');
    const guess = `${alice.id.slice(0, -1)}${alice.id.endsWith('A') ? 'B' : 'A'}`;
    for (const method of ['GET', 'POST', 'DELETE'] as const) {
      const foreign = await touch(daemon, method, mallory, alice.id);
      assert.equal(foreign.status, 404, method);
      assert.deepEqual(await touch(daemon, method, mallory, guess), foreign, method);
      assert.deepEqual(await touch(daemon, method, daemon.key, guess), foreign, method);
      assert.deepEqual(
        await touch(daemon, method, daemon.key, alice.id, 'other'),
        foreign,
        `${method} elsewhere`,
      );
    }
    assert.equal((await touch(daemon, 'POST', 'mcpd_00000000_' + 'A'.repeat(43), alice.id)).status, 401);
    // A new `initialize` in her name is a session of his own.
    const { headers } = await post(daemon, 'fx', mallory, alice.id, initialize);
    assert.notEqual(headers.get('mcp-session-id'), alice.id);
    assert.equal(await alice.text('read_file', { path: '/a' }), 'content of /a', 'she is not disturbed');
  });

  test('a session that was ended is unknown, to its owner as well', async () => {
    await using daemon = await startReference();
    const alice = await daemon.session('fx');
    assert.equal((await touch(daemon, 'DELETE', daemon.key, alice.id)).status, 204);
    for (const method of ['GET', 'POST', 'DELETE'] as const)
      assert.equal((await touch(daemon, method, daemon.key, alice.id)).status, 404, method);
  });

  test('a key that was revoked opens nothing, not even the session it had opened', async () => {
    await using daemon = await startReference('all');
    const key = await daemon.addKey('mallory');
    const session = await daemon.session('fx', { key });
    assert.equal(await session.text('read_file', { path: '/a' }), 'content of /a');
    assert.equal((await daemon.mcpd(['key', 'revoke', 'mallory'])).code, 0);
    for (const method of ['GET', 'POST', 'DELETE'] as const)
      assert.equal((await touch(daemon, method, key, session.id)).status, 401, method);
  });

  test('a second stream is refused, and the first reader keeps what is his', async () => {
    await using daemon = await startReference();
    const alice = await daemon.session('fx');
    const stop = new AbortController();
    const headers = {
      authorization: `Bearer ${daemon.key}`,
      accept: 'text/event-stream',
      'mcp-session-id': alice.id,
    };
    const stream = await fetch(`${daemon.url}/servers/fx/mcp`, { headers, signal: stop.signal });
    assert.equal(stream.status, 200);
    assert.equal((await touch(daemon, 'GET', daemon.key, alice.id)).status, 409);
    assert.equal((await touch(daemon, 'GET', daemon.key, alice.id)).status, 409);
    stop.abort();
    await until('the stream is free again', async () => {
      const { status } = await touch(daemon, 'GET', daemon.key, alice.id);
      return status === 200;
    });
  });
});

describe('one session reaching into another', () => {
  const asking = `${referenceToml()}
[[rule]]
name = "it may ask"
verdict = "allow"
tools = ["ask_roots"]
upcalls = ["roots/list"]
`;

  test('a question of one session’s child is not answered from another session', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: asking } });
    const key = await daemon.addKey('mallory');
    const alice = await daemon.session('fx', { capabilities: { roots: {} } });
    const mallory = await daemon.session('fx', { key, capabilities: { roots: {} } });
    const { id, answered } = await askedOf(alice);
    for (const stranger of [mallory, await daemon.session('fx')]) {
      // Whatever is guessed: our id of the question, the child's own, or the next ones.
      for (const guess of [id, 'q1', 's-1', 's-2', 1, '1', 0]) {
        const { status } = await stranger.raw({
          jsonrpc: '2.0',
          id: guess,
          result: { roots: [{ uri: 'file:///evil' }] },
        });
        assert.equal(status, 202);
      }
    }
    await alice.raw({ jsonrpc: '2.0', id, result: { roots: [{ uri: 'file:///mine' }] } });
    assert.equal(await answered, '{"roots":[{"uri":"file:///mine"}]}');
    // The same answer once more says nothing to anybody.
    assert.equal((await alice.raw({ jsonrpc: '2.0', id, result: { roots: [] } })).status, 202);
  });

  test('a cancellation reaches calls of its own session only, whatever id it names', async () => {
    await using daemon = await startReference('all');
    const key = await daemon.addKey('mallory');
    const alice = await daemon.session('fx');
    const mallory = await daemon.session('fx', { key });
    const slow = alice.raw({
      jsonrpc: '2.0',
      id: 'same',
      method: 'tools/call',
      params: { name: 'slow', arguments: { ms: 700 } },
    });
    const ear = new Ear(daemon);
    await until('her call is under way', () => ear.since(0).length === 1);
    const wireId = at(readTree(ear.since(0)[0]?.line ?? ''), 'id');
    for (const requestId of [
      'same',
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      wireId?.kind === 'number' ? Number(wireId.text) : 0,
    ]) {
      await mallory.raw({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });
      await (
        await daemon.session('fx')
      ).raw({
        jsonrpc: '2.0',
        method: 'notifications/cancelled',
        params: { requestId },
      });
    }
    const { body } = await slow;
    assert.deepEqual(body.result?.['content'], [{ type: 'text', text: 'done' }]);
    assert.ok(!ear.bytes().includes('notifications/cancelled'));
  });

  test('equal ids and equal progress tokens of many sessions on one child do not meet', async () => {
    await using daemon = await TestDaemon.start({
      servers: {
        fx: `${referenceToml('all')}\n[[rule]]\nname = "more"\nverdict = "allow"\ntools = ["progress"]\n`,
      },
    });
    const sessions = await Promise.all(Array.from({ length: 20 }, () => daemon.session('fx')));
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        sessions.map(async (session, who) => {
          const text = `for ${who} in ${round}`;
          const { body } = await session.raw({
            jsonrpc: '2.0',
            id: round,
            method: 'tools/call',
            params: { name: 'echo', arguments: { text } },
          });
          assert.equal(body.id, round);
          assert.deepEqual(body.result?.['content'], [{ type: 'text', text }]);
        }),
      );
    }
    await Promise.all(
      sessions.map(async (session, who) => {
        const { events, body } = await session.request('tools/call', {
          name: 'progress',
          arguments: { steps: who },
          _meta: { progressToken: 'same' },
        });
        assert.equal(events.length, who);
        for (const event of events)
          assert.deepEqual(
            (event['params'] as Record<string, unknown>)['total'],
            who,
            'somebody else’s progress',
          );
        assert.ok(body.result !== undefined);
      }),
    );
  });

  test('an id that is still in use is refused to the second call, and the first is answered', async () => {
    await using daemon = await startReference();
    const session = await daemon.session('fx');
    const call = (name: string, args: object) =>
      session.raw({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name, arguments: args } });
    const ear = new Ear(daemon);
    const first = call('slow', { ms: 500 });
    await until('the first is under way', () => ear.since(0).length === 1);
    assert.equal((await call('read_file', { path: '/a' })).body.error?.code, -32600);
    assert.deepEqual((await first).body.result?.['content'], [{ type: 'text', text: 'done' }]);
    assert.equal(ear.since(0).length, 1);
  });

  test('a new session, or a header that claims another address, does not bring a new allowance', async () => {
    const rated = referenceToml('all').replace('record = ["path", "text"]', 'rate = "3/h"');
    assert.ok(rated.includes('3/h'));
    await using daemon = await TestDaemon.start({ servers: { fx: rated } });
    const ear = new Ear(daemon);
    const sessions = await Promise.all(Array.from({ length: 10 }, () => daemon.session('fx')));
    await Promise.all(
      sessions.map((session, at) =>
        fetch(`${daemon.url}/servers/fx/mcp`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${daemon.key}`,
            'mcp-session-id': session.id,
            'content-type': 'application/json',
            'x-forwarded-for': `10.0.0.${at}`,
            forwarded: `for=10.0.0.${at}`,
            'user-agent': `agent ${at}`,
          },
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo' } }),
        }),
      ),
    );
    assert.equal(ear.since(0).length, 3);
  });
});

describe('sessions without end', () => {
  test('two thousand ids are all different, of equal length and long enough', async () => {
    await using daemon = await startReference('all', { daemon: '[sessions]\nper_caller_max = 4096\n' });
    const ids = new Set<string>();
    for (let round = 0; round < 100; round++) {
      const opened = await Promise.all(
        Array.from({ length: 20 }, () => post(daemon, 'fx', daemon.key, undefined, initialize)),
      );
      for (const { headers } of opened) ids.add(headers.get('mcp-session-id') ?? '');
    }
    assert.equal(ids.size, 2000);
    const bytes = [...ids].map((id) => Buffer.from(id, 'base64url'));
    assert.ok(bytes.every(({ length }) => length >= 16));
    // Ones and zeros in balance at every place; 2000 fair tosses stay within 800 and 1200 practically always.
    for (let bit = 0; bit < 128; bit++) {
      const ones = bytes.filter((id) => (((id[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 1).length;
      assert.ok(ones > 800 && ones < 1200, `bit ${bit} is set in ${ones} of 2000`);
    }
    assert.ok(![...ids].some((id) => daemon.output.includes(id)), 'a session id is in the log');
    const journal = JSON.stringify(daemon.journal());
    assert.ok(![...ids].some((id) => journal.includes(id)), 'a session id is in the journal');
  });

  test('beyond the cap a session is refused with a time to come back, also when many ask at once', async () => {
    await using daemon = await startReference('all', { daemon: '[sessions]\nmax = 5\nper_caller_max = 3\n' });
    const key = await daemon.addKey('mallory');
    const open = (as: string) => post(daemon, 'fx', as, undefined, initialize);
    const opened = await Promise.all(Array.from({ length: 30 }, () => open(daemon.key)));
    const [first] = opened.filter(({ status }) => status === 200);
    assert.equal(opened.filter(({ status }) => status === 200).length, 3);
    for (const { status, headers } of opened.filter((it) => it.status !== 200)) {
      assert.equal(status, 429);
      assert.ok(Number(headers.get('retry-after')) >= 1);
      assert.equal(headers.get('mcp-session-id'), null);
    }
    assert.equal((await order(daemon, 'status'))['sessions'], 3);
    // One caller at its cap does not keep another one out; all callers together have a cap too.
    assert.equal((await open(key)).status, 200);
    assert.equal((await open(key)).status, 200);
    assert.equal((await open(key)).status, 429);
    // A place that was given back is free.
    await touch(daemon, 'DELETE', daemon.key, first?.headers.get('mcp-session-id') ?? '');
    assert.equal((await open(daemon.key)).status, 200);
  });

  test('a listing asked for with somebody else’s key shows what that caller may see', async () => {
    const forAlice = referenceToml('all').replaceAll(
      'verdict = "allow"',
      'verdict = "allow"\ncallers = ["tester"]',
    );
    await using daemon = await TestDaemon.start({ servers: { fx: forAlice } });
    const key = await daemon.addKey('mallory');
    const alice = await daemon.session('fx');
    const mallory = await daemon.session('fx', { key });
    const names = async (session: TestSession) =>
      ((await session.request('tools/list')).body.result?.['tools'] as { name: string }[]).map(
        ({ name }) => name,
      );
    assert.deepEqual(await names(alice), [...reference.tools.allow, ...reference.tools.confirm]);
    assert.deepEqual(await names(mallory), [...reference.tools.confirm]);
    assert.equal(await mallory.text('read_file'), 'Unknown tool: read_file');
  });
});

/** Makes a child ask its session something; the question's id as the client sees it, and the tool's answer in the end. */
async function askedOf(session: TestSession): Promise<{ id: unknown; answered: Promise<string> }> {
  const response = await fetch(`${session.daemon.url}/servers/fx/mcp`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${session.key}`,
      'mcp-session-id': session.id,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 'ask', method: 'tools/call', params: { name: 'ask_roots' } }),
  });
  const asked = Promise.withResolvers<unknown>();
  const answered = (async () => {
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const messages = [...text.matchAll(/^data: (.*)\n\n/gm)].map(
        ([, data]) => JSON.parse(data ?? '') as Record<string, unknown>,
      );
      for (const { method, id } of messages) if (method === 'roots/list') asked.resolve(id);
      const result = messages.find(({ id }) => id === 'ask')?.['result'] as
        { content: { text: string }[] } | undefined;
      if (result !== undefined) return result.content[0]?.text ?? '';
    }
    return '';
  })();
  return { id: await asked.promise, answered };
}
