// Clients that speak nothing but stdio run `mcpd connect`: same policy, same callers, same audit as over HTTP.
import assert from 'node:assert/strict';
import { lstatSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as TransportV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { alive, projectRoot, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { launcher, StdioPeer } from '../support/stdio-peer.ts';

const rules = `${rule('allow', ['*'])}${rule('deny', ['delete_file'])}[[rule]]
name = "everything else"
verdict = "allow"
resources = ["**", "file:///**"]
prompts = ["*"]
upcalls = ["*"]
`;

const generations = ['v1', 'v2', 'v2, which tries the newer protocol first'] as const;
type Generation = (typeof generations)[number];

const info = { name: 'official', version: '9.8.7' };
const capabilities = { sampling: {}, elicitation: {}, roots: { listChanged: true } };
const sampled = {
  model: 'm',
  role: 'assistant' as const,
  content: { type: 'text' as const, text: 'sampled' },
};
const accepted = { action: 'accept' as const, content: { name: 'Ada' } };
const roots = { roots: [{ uri: 'file:///home/official', name: 'home' }] };

type Stdio = { readonly client: ClientV1 | ClientV2; readonly heard: string[]; readonly pid: number };

/** An official client that starts `mcpd connect SERVER` as it would start any stdio server. */
async function start(generation: Generation, server: string, env: Record<string, string>): Promise<Stdio> {
  const heard: string[] = [];
  const spawning = {
    command: process.execPath,
    args: [launcher, 'connect', server],
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stderr: 'ignore' as const,
  };
  if (generation === 'v1') {
    const client = new ClientV1(info, { capabilities });
    client.setRequestHandler(CreateMessageRequestSchema, async () => sampled);
    client.setRequestHandler(ElicitRequestSchema, async () => accepted);
    client.setRequestHandler(ListRootsRequestSchema, async () => roots);
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => void heard.push('tools changed'));
    client.setNotificationHandler(
      LoggingMessageNotificationSchema,
      ({ params }) => void heard.push(String(params.data)),
    );
    const transport = new TransportV1(spawning);
    await client.connect(transport);
    return { client, heard, pid: transport.pid ?? 0 };
  }
  const mode = generation === 'v2' ? 'legacy' : 'auto';
  // In the newer protocol, this is what makes the client listen for changes.
  const listChanged = {
    tools: { autoRefresh: false, debounceMs: 0, onChanged: () => void heard.push('tools changed') },
  };
  const client = new ClientV2(info, { capabilities, listChanged, versionNegotiation: { mode } });
  client.setRequestHandler('sampling/createMessage', async () => sampled);
  client.setRequestHandler('elicitation/create', async () => accepted);
  client.setRequestHandler('roots/list', async () => roots);
  client.setNotificationHandler(
    'notifications/message',
    ({ params }) => void heard.push(String(params.data)),
  );
  const transport = new TransportV2(spawning);
  await client.connect(transport);
  return { client, heard, pid: transport.pid ?? 0 };
}

function eraOf({ client }: Stdio): string | undefined {
  return client instanceof ClientV1 ? 'legacy' : client.getProtocolEra();
}

async function text(
  { client }: Stdio,
  name: string,
  args: Record<string, unknown> = {},
  how: { onprogress?: (it: { progress: number }) => void; signal?: AbortSignal } = {},
): Promise<string> {
  // Without it, a server says nothing about a request in the newer protocol.
  const call = { name, arguments: args, _meta: { 'io.modelcontextprotocol/logLevel': 'debug' } };
  const result =
    client instanceof ClientV1
      ? await client.callTool(call, undefined, how)
      : await client.callTool(call, how);
  return (result.content as { text?: string }[])[0]?.text ?? '';
}

describe('stdio clients connect', () => {
  let daemon: TestDaemon;
  const open: Stdio[] = [];
  const peers: StdioPeer[] = [];
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: serving('answers', rules),
        shared: serving('answers', `sharing = "all"\n${rules}`),
        dead: serving('exits-at-once', rules),
        everything: `command = ${JSON.stringify(join(projectRoot, 'node_modules/.bin/mcp-server-everything'))}\n${rules}`,
      },
    });
  });
  after(async () => {
    for (const { client } of open) await client.close().catch(() => undefined);
    for (const peer of peers) await peer[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  });
  const env = (key = daemon.key) => ({ MCPD_STATE_DIR: daemon.state, MCPD_KEY: key });
  const to = async (generation: Generation, server = 'fx', key = daemon.key) => {
    const started = await start(generation, server, env(key));
    open.push(started);
    return started;
  };
  const peer = (server = 'fx', more: NodeJS.ProcessEnv = {}) => {
    const it = new StdioPeer([server], { env: { ...env(), ...more } });
    peers.push(it);
    return it;
  };

  for (const generation of generations)
    describe(generation, () => {
      it('has what its policy leaves it, and nothing more', async () => {
        const stdio = await to(generation);
        assert.equal(stdio.client.getServerVersion()?.name, 'fx');
        const tools = (await stdio.client.listTools()).tools.map(({ name }) => name);
        assert.ok(tools.includes('echo') && !tools.includes('delete_file'));
        assert.equal(await text(stdio, 'echo', { text: 'héllo 👋\u2028' }), 'héllo 👋\u2028');
        await assert.rejects(text(stdio, 'delete_file', { path: '/' }), /Unknown tool: delete_file/);
        assert.ok((await stdio.client.listResources()).resources.length > 0);
        const { messages } = await stdio.client.getPrompt({ name: 'hello' });
        assert.match(JSON.stringify(messages), /hello/);
      });

      it('hears progress while its call goes on, log lines, and that the list of tools has changed', async () => {
        const steps: number[] = [];
        const how = { onprogress: ({ progress }: { progress: number }) => void steps.push(progress) };
        await text(
          await to(generation, 'everything'),
          'trigger-long-running-operation',
          { duration: 0.3, steps: 3 },
          how,
        );
        // The last step and the answer come in one breath, and then these clients forget who wanted to hear of it; and when
        // the server asks something in between, one of them tells the last step again.
        assert.deepEqual([...new Set(steps)].slice(0, 2), [1, 2]);
        const shared = await to(generation, 'shared');
        await text(shared, 'change_tools');
        await until('it is told', () => shared.heard.includes('tools changed'));
        const own = await to(generation);
        await text(own, 'log', { text: 'working' });
        await until('the line is heard', () => own.heard.includes('working'));
      });

      it('answers what a server asks of it', async () => {
        const stdio = await to(generation);
        assert.match(await text(stdio, 'ask_sampling'), /"sampled"/);
        assert.match(await text(stdio, 'ask_elicitation', { message: 'your name?' }), /"Ada"/);
        assert.match(await text(stdio, 'ask_roots'), /file:\/\/\/home\/official/);
      });

      it('calls side by side, takes a call back, and goes on', async () => {
        const stdio = await to(generation);
        const stop = new AbortController();
        const failing = assert.rejects(text(stdio, 'slow', { ms: 600_000 }, { signal: stop.signal }));
        await until('it is under way', async () => (await daemon.status('fx')).inFlight === 1);
        const texts = Array.from({ length: 20 }, (_, at) => `number ${at}`);
        assert.deepEqual(await Promise.all(texts.map((it) => text(stdio, 'echo', { text: it }))), texts);
        stop.abort();
        await failing;
        await until('it is under way no more', async () => (await daemon.status('fx')).inFlight === 0);
        const [record] = (await daemon.audit('--tool', 'fx/slow')).slice(-1);
        assert.equal(record?.['error'], 'CANCELLED');
      });

      it('is on record under the name of its key', async () => {
        const name = `desk-${generations.indexOf(generation)}`;
        const stdio = await to(generation, 'fx', await daemon.addKey(name));
        await text(stdio, 'read_file', { path: '/x' });
        await assert.rejects(text(stdio, 'delete_file', { path: '/x' }));
        const records = await daemon.audit('--caller', name);
        const calls = records.filter(({ method }) => method === 'tools/call');
        assert.deepEqual(
          calls.map(({ target, outcome }) => [(target as { name: string }).name, outcome]),
          [
            ['read_file', 'answered'],
            ['delete_file', 'refused'],
          ],
        );
        assert.ok(records.every(({ server }) => server === 'fx'));
      });

      it('ends its process when it closes, and with it what only it used', async () => {
        const before = new Set(daemon.children());
        const stdio = await to(generation);
        await text(stdio, 'echo', { text: 'x' });
        const own = daemon.children().filter((pid) => !before.has(pid));
        // Only a session has a child of its own; a client that speaks the newer protocol has no session.
        if (eraOf(stdio) === 'legacy') assert.ok(own.length > 0);
        assert.ok(alive(stdio.pid));
        await stdio.client.close();
        await until('its process is gone', () => !alive(stdio.pid));
        await until('its child is gone', () => !own.some(alive));
      });

      it('learns what is wrong: a wrong key, an unknown server, a server that does not run', async () => {
        await assert.rejects(to(generation, 'fx', `mcpd_00000000_${'x'.repeat(43)}`), /Sign in first/);
        await assert.rejects(to(generation, 'nothing-here'), /There is nothing at this address/);
        await assert.rejects(to(generation, 'dead'), /server behind this address/);
      });
    });

  it('every step of a call comes in its order, and before its answer', async () => {
    const it = peer();
    await it.initialize();
    await it.ask(1, 'tools/call', {
      name: 'progress',
      arguments: { steps: 50 },
      _meta: { progressToken: 'p' },
    });
    const told = it.heard.map(({ params, id }) => params?.['progress'] ?? id);
    assert.deepEqual(told, ['init', ...Array.from({ length: 50 }, (_, at) => at + 1), 1]);
  });

  it('a key that is revoked works no more, at the next message', async () => {
    const key = await daemon.addKey('short-lived');
    const it = peer('fx', { MCPD_KEY: key });
    await it.initialize();
    assert.equal((await it.ask(1, 'ping')).error, undefined);
    await daemon.mcpd(['key', 'revoke', 'short-lived']);
    assert.equal((await it.ask(2, 'ping')).error?.code, 1401);
  });

  it('callers cannot meet: another key, or another server, does not reach a session', async () => {
    const first = peer();
    await first.initialize();
    await first.ask(1, 'ping');
    const other = await daemon.addKey('neighbour');
    const [opened] = (await daemon.audit('--caller', 'tester'))
      .filter(({ method }) => method === 'initialize')
      .slice(-1);
    assert.equal(typeof opened?.['session'], 'string');
    // Over the socket, as over TCP, a session id is worth nothing without the key that opened it.
    const session = await daemon.session('fx');
    assert.equal(await statusOver(daemon, { key: other, session: session.id }), 404);
    assert.equal(await statusOver(daemon, { key: session.key, session: session.id }), 200);
  });

  describe('the socket', () => {
    it('belongs to its owner alone', () => {
      const found = lstatSync(join(daemon.state, 'front.sock'));
      assert.ok(found.isSocket());
      assert.equal(found.mode & 0o777, 0o600);
    });

    it('serves one Host and no Origin, and wants a key like any other door', async () => {
      assert.equal(await statusOver(daemon, { key: daemon.key }), 400, 'it came in, without a session');
      assert.equal(
        await statusOver(daemon, { key: daemon.key, headers: { host: `127.0.0.1:${daemon.port}` } }),
        403,
      );
      assert.equal(await statusOver(daemon, { key: daemon.key, headers: { origin: daemon.url } }), 403);
      assert.equal(
        await statusOver(daemon, { key: daemon.key, headers: { 'sec-fetch-site': 'cross-site' } }),
        403,
      );
      assert.equal(await statusOver(daemon, {}), 401);
    });
  });
});

describe('a daemon that comes and goes', () => {
  it('leaves its clients with clear answers, and serves them again when it is back', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: serving('answers', rules) }, boot: false });
    const env = { MCPD_STATE_DIR: daemon.state, MCPD_KEY: daemon.key };
    await using peer = new StdioPeer(['fx'], { env });
    assert.match((await peer.ask(1, 'initialize', {})).error?.message ?? '', /mcpd run/);
    await daemon.boot();
    assert.equal((await peer.initialize()).error, undefined);
    assert.equal((await peer.ask(2, 'ping')).error, undefined);
    const socket = join(daemon.state, 'front.sock');

    assert.equal(await daemon.end(), 0);
    assert.equal(
      lstatSync(socket, { throwIfNoEntry: false }),
      undefined,
      'a daemon that stops takes it along',
    );
    assert.match((await peer.ask(3, 'ping')).error?.message ?? '', /mcpd run/);

    await daemon.boot();
    assert.match((await peer.ask(4, 'ping')).error?.message ?? '', /Initialize again/);
    await peer.ask('again', 'initialize', initialize);
    peer.say({ jsonrpc: '2.0', method: 'notifications/initialized' });
    assert.equal((await peer.ask(5, 'tools/call', echo)).error, undefined);

    peer.say({
      jsonrpc: '2.0',
      id: 6,
      method: 'tools/call',
      params: { name: 'slow', arguments: { ms: 600_000 } },
    });
    await until('it is under way', async () => (await daemon.status('fx')).inFlight === 1);
    await daemon.end('SIGKILL');
    assert.equal((await peer.answer(6)).error?.code, 1522);
    assert.ok(lstatSync(socket).isSocket(), 'a killed one leaves it behind');
    assert.equal((await peer.ask(7, 'ping')).error?.code, 1520);
    await daemon.boot();
    await peer.ask('third', 'initialize', initialize);
    assert.equal((await peer.ask(8, 'tools/call', echo)).error, undefined);
  });

  it('does not start over something else that lies where its socket belongs', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: serving('answers', rules) }, boot: false });
    writeFileSync(join(daemon.state, 'front.sock'), 'mine');
    await assert.rejects(daemon.boot(), /exited with 78[\s\S]*front\.sock is in the way/);
  });

  it('serves a client without a key only where its owner allows that', async () => {
    for (const [line, code] of [
      ['', 1401],
      ['[callers]\nwithout_key = "anyone on this machine may call"\n', undefined],
    ] as const) {
      await using daemon = await TestDaemon.start({
        servers: { fx: serving('answers', rules) },
        daemon: line,
      });
      await using peer = new StdioPeer(['fx'], { env: { MCPD_STATE_DIR: daemon.state } });
      assert.equal((await peer.initialize()).error?.code, code);
      if (code !== undefined) continue;
      assert.equal((await peer.ask(1, 'tools/call', echo)).error, undefined);
      assert.ok((await daemon.audit('--caller', 'anyone')).some(({ method }) => method === 'tools/call'));
    }
  });
});

describe('a modern client over stdio', () => {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': { name: 'modern', version: '1' },
  };

  it('discovers, lists, calls and takes back, without a session', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: serving('answers', rules) } });
    await using peer = new StdioPeer(['fx'], { env: { MCPD_STATE_DIR: daemon.state, MCPD_KEY: daemon.key } });
    const discovered = await peer.ask(1, 'server/discover', { _meta: meta });
    assert.deepEqual(discovered.result?.['supportedVersions'], ['2026-07-28']);
    const { result } = await peer.ask('two', 'tools/list', { _meta: meta });
    const names = (result?.['tools'] as { name: string }[]).map(({ name }) => name);
    assert.ok(names.includes('echo') && !names.includes('delete_file'));
    const answer = await peer.ask(3, 'tools/call', { ...echo, _meta: meta });
    assert.equal(answer.result?.['resultType'], 'complete');
    assert.match(JSON.stringify(answer.result), /hello/);
    const denied = await peer.ask(4, 'tools/call', { name: 'delete_file', arguments: {}, _meta: meta });
    assert.deepEqual(denied.error?.message, 'Unknown tool: delete_file');

    const slow = { name: 'slow', arguments: { ms: 600_000 }, _meta: meta };
    peer.say({ jsonrpc: '2.0', id: 5, method: 'tools/call', params: slow });
    await until('it is under way', async () => (await daemon.status('fx')).inFlight === 1);
    peer.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 5 } });
    await until('it is under way no more', async () => (await daemon.status('fx')).inFlight === 0);
    const [record] = (await daemon.audit('--tool', 'fx/slow')).slice(-1);
    assert.equal(record?.['error'], 'CANCELLED');
    assert.equal(record?.['caller'], 'tester');
    assert.deepEqual(await peer.end(), { code: 0, signal: null });
    assert.ok(!peer.heard.some(({ id }) => id === 5));
  });

  it('gives a tool whatever it wants in a header, however large: over the socket nobody reads on the way', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: serving('conformance', rules) } });
    await using peer = new StdioPeer(['fx'], { env: { MCPD_STATE_DIR: daemon.state, MCPD_KEY: daemon.key } });
    await peer.ask('list', 'tools/list', { _meta: meta });
    for (const region of ['eu', 'x'.repeat(20_000)]) {
      const params = { name: 'test_x_mcp_header', arguments: { region }, _meta: meta };
      const { result } = await peer.ask(region.length, 'tools/call', params);
      assert.deepEqual(result?.['content'], [{ type: 'text', text: `Region: ${region}` }]);
    }
  });
});

const initialize = {
  protocolVersion: '2025-11-25',
  capabilities: {},
  clientInfo: { name: 'peer', version: '1' },
};
const echo = { name: 'echo', arguments: { text: 'hello' } };

/** The status of a ping over the socket. */
function statusOver(
  daemon: TestDaemon,
  how: { readonly key?: string; readonly session?: string; readonly headers?: Record<string, string> },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const req = request(
      {
        socketPath: join(daemon.state, 'front.sock'),
        path: '/servers/fx/mcp',
        method: 'POST',
        agent: false,
        headers: {
          host: 'localhost',
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...(how.key === undefined ? {} : { authorization: `Bearer ${how.key}` }),
          ...(how.session === undefined ? {} : { 'mcp-session-id': how.session }),
          ...how.headers,
        },
      },
      (res) => {
        res.resume();
        resolve(res.statusCode ?? 0);
      },
    );
    req.on('error', reject);
    req.end('{"jsonrpc":"2.0","id":1,"method":"ping"}');
  });
}
