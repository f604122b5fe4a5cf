// A client of the 2026-07-28 revision, over stdio: no sessions, and everything in each request.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { until } from '../support/daemon.ts';
import { event, json, StandIn, stream, usually } from './stand-in.ts';

const version = '2026-07-28';
const meta = {
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientCapabilities': {},
};
const called = (name: string, args: object = {}, more: object = {}) => ({
  name,
  arguments: args,
  _meta: { ...meta, ...more },
});
describe('a modern client', () => {
  let daemon: StandIn;
  beforeEach(() => (daemon = new StandIn()));
  afterEach(() => daemon[Symbol.asyncDispose]());

  it('finds its requests repeated in headers, wrapped where they are not plain ASCII', async () => {
    await daemon.listen();
    const peer = daemon.connect();
    const wrapped = (text: string) => `=?base64?${Buffer.from(text).toString('base64')}?=`;
    const cases = [
      ['server/discover', { _meta: meta }, undefined],
      ['tools/call', called('read_file'), 'read_file'],
      ['tools/call', called('größe'), wrapped('größe')],
      ['tools/call', called(' padded '), wrapped(' padded ')],
      ['tools/call', called('=?base64?eA==?='), wrapped('=?base64?eA==?=')],
      [
        'resources/read',
        { uri: 'file:///a b\r\nx-forged: 1', _meta: meta },
        wrapped('file:///a b\r\nx-forged: 1'),
      ],
      ['prompts/get', { name: 'hello', _meta: meta }, 'hello'],
      ['tools/list', { _meta: meta }, undefined],
    ] as const;
    for (const [at, [method, params]] of cases.entries()) await peer.ask(at, method, params);
    for (const [at, [method, , name]] of cases.entries()) {
      const { verb, headers } = daemon.requests[at] ?? assert.fail('a request is missing');
      assert.equal(verb, 'POST');
      assert.equal(headers['mcp-protocol-version'], version);
      assert.equal(headers['mcp-method'], method);
      assert.equal(headers['mcp-name'], name);
      assert.equal(headers['mcp-session-id'], undefined);
      assert.equal(headers['x-forged'], undefined);
    }
    await peer.end();
    assert.deepEqual(
      daemon.requests.filter(({ verb }) => verb !== 'POST'),
      [],
      'no stream is held and no session ended',
    );
  });

  it('takes a request back: its exchange is closed, nothing answers it, and others go on', async () => {
    let finish = () => {};
    await daemon.listen((request, res) => {
      if (request.body.params?.['name'] === 'slow') return true;
      if (request.body.params?.['name'] !== 'other') return false;
      finish = () => usually(request, res);
      return true;
    });
    const peer = daemon.connect();
    peer.say({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: called('slow') });
    peer.say({ jsonrpc: '2.0', id: '1', method: 'tools/call', params: called('other') });
    peer.say({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 1, reason: 'enough' },
    });
    await until('its exchange is closed', () => daemon.events.includes('gone tools/call'));
    finish();
    assert.deepEqual((await peer.answer('1')).result, {});
    await peer.ask(2, 'server/discover', { _meta: meta });
    assert.deepEqual(
      peer.heard.map(({ id }) => id),
      ['1', 2],
    );
    assert.deepEqual(daemon.of('notifications/cancelled'), [], 'the closing is the message');
  });

  it('hears progress before the answer, and a subscription until it ends', async () => {
    let push = (_: string) => {};
    let over = () => {};
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'subscriptions/listen') return false;
      stream(res, event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: {} }));
      push = (text) => void res.write(text);
      over = () => res.destroy();
      return true;
    });
    const peer = daemon.connect();
    peer.say({ jsonrpc: '2.0', id: 'sub', method: 'subscriptions/listen', params: { _meta: meta } });
    await peer.hear(
      'the acknowledgement',
      ({ method }) => method === 'notifications/subscriptions/acknowledged',
    );
    await peer.ask(1, 'tools/list', { _meta: meta });
    push(event({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }));
    await peer.hear('the change', ({ method }) => method === 'notifications/tools/list_changed');
    over();
    const { params } = await peer.hear('the end', ({ method }) => method === 'notifications/cancelled');
    assert.deepEqual(params, { requestId: 'sub' });
    assert.ok(!peer.heard.some(({ id }) => id === 'sub'), 'an end is no answer');
  });

  it('need not close its subscriptions before it goes', async () => {
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'subscriptions/listen') return false;
      return stream(res, event({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged' }));
    });
    const peer = daemon.connect();
    peer.say({ jsonrpc: '2.0', id: 'sub', method: 'subscriptions/listen', params: { _meta: meta } });
    await peer.hear('the acknowledgement', ({ method }) => method !== undefined);
    assert.deepEqual(await peer.end(), { code: 0, signal: null });
  });

  it('can give a tool a large argument that the tool wants in a header: over the socket there are no such headers', async () => {
    const properties = { region: { type: 'string', 'x-mcp-header': 'Region' } };
    const tools = [{ name: 'query', inputSchema: { type: 'object', properties } }];
    await daemon.listen(({ body }, res) => {
      if (body.method !== 'tools/list') return false;
      return json(res, 200, { jsonrpc: '2.0', id: body.id, result: { tools } });
    });
    const peer = daemon.connect();
    await peer.ask(1, 'tools/list', { _meta: meta });
    const region = 'x'.repeat(20_000);
    assert.deepEqual((await peer.ask(2, 'tools/call', called('query', { region }))).result, {});
    const [call] = daemon.of('tools/call');
    assert.deepEqual(call?.body.params?.['arguments'], { region });
    assert.ok(!Object.keys(call?.headers ?? {}).some((name) => name.startsWith('mcp-param-')));
  });

  it('is told the same as over HTTP when the daemon speaks only the older revisions, and can fall back', async () => {
    await daemon.listen(({ headers }, res) => {
      if (headers['mcp-method'] === undefined) return false;
      const error = { code: -32000, message: 'This protocol version is not supported.' };
      return json(res, 400, { jsonrpc: '2.0', error });
    });
    const peer = daemon.connect();
    const { error } = await peer.ask(1, 'server/discover', { _meta: meta });
    assert.deepEqual(error, { code: -32000, message: 'This protocol version is not supported.' });
    assert.equal((await peer.initialize()).result?.['protocolVersion'], '2025-06-18');
    assert.deepEqual((await peer.ask(2, 'ping')).result, {});
    assert.ok(!daemon.requests.at(-1)?.headers['mcp-method']);
  });
});
