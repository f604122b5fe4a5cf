// When the daemon refuses, breaks off or is not there, every request is answered, and the answer says what to do.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { frontSocketIn } from '../../src/cli/connect.ts';
import { event, json, StandIn, stream } from './stand-in.ts';

const nobody = 65_534;

describe('trouble', () => {
  let daemon: StandIn;
  beforeEach(() => (daemon = new StandIn()));
  afterEach(() => daemon[Symbol.asyncDispose]());

  for (const [status, code, message] of [
    [401, 1401, 'Sign in first: send a key or a token in the Authorization header.'],
    [404, 1404, 'There is nothing at this address.'],
    [429, 1429, 'Too many at once. Come back later.'],
    [503, 1512, 'mcpd is stopping. Come back shortly.'],
  ] as const)
    it(`HTTP ${status} without an id is the answer to its request, with the same code and message`, async () => {
      const data = { correlationId: 'abc' };
      await daemon.listen((_, res) => json(res, status, { jsonrpc: '2.0', error: { code, message, data } }));
      const peer = daemon.connect();
      assert.deepEqual(await peer.ask('x', 'initialize', {}), {
        jsonrpc: '2.0',
        id: 'x',
        error: { code, message, data },
      });
      if (status === 401) assert.match(peer.notes, /MCPD_KEY.*mcpd key add/);
    });

  it('a session that is gone is answered for every request, and initializing again helps', async () => {
    let alive = true;
    await daemon.listen(({ verb, body }, res) => {
      if (body.method === 'initialize') alive = true;
      if (alive || verb === 'DELETE') return false;
      const message = 'There is no such session. Initialize again.';
      return json(res, 404, { jsonrpc: '2.0', error: { code: 1404, message } });
    });
    const peer = daemon.connect();
    await peer.initialize();
    await peer.ask(1, 'ping');
    alive = false;
    for (const id of [2, 3])
      assert.match((await peer.ask(id, 'ping')).error?.message ?? '', /Initialize again/);
    peer.say({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' });
    await peer.ask('again', 'initialize', {});
    assert.deepEqual((await peer.ask(4, 'ping')).result, {});
    assert.match(peer.notes, /refused notifications\/roots\/list_changed: There is no such session/);
  });

  it('without a daemon, each request says how to start it; when it is there, the next one works', async () => {
    const peer = daemon.connect();
    for (const id of [1, 2]) {
      const { error } = await peer.ask(id, 'initialize', {});
      assert.equal(error?.code, 1520);
      assert.match(error?.message ?? '', /mcpd run/);
      assert.ok(!error?.message.includes(daemon.dir), 'a path is none of the model’s business');
    }
    assert.equal(peer.notes.split('\n').length, 2, 'said once to whoever reads the log');
    assert.ok(peer.notes.includes(daemon.dir));
    await daemon.listen();
    assert.equal((await peer.initialize()).error, undefined);
    await daemon.stop();
    assert.equal((await peer.ask(4, 'ping')).error?.code, 1520);
  });

  it('a daemon that goes away in the middle leaves an answer that does not lie about the call', async () => {
    let hold = () => {};
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'tools/call') return false;
      if (body.params?.['name'] === 'streams') {
        res.setHeader('mcpd-correlation-id', 'abc');
        stream(res, event({ jsonrpc: '2.0', method: 'notifications/progress' }));
      }
      hold();
      return true;
    });
    const peer = daemon.connect();
    await peer.initialize();
    const arrived = Promise.withResolvers<void>();
    let calls = 0;
    hold = () => void (++calls === 2 && arrived.resolve());
    peer.say({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'waits' } });
    peer.say({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'streams' } });
    await arrived.promise;
    await peer.hear('progress', ({ method }) => method === 'notifications/progress');
    await daemon.stop();
    assert.equal((await peer.answer(1)).error?.code, 1522);
    const { error } = await peer.answer(2);
    assert.equal(error?.code, 1522);
    assert.match(error?.message ?? '', /mcpd audit query/);
    assert.deepEqual(error?.data, { correlationId: 'abc' });
  });

  for (const [what, answer] of [
    ['is no JSON', (res) => res.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":')],
    ['is a page', (res) => res.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>')],
    ['is empty', (res) => res.writeHead(500).end()],
    ['is no message', (res) => json(res, 200, { JSONRPC: '2.0' })],
    ['is no event', (res) => (stream(res, 'data: {"jsonrpc"\n\n'), res.end())],
    ['is not UTF-8', (res) => (stream(res), res.end(Buffer.from('data: "\xff"\n\n', 'latin1')))],
  ] as [string, (res: Parameters<typeof stream>[0]) => unknown][])
    it(`an answer that ${what} is an error, and the next one is heard`, async () => {
      await daemon.listen(({ body }, res) => (body.method === 'tools/list' ? answer(res) : false));
      const peer = daemon.connect();
      await peer.initialize();
      assert.equal((await peer.ask(1, 'tools/list')).error?.code, 1523);
      assert.deepEqual((await peer.ask(2, 'ping')).result, {});
    });

  it('an answer without an end, or under another id, is none', async () => {
    await daemon.listen(({ body }, res) => {
      if (body.method === 'tools/list') return res.writeHead(202).end();
      if (body.method !== 'tools/call') return false;
      stream(res, 'data: {"jsonrpc":"2.0","id":1,"result":{}}\n');
      return res.end();
    });
    const peer = daemon.connect();
    await peer.initialize();
    assert.equal((await peer.ask(1, 'tools/call')).error?.code, 1522);
    assert.equal((await peer.ask(2, 'tools/list')).error?.code, 1522);
  });

  it('a request that cannot be put in HTTP is answered, and so is the next one', async () => {
    let protocolVersion = '2025-06-18\r\nx-forged: 1';
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'initialize') return false;
      const answer = { jsonrpc: '2.0', id: body.id, result: { protocolVersion } };
      return json(res, 200, answer, { 'mcp-session-id': 'a-session' });
    });
    const peer = daemon.connect();
    await peer.initialize();
    assert.equal((await peer.ask(1, 'ping')).error?.code, 1524);
    assert.deepEqual(daemon.of('ping'), []);
    protocolVersion = '2025-06-18';
    await peer.ask('again', 'initialize', {});
    assert.deepEqual((await peer.ask(2, 'ping')).result, {});
    assert.deepEqual(await peer.end(), { code: 0, signal: null });
  });

  it(
    'who may not look into the folder of the socket is told so, at every request',
    { skip: whyNobodyElse() },
    async () => {
      await daemon.listen();
      chmodSync(daemon.dir, 0o700);
      const peer = daemon.connect({ uid: nobody });
      for (const id of [1, 2]) assert.equal((await peer.ask(id, 'initialize', {})).error?.code, 1521);
      assert.match(peer.notes, /you may not use .*front\.sock/);
    },
  );

  it(
    'the key is not given to a socket that somebody else has put there',
    { skip: whyNobodyElse() },
    async () => {
      await daemon.listen();
      chmodSync(daemon.dir, 0o755);
      chmodSync(frontSocketIn(daemon.dir), 0o777);
      const peer = daemon.connect({ env: { MCPD_KEY: 'mcpd_a-key' }, uid: nobody });
      assert.equal((await peer.ask(1, 'initialize', {})).error?.code, 1521);
      assert.deepEqual(daemon.requests, []);
    },
  );
});

/** Somebody else is another user, who must be able to reach the program where it lies. */
function whyNobodyElse(): string | false {
  if (process.getuid?.() !== 0) return 'only root can be somebody else';
  const { error } = spawnSync(process.execPath, ['--version'], { uid: nobody });
  return error === undefined ? false : 'another user cannot reach this folder';
}
