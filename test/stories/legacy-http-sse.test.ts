// The transport of 2024-11-05, for clients that know no other: the same callers, the same policy, the same record.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import {
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import {
  Events,
  everything,
  messageOf,
  revisions,
  textOf,
  toolCall,
  Wire,
  type Revision,
  type Rpc,
} from '../front/legacy-wire.ts';
import { initialize, rawEnv, rule, serving, TestDaemon, until } from '../support/daemon.ts';

/** An old client, by hand. */
class Old {
  readonly daemon: TestDaemon;
  readonly key: string;
  readonly events: Events;
  readonly address: string;
  #next = 100;

  private constructor(daemon: TestDaemon, key: string, events: Events, address: string) {
    this.daemon = daemon;
    this.key = key;
    this.events = events;
    this.address = address;
  }

  static async connect(daemon: TestDaemon, server = 'fx', key = daemon.key): Promise<Old> {
    const response = await fetch(`${daemon.url}/servers/${server}/sse`, {
      headers: { authorization: `Bearer ${key}`, accept: 'text/event-stream' },
    });
    const events = new Events(response);
    const first = await events.one();
    assert.equal(first.event, 'endpoint');
    assert.match(first.data ?? '', new RegExp(`^/servers/${server}/messages\\?sessionId=[\\w-]{32}$`));
    return new Old(daemon, key, events, first.data ?? '');
  }

  static async open(
    daemon: TestDaemon,
    revision: Revision = '2024-11-05',
    server = 'fx',
    key = daemon.key,
  ): Promise<Old> {
    const old = await Old.connect(daemon, server, key);
    const hello = initialize({ roots: {} }) as { params: object };
    const { status } = await old.post({ ...hello, params: { ...hello.params, protocolVersion: revision } });
    assert.equal(status, 202);
    assert.equal((await old.events.message()).result?.['protocolVersion'], revision);
    assert.equal((await old.post({ jsonrpc: '2.0', method: 'notifications/initialized' })).status, 202);
    return old;
  }

  post(
    body: unknown,
    more: Readonly<Record<string, string>> = {},
    address = this.address,
  ): Promise<Response> {
    return fetch(`${this.daemon.url}${address}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json', ...more },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  /** Asks, and hears what is said next. */
  async ask(method: string, params?: object): Promise<Rpc> {
    const id = this.#next++;
    assert.equal((await this.post({ jsonrpc: '2.0', id, method, params })).status, 202);
    const answer = await this.events.message();
    assert.equal(answer.id, id);
    return answer;
  }
}

const on = '\nhttp_sse = true\n';
const modern = {
  _meta: {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
  },
};
const ping = (id: unknown) => ({ jsonrpc: '2.0', id, method: 'ping' });
const worded = async (response: Response): Promise<string> =>
  `${response.status} ${(await response.text()).replace(/"correlationId":"[^"]*"/, '')}`;

describe('the older transport', () => {
  let daemon: TestDaemon;
  let mallory: string;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: serving('answers', everything),
        other: serving('answers', everything),
        guarded: serving('answers', `${rule('allow', ['echo'])}\n${rawEnv}`),
      },
      daemon: on,
    });
    mallory = await daemon.addKey('mallory');
  });
  after(() => daemon[Symbol.asyncDispose]());

  it('is not there unless the owner wants it', async () => {
    await using plain = await TestDaemon.start({ servers: { fx: serving('answers', everything) } });
    const touch = (method: string, path: string) =>
      fetch(`${plain.url}${path}`, { method, headers: { authorization: `Bearer ${plain.key}` } }).then(
        worded,
      );
    for (const method of ['GET', 'POST', 'DELETE']) {
      const unknown = await touch(method, '/servers/fx/nothing');
      assert.match(unknown, /^404 /);
      for (const path of ['/servers/fx/sse', `/servers/fx/messages?sessionId=${'A'.repeat(32)}`])
        assert.equal(await touch(method, path), unknown, `${method} ${path}`);
    }
  });

  it('serves the official client: answers, questions, progress, and news', async () => {
    const requestInit = { headers: { authorization: `Bearer ${daemon.key}` } };
    const transport = new SSEClientTransport(new URL(`${daemon.url}/servers/fx/sse`), {
      requestInit,
    });
    const client = new Client(
      { name: 'old', version: '1' },
      { capabilities: { roots: {}, elicitation: {} } },
    );
    client.setRequestHandler(ListRootsRequestSchema, async () => ({ roots: [{ uri: 'file:///old' }] }));
    client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'decline' as const }));
    let changed = 0;
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void changed++);
    await client.connect(transport);
    await client.ping();
    assert.ok((await client.listTools()).tools.some(({ name }) => name === 'echo'));
    const call = async (name: string, args = {}, steps: number[] = []) => {
      const onprogress = ({ progress }: { progress: number }) => void steps.push(progress);
      const { content } = await client.callTool({ name, arguments: args }, undefined, { onprogress });
      return (content as { text: string }[])[0]?.text;
    };
    assert.equal(await call('echo', { text: 'héllo 👋' }), 'héllo 👋');
    assert.match((await call('ask_roots')) ?? '', /file:\/\/\/old/);
    const steps: number[] = [];
    assert.equal(await call('progress', { steps: 3 }, steps), 'done');
    assert.deepEqual(steps, [1, 2, 3]);
    assert.equal(await call('change_tools'), 'changed');
    await until('it is told', () => changed === 1);
    await assert.rejects(client.callTool({ name: 'nothing', arguments: {} }), { code: -32602 });
    await client.close();
    await until('its child is gone', async () => (await daemon.status('fx')).children === 1);
  });

  for (const revision of revisions) {
    it(`may agree on ${revision}`, async () => {
      const old = await Old.open(daemon, revision);
      assert.equal(textOf(await old.ask('tools/call', { name: 'echo', arguments: { text: 'x' } })), 'x');
      const batch = await old.post([ping(1), ping(2)]);
      if (revision === '2025-03-26') {
        assert.equal(batch.status, 202);
        const ids = [(await old.events.message()).id, (await old.events.message()).id];
        assert.deepEqual(ids.sort(), [1, 2]);
      } else assert.match(await worded(batch), /^400 .*-32600/);
      await old.events.leave();
    });
  }

  it('has neither ids nor marks, which its clients do not know', async () => {
    const old = await Old.open(daemon, '2025-11-25');
    await old.post(toolCall(1, 'progress', { steps: 2 }, { progressToken: 1 }));
    for (let at = 0; at < 3; at++) {
      const event = await old.events.one();
      assert.deepEqual([event.event, event.id, event.retry], ['message', undefined, undefined]);
      messageOf(event);
    }
    await old.events.leave();
  });

  it('ends the session when the stream ends, with its child and what is under way', async () => {
    const old = await Old.open(daemon);
    await until('its child runs', async () => (await daemon.status('fx')).children === 2);
    await old.post(toolCall(1, 'slow', { ms: 60_000 }));
    await until('the call is under way', async () => (await daemon.status('fx')).inFlight === 1);
    await old.events.leave();
    await until('all is over', async () => {
      const { children, inFlight } = await daemon.status('fx');
      return children === 1 && inFlight === 0;
    });
    assert.match(await worded(await old.post(ping(2))), /^404 /);
  });

  it('wants the key on every request, and its address is worth nothing without', async () => {
    const old = await Old.open(daemon);
    const absent = await worded(
      await old.post(ping(1), {}, `/servers/fx/messages?sessionId=${'A'.repeat(32)}`),
    );
    assert.match(absent, /^404 /);
    const nobody = await worded(await old.post(ping(1), { authorization: '' }));
    assert.match(nobody, /^401 /);
    assert.match(await worded(await old.post(ping(1), { authorization: 'Bearer wrong' })), /^401 /);
    assert.equal(await worded(await old.post(ping(1), { authorization: `Bearer ${mallory}` })), absent);
    assert.equal(await worded(await old.post(ping(1), {}, old.address.replace('/fx/', '/other/'))), absent);
    for (const query of [
      '',
      '?',
      '?sessionId=',
      `${old.address.slice(old.address.indexOf('?'))}&x=1`,
      `?x=1&${old.address.slice(old.address.indexOf('?') + 1)}`,
      old.address.slice(old.address.indexOf('?')).replace('sessionId', 'sessionid'),
      `?sessionId=%41${old.address.slice(-31)}`,
      '?sessionId=__proto__',
    ])
      assert.equal(await worded(await old.post(ping(1), {}, `/servers/fx/messages${query}`)), absent, query);
    const stream = await fetch(`${daemon.url}/servers/fx/sse`, { headers: { accept: 'text/event-stream' } });
    assert.equal(stream.status, 401);
    assert.deepEqual((await old.ask('ping')).result, {}, 'the session is not disturbed');
    await old.events.leave();
  });

  it('and the newer one do not open each other’s sessions', async () => {
    const old = await Old.open(daemon);
    const ticket = old.address.slice(-32);
    const wire = new Wire(daemon, 'fx', daemon.key, ticket, '2024-11-05');
    assert.equal((await wire.post(ping(1))).status, 404);
    assert.equal((await wire.get()).status, 404);
    assert.equal((await wire.end()).status, 404);
    const newer = await Wire.open(daemon);
    assert.equal((await old.post(ping(1), {}, `/servers/fx/messages?sessionId=${newer.id}`)).status, 404);
    const planted = await old.post(initialize(), {}, `/servers/fx/messages?sessionId=${newer.id}`);
    assert.equal(planted.status, 404);
    await old.events.leave();
  });

  it('lets a session be initialized once, and first', async () => {
    const old = await Old.connect(daemon);
    for (const early of [
      ping(1),
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      [initialize()],
      [],
    ])
      assert.match(await worded(await old.post(early)), /^400 .*-32600/);
    const [one, two] = await Promise.all([old.post(initialize()), old.post(initialize())]);
    assert.deepEqual([one.status, two.status].sort(), [202, 400]);
    assert.ok((await old.events.message()).result !== undefined);
    assert.match(await worded(await old.post(initialize())), /^400 .*-32600/);
    assert.deepEqual((await old.ask('ping')).result, {});
    await old.events.leave();
  });

  it('checks what it is sent as the newer one does', async () => {
    const old = await Old.open(daemon);
    for (const [status, code, body, more] of [
      [400, -32700, '{', {}],
      [400, -32600, '{}', {}],
      [400, -32600, { jsonrpc: '2.0', id: null, method: 'ping' }, {}],
      [415, -32600, ping(1), { 'content-type': 'text/plain' }],
      [415, -32600, ping(1), { 'content-encoding': 'gzip' }],
      [400, -32000, ping(1), { 'mcp-protocol-version': '2025-11-25' }],
      [400, -32000, ping(1), { 'mcp-protocol-version': '1900-01-01' }],
      [400, -32000, ping(1), { 'mcp-protocol-version': '2026-07-28' }],
      [400, -32600, { jsonrpc: '2.0', method: 'notifications/cancelled', params: modern }, {}],
      [403, 1403, ping(1), { origin: 'http://evil.example' }],
    ] as const) {
      const said = await worded(await old.post(body, more));
      assert.ok(said.startsWith(`${status} `) && said.includes(`"code":${code}`), said.slice(0, 200));
    }
    assert.equal((await old.post(ping(7), { 'mcp-protocol-version': '2024-11-05' })).status, 202);
    assert.equal((await old.events.message()).id, 7);
    await old.events.leave();
  });

  it('tells a client of both eras, where it looks for answers, that this is the older one; nothing else is done', async () => {
    const old = await Old.connect(daemon, 'guarded');
    for (const method of ['server/discover', 'tools/list', 'tools/call']) {
      const params = { ...modern, name: 'echo', arguments: { text: 'too new' } };
      assert.equal((await old.post({ jsonrpc: '2.0', id: method, method, params })).status, 202);
      const answer = await old.events.message();
      assert.deepEqual([answer.id, answer.error?.code], [method, -32601]);
    }
    assert.ok(!daemon.raw().includes('too new'));
    await old.events.leave();
  });

  it('is refused by other methods', async () => {
    const headers = { authorization: `Bearer ${daemon.key}` };
    const old = await Old.connect(daemon);
    for (const [method, path, allow] of [
      ['POST', '/servers/fx/sse', 'GET'],
      ['DELETE', '/servers/fx/sse', 'GET'],
      ['GET', old.address, 'POST'],
      ['DELETE', old.address, 'POST'],
    ] as const) {
      const response = await fetch(`${daemon.url}${path}`, { method, headers });
      assert.deepEqual([response.status, response.headers.get('allow')], [405, allow], `${method} ${path}`);
      await response.body?.cancel();
    }
    await old.events.leave();
  });

  it('obeys the same policy and leaves the same record', async () => {
    const old = await Old.open(daemon, '2024-11-05', 'guarded');
    assert.equal(textOf(await old.ask('tools/call', { name: 'echo', arguments: { text: 'fine' } })), 'fine');
    assert.equal(textOf(await old.ask('tools/call', { name: 'delete_file' })), 'Unknown tool: delete_file');
    const { result } = await old.ask('tools/list');
    assert.deepEqual(
      (result?.['tools'] as { name: string }[]).map(({ name }) => name),
      ['echo'],
    );
    assert.ok(!daemon.raw().includes('delete_file'));
    for (const [tool, outcome] of [
      ['guarded/echo', 'answered'],
      ['guarded/delete_file', 'refused'],
    ] as const)
      await until(`${tool} is on record`, async () => {
        const found = await daemon.audit('--tool', tool, '--caller', 'tester');
        return found.some((it) => it['outcome'] === outcome && it['session'] !== undefined);
      });
    const written = daemon.log() + daemon.output + JSON.stringify(daemon.journal());
    assert.ok(!written.includes(old.address.slice(-32)), 'the address is nobody’s business');
    await old.events.leave();
  });

  it('ends for a caller whose key is revoked', async () => {
    const key = await daemon.addKey('carol');
    const carol = await Old.open(daemon, '2024-11-05', 'fx', key);
    assert.equal((await daemon.mcpd(['key', 'revoke', 'carol'])).code, 0);
    assert.deepEqual(await carol.events.rest(), []);
    assert.equal((await carol.post(ping(1))).status, 401);
  });

  it('counts as sessions, and a stream too many is refused', async () => {
    await using small = await TestDaemon.start({
      servers: { fx: serving('answers', everything) },
      daemon: `${on}[sessions]\nmax = 3\nper_caller_max = 2\n`,
    });
    const [one] = [await Old.connect(small), await Old.open(small)];
    const third = await fetch(`${small.url}/servers/fx/sse`, {
      headers: { authorization: `Bearer ${small.key}` },
    });
    assert.equal(third.status, 429);
    assert.ok(Number(third.headers.get('retry-after')) >= 1);
    await one.events.leave();
    await until('its place is free', async () => {
      const again = await fetch(`${small.url}/servers/fx/sse`, {
        headers: { authorization: `Bearer ${small.key}` },
      });
      await again.body?.cancel();
      return again.status === 200;
    });
  });

  it('is gone when the daemon stops, and holds nothing up', async () => {
    const stopping = await TestDaemon.start({ servers: { fx: serving('answers', everything) }, daemon: on });
    try {
      const old = await Old.open(stopping);
      const code = stopping.end();
      assert.deepEqual(await old.events.rest(), []);
      assert.equal(await code, 0);
    } finally {
      await stopping[Symbol.asyncDispose]();
    }
  });
});
