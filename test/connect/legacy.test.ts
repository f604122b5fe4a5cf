// A client of the revisions with sessions, over stdio.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { until } from '../support/daemon.ts';
import { event, json, session, StandIn, stream, usually, type Answering } from './stand-in.ts';

describe('a legacy client', () => {
  let daemon: StandIn;
  beforeEach(() => (daemon = new StandIn()));
  afterEach(() => daemon[Symbol.asyncDispose]());

  it('has its session, its version, its key and its standing stream, and ends what it began', async () => {
    await daemon.listen(({ verb }, res) => {
      if (verb !== 'GET') return false;
      return stream(res, event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }));
    });
    const peer = daemon.connect({ env: { MCPD_KEY: 'mcpd_a-key' } });
    const { result } = await peer.initialize();
    assert.deepEqual(result, { protocolVersion: '2025-06-18', capabilities: {} });
    await peer.ask(1, 'ping');
    await peer.hear(
      'what the standing stream says',
      ({ method }) => method === 'notifications/tools/list_changed',
    );
    assert.deepEqual(await peer.end(), { code: 0, signal: null });

    assert.deepEqual(daemon.requests.map(({ verb, body }) => body.method ?? verb).sort(), [
      'DELETE',
      'GET',
      'initialize',
      'notifications/initialized',
      'ping',
    ]);
    for (const { verb, path, headers, body } of daemon.requests) {
      assert.equal(path, '/servers/files/mcp');
      assert.equal(headers.host, 'localhost');
      assert.equal(headers.origin, undefined);
      assert.equal(headers.authorization, 'Bearer mcpd_a-key');
      const begun = body.method !== 'initialize';
      assert.equal(headers['mcp-session-id'], begun ? session : undefined);
      assert.equal(headers['mcp-protocol-version'], begun ? '2025-06-18' : undefined);
      if (verb === 'POST') assert.equal(headers.accept, 'application/json, text/event-stream');
    }
    assert.equal(daemon.requests.at(-1)?.verb, 'DELETE');
    assert.equal(peer.notes, '');
  });

  it('takes its key from a file, which comes before the environment', async () => {
    await daemon.listen();
    const file = join(daemon.dir, 'key');
    writeFileSync(file, 'mcpd_from-a-file\n', { mode: 0o600 });
    const peer = daemon.connect({ env: { MCPD_KEY: 'mcpd_other' } }, ['--key-file', file]);
    await peer.initialize();
    assert.equal(daemon.requests[0]?.headers.authorization, 'Bearer mcpd_from-a-file');
  });

  it('sends no key where it has none', async () => {
    await daemon.listen();
    await daemon.connect().initialize();
    assert.equal(daemon.requests[0]?.headers.authorization, undefined);
  });

  it('is not heard before initialize is answered, and the handshake is whole before what follows', async () => {
    const when: Record<string, readonly string[]> = {};
    await daemon.listen((request, res) => {
      const { method = '' } = request.body;
      if (method !== 'initialize' && method !== 'notifications/initialized') return false;
      // Long enough for whatever does not wait to come by.
      setTimeout(() => {
        when[method] = daemon.requests.map(({ body }) => body.method ?? '');
        usually(request, res);
      }, 300);
      return true;
    });
    const peer = daemon.connect();
    peer.say({ jsonrpc: '2.0', id: 'init', method: 'initialize', params: {} });
    peer.say({ jsonrpc: '2.0', method: 'notifications/initialized' });
    peer.say({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
    await peer.answer(2);
    assert.deepEqual(when['initialize'], ['initialize']);
    assert.deepEqual(when['notifications/initialized'], ['initialize', 'notifications/initialized']);
  });

  it('has its calls side by side', async () => {
    const held: (() => void)[] = [];
    await daemon.listen((request, res) => {
      if (request.body.method !== 'tools/call') return false;
      held.push(() => usually(request, res));
      // Neither is answered before the other has come.
      if (held.length === 2) for (const answer of held.reverse()) answer();
      return true;
    });
    const peer = daemon.connect();
    await peer.initialize();
    const both = [peer.ask(1, 'tools/call'), peer.ask('1', 'tools/call')];
    for (const answer of await Promise.all(both)) assert.deepEqual(answer.result, {});
    assert.equal(typeof peer.heard.at(-1)?.id, 'number', 'the ids keep their types and their calls');
  });

  it('is heard in order: a cancellation comes after its request, however large that was, and nobody hears the answer', async () => {
    let answer = () => {};
    await daemon.listen((request, res) => {
      if (request.body.method !== 'tools/call') return false;
      answer = () => usually(request, res);
      return true;
    });
    const peer = daemon.connect();
    await peer.initialize();
    const text = 'x'.repeat(6 * 1024 * 1024);
    peer.say({ jsonrpc: '2.0', id: 7, method: 'tools/call', params: { name: 'a', arguments: { text } } });
    peer.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } });
    await peer.ask(8, 'ping');
    const order = daemon.events.filter((it) => it.startsWith('whole ') && !/GET|initial/.test(it));
    assert.deepEqual(order, ['whole tools/call', 'whole notifications/cancelled', 'whole ping']);
    assert.equal(daemon.of('tools/call')[0]?.body.params?.['name'], 'a');
    answer();
    await peer.ask(9, 'ping');
    assert.ok(!peer.heard.some(({ id }) => id === 7));
  });

  it('answers a question on its own stream, and hears progress before the answer', async () => {
    let finish = () => {};
    await daemon.listen((request, res) => {
      const { id, method } = request.body;
      if (id === 's-1' && method === undefined) finish();
      if (method !== 'tools/call') return false;
      stream(
        res,
        ': a comment\n\n',
        event({ jsonrpc: '2.0', method: 'notifications/progress', params: { progress: 1 } }),
        event({ jsonrpc: '2.0', id: 's-1', method: 'roots/list' }),
      );
      finish = () => res.end(event({ jsonrpc: '2.0', id, result: { done: true } }));
      return true;
    });
    const peer = daemon.connect();
    await peer.initialize();
    peer.say({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} });
    await peer.hear('the question', ({ method }) => method === 'roots/list');
    peer.say({ jsonrpc: '2.0', id: 's-1', result: { roots: [] } });
    assert.deepEqual((await peer.answer(1)).result, { done: true });
    const told = peer.heard.map(({ method, id }) => method ?? id);
    assert.deepEqual(told, ['init', 'notifications/progress', 'roots/list', 1]);
  });

  it('has the rest of a stream that let go in the middle, from where it stopped', async () => {
    await daemon.listen(({ verb, headers, body }, res) => {
      const answer = { jsonrpc: '2.0', id: 1, result: { polled: true } };
      if (body.method === 'tools/call') {
        stream(
          res,
          'id: e-1\nretry: 10\ndata:\n\n',
          event({ jsonrpc: '2.0', method: 'notifications/x' }, 'e-2'),
        );
        return res.end();
      }
      if (verb !== 'GET' || headers['last-event-id'] === undefined) return false;
      // The first time round there is nothing yet.
      if (daemon.of('GET').filter((it) => it.headers['last-event-id'] !== undefined).length === 1) {
        stream(res);
        return res.end();
      }
      stream(res, event(answer, 'e-3'));
      return res.end();
    });
    const peer = daemon.connect();
    await peer.initialize();
    assert.deepEqual((await peer.ask(1, 'tools/call')).result, { polled: true });
    const after = daemon.of('GET').map(({ headers }) => headers['last-event-id']);
    assert.deepEqual(
      after.filter((it) => it !== undefined),
      ['e-2', 'e-2'],
    );
    assert.equal(
      daemon.of('GET').find((it) => it.headers['last-event-id'])?.headers['mcp-session-id'],
      session,
    );
    assert.equal(daemon.of('tools/call').length, 1, 'a call is made once');
  });

  const refusals = {
    429: 'Too much of yours is under way. Come back in 2 s.',
    503: 'mcpd has too much to do right now. Come back in 2 s.',
    400: 'This session never told that event id.',
    401: 'Sign in first.',
  } as const;
  const refuse = (res: ServerResponse, status: keyof typeof refusals) =>
    json(
      res,
      status,
      { jsonrpc: '2.0', error: { code: 1000 + status, message: refusals[status] } },
      { 'retry-after': '0' },
    );
  /** A call whose stream lets go after its first event; what comes for the rest is counted, and answered as said. */
  const lettingGo =
    (resume: (res: ServerResponse, times: number) => unknown): Answering =>
    ({ verb, headers, body }, res) => {
      if (body.method === 'tools/call') {
        res.setHeader('mcpd-correlation-id', 'abc');
        stream(res, 'id: e-1\nretry: 10\ndata:\n\n');
        return res.end();
      }
      if (verb !== 'GET' || headers['last-event-id'] === undefined) return false;
      return resume(res, daemon.of('GET').filter((it) => it.headers['last-event-id'] === 'e-1').length);
    };

  for (const status of [429, 503] as const)
    it(`hears the answer of a call that went on while HTTP ${status} turned its stream away`, async () => {
      await daemon.listen(
        lettingGo((res, times) => {
          if (times < 3) return refuse(res, status);
          stream(res, event({ jsonrpc: '2.0', id: 1, result: { polled: true } }, 'e-2'));
          return res.end();
        }),
      );
      const peer = daemon.connect();
      await peer.initialize();
      assert.deepEqual((await peer.ask(1, 'tools/call')).result, { polled: true });
      assert.equal(daemon.of('tools/call').length, 1);
    });

  for (const [what, status] of [
    ['for good', 400],
    ['for good', 401],
    ['again and again', 503],
  ] as const)
    it(`is told that the answer of a call is lost when HTTP ${status} refuses its stream ${what}`, async () => {
      await daemon.listen(lettingGo((res) => refuse(res, status)));
      const peer = daemon.connect();
      await peer.initialize();
      // The refusal of a stream must not pass for that of the call: whoever obeys it makes the call twice.
      const { error } = await peer.ask(1, 'tools/call');
      assert.deepEqual([error?.code, error?.data], [1522, { correlationId: 'abc' }]);
    });

  it('is told at once when nothing is left of the stream of a call', async () => {
    await daemon.listen(lettingGo((res) => res.writeHead(204).end()));
    const peer = daemon.connect();
    await peer.initialize();
    assert.equal((await peer.ask(1, 'tools/call')).error?.code, 1522);
    assert.equal(daemon.of('GET').filter((it) => it.headers['last-event-id'] === 'e-1').length, 1);
  });

  it('opens its standing stream again when it ends, until the session is over', async () => {
    let streams = 0;
    await daemon.listen(({ verb }, res) => {
      if (verb !== 'GET') return false;
      streams++;
      if (streams === 3) return json(res, 404, { jsonrpc: '2.0', error: { code: 1404, message: 'gone' } });
      stream(res, 'retry: 1\n\n', event({ jsonrpc: '2.0', method: `notifications/n${streams}` }));
      return res.end();
    });
    const peer = daemon.connect();
    await peer.initialize();
    await until('it was told that the session is over', () => streams === 3);
    await peer.ask(1, 'ping');
    assert.deepEqual(
      peer.heard.flatMap(({ method }) => method ?? []),
      ['notifications/n1', 'notifications/n2'],
    );
    await peer.end();
    assert.equal(streams, 3);
  });

  const change = { jsonrpc: '2.0', method: 'notifications/tools/list_changed' };
  const changed = ({ method }: { readonly method?: string }) => method === change.method;

  it('has its standing stream back when the daemon comes back with its sessions', async () => {
    await daemon.listen(({ verb }, res) =>
      verb === 'GET' ? stream(res, 'id: e-1\nretry: 50\ndata:\n\n') : false,
    );
    const peer = daemon.connect();
    await peer.initialize();
    await until('its stream stands', () => daemon.of('GET').length === 1);
    await daemon.stop();
    // Long enough for the stream to be asked for while nobody is there.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await daemon.listen(({ verb }, res) => (verb === 'GET' ? stream(res, event(change)) : false));
    await peer.hear('what the daemon says after that', changed);
    assert.equal(daemon.of('GET').at(-1)?.headers['last-event-id'], 'e-1');
  });

  for (const status of [429, 503] as const)
    it(`has its standing stream though HTTP ${status} turned it away at first`, async () => {
      await daemon.listen(({ verb }, res) => {
        if (verb !== 'GET') return false;
        return daemon.of('GET').length === 1 ? refuse(res, status) : stream(res, event(change));
      });
      const peer = daemon.connect();
      await peer.initialize();
      await peer.hear('what the daemon says', changed);
    });

  it('begins its standing stream anew where the place that it stopped at is not known any more', async () => {
    await daemon.listen(({ verb, headers }, res) => {
      if (verb !== 'GET') return false;
      if (headers['last-event-id'] !== undefined) return refuse(res, 400);
      if (daemon.of('GET').length > 1) return stream(res, event(change));
      stream(res, 'id: e-1\nretry: 50\ndata:\n\n');
      return res.end();
    });
    const peer = daemon.connect();
    await peer.initialize();
    await peer.hear('what the daemon says', changed);
    assert.deepEqual(
      daemon.of('GET').map(({ headers }) => headers['last-event-id']),
      [undefined, 'e-1', undefined],
    );
  });

  for (const status of [401, 404, 405] as const)
    it(`asks no more for its standing stream after HTTP ${status}`, async () => {
      await daemon.listen(({ verb }, res) => (verb === 'GET' ? res.writeHead(status).end() : false));
      const peer = daemon.connect();
      await peer.initialize();
      await until('it has asked', () => daemon.of('GET').length === 1);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      assert.equal(daemon.of('GET').length, 1);
    });

  it('ends at once while it waits to ask for its standing stream', async () => {
    await daemon.listen(({ verb }, res) =>
      verb === 'GET' ? res.writeHead(503, { 'retry-after': '60' }).end() : false,
    );
    const peer = daemon.connect();
    await peer.initialize();
    await until('it has asked', () => daemon.of('GET').length === 1);
    const since = performance.now();
    assert.deepEqual(await peer.end(), { code: 0, signal: null });
    assert.ok(performance.now() - since < 5_000);
    assert.equal(daemon.of('DELETE').length, 1);
  });

  it('has its handshake carried through a daemon that has too much to do, before what follows', async () => {
    const ready = 'notifications/initialized';
    await daemon.listen(({ body }, res) => {
      if (body.method !== ready) return false;
      const times = daemon.of(ready).length;
      return times < 3 ? refuse(res, times === 1 ? 429 : 503) : false;
    });
    const peer = daemon.connect();
    await peer.initialize();
    await peer.ask(1, 'ping');
    const order = daemon.requests.flatMap(({ body }) => body.method ?? []);
    assert.deepEqual(order, ['initialize', ready, ready, ready, 'ping']);
    await until('its stream stands', () => daemon.of('GET').length === 1);
    assert.equal(peer.notes, '');
  });

  /** Turns the end of the handshake away, to come back in so many seconds. */
  const unready =
    (seconds: number): Answering =>
    ({ body }, res) => {
      if (body.method !== 'notifications/initialized') return false;
      const error = { code: 1514, message: refusals[503] };
      return json(res, 503, { jsonrpc: '2.0', error }, { 'retry-after': String(seconds) });
    };

  it('has its handshake tried for half a minute at most, and is served all the same', async () => {
    await daemon.listen(unready(31));
    const peer = daemon.connect();
    await peer.initialize();
    assert.deepEqual((await peer.ask(1, 'ping')).result, {});
    assert.match(peer.notes, /refused notifications\/initialized: mcpd has too much to do/);
  });

  it('can be told to end while its handshake waits', async () => {
    await daemon.listen(unready(20));
    const peer = daemon.connect();
    await peer.initialize();
    await until('it has asked', () => daemon.of('notifications/initialized').length === 1);
    const since = performance.now();
    peer.child.kill('SIGTERM');
    assert.deepEqual(await peer.exit, { code: 0, signal: null });
    assert.ok(performance.now() - since < 5_000);
    assert.equal(peer.notes, '');
  });

  it('may initialize again, and the session before is ended', async () => {
    let sessions = 0;
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'initialize') return false;
      const result = { protocolVersion: '2025-11-25' };
      return json(res, 200, { jsonrpc: '2.0', id: body.id, result }, { 'mcp-session-id': `s${++sessions}` });
    });
    const peer = daemon.connect();
    await peer.initialize();
    await until('its stream stands', () => daemon.of('GET').length === 1);
    await peer.ask('again', 'initialize', {});
    await until('its stream is let go', () => daemon.events.includes('gone GET'));
    await peer.ask(1, 'ping');
    assert.equal(daemon.of('ping')[0]?.headers['mcp-session-id'], 's2');
    await peer.end();
    assert.deepEqual(
      daemon.of('DELETE').map(({ headers }) => headers['mcp-session-id']),
      ['s1', 's2'],
    );
  });
});
