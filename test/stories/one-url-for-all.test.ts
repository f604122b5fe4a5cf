// Beside an address for each server there is one for all: whoever may use several finds them behind /mcp, and there as
// everywhere nothing happens that the policy does not allow.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { connect, generations, type OfficialClient } from '../support/clients.ts';
import {
  alive,
  post,
  projectRoot,
  rawEnv,
  readEvents,
  rule,
  serving,
  TestDaemon,
  textOf,
  until,
} from '../support/daemon.ts';
import { HallClient, type Message } from '../support/hall.ts';
import { canonicalOutput, oracle } from '../support/oracle.ts';

const everything = (more = ''): string =>
  `[[rule]]\nname = "everything"\nverdict = "allow"\ntools = ["*"]\nresources = ["**"]\nprompts = ["*"]\nupcalls = ["*"]\n${more}\n`;
const shipped = (name: string) =>
  readFileSync(join(projectRoot, 'policies', 'servers', `${name}.toml`), 'utf8').replaceAll(
    '"../../node_modules/',
    `"${projectRoot}/node_modules/`,
  );
const longName = 'x'.repeat(70);

describe('official clients find all their servers behind one URL', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: serving('answers', `${everything()}[env]\nFX_TOOLS = "${longName}"\n`),
        shared: serving('answers', `sharing = "all"\n${everything()}`),
        filesystem: shipped('filesystem'),
        memory: shipped('memory'),
        everything: shipped('everything'),
        modern: serving('conformance', everything()),
        broken: serving('exits-at-once', everything()),
      },
      prepare: ({ policies }) => {
        for (const folder of ['sandbox', 'memory']) mkdirSync(join(policies, folder), { mode: 0o700 });
        writeFileSync(join(policies, 'sandbox', 'hello.txt'), 'hello from a file');
      },
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  for (const generation of generations) {
    describe(generation, () => {
      let client: OfficialClient;
      before(async () => {
        client = await connect(generation, `${daemon.url}/mcp`, daemon.key);
      });
      after(async () => client.end().catch(() => undefined));

      it('lists the tools of all of them, without those that are denied, in names that every client accepts', async () => {
        assert.equal(client.serverName(), 'mcpd');
        const tools = await client.tools();
        for (const name of [
          'fx__echo',
          'shared__echo',
          'filesystem__read_text_file',
          'memory__open_nodes',
          'everything__echo',
          'modern__test_simple_text',
        ])
          assert.ok(tools.includes(name), name);
        for (const name of ['everything__get-env', 'filesystem__move_file', 'memory__delete_entities'])
          assert.ok(!tools.includes(name), name);
        for (const name of tools) assert.match(name, /^[A-Za-z0-9_-]{1,64}$/);
        assert.equal(new Set(tools).size, tools.length);
      });

      it('calls them', async () => {
        assert.equal((await client.call('fx__echo', { text: 'héllo 👋' })).text, 'héllo 👋');
        assert.equal((await client.call('shared__echo', { text: 'x' })).text, 'x');
        assert.equal((await client.call('everything__echo', { message: 'hi' })).text, 'Echo: hi');
        assert.equal(
          (await client.call('filesystem__read_text_file', { path: 'hello.txt' })).text,
          'hello from a file',
        );
        assert.match((await client.call('modern__test_simple_text')).text, /simple text/);
        const cut = (await client.tools()).find((name) => /^fx__x+_[0-9a-f]{8}$/.test(name));
        assert.equal((await client.call(cut ?? '')).text, `called ${longName}`);
      });

      it('is told progress, and can cancel', async () => {
        const steps: number[] = [];
        await client.call('fx__progress', { steps: 3 }, { onProgress: (step) => steps.push(step) });
        assert.deepEqual(steps, [1, 2, 3]);
        const stop = new AbortController();
        const slow = client.call('fx__slow', { ms: 60_000 }, { signal: stop.signal });
        await until('it is in flight', async () => (await daemon.status('fx')).inFlight === 1);
        stop.abort();
        await assert.rejects(slow);
        await until('it is over', async () => (await daemon.status('fx')).inFlight === 0);
      });

      it('answers what servers ask', async () => {
        assert.match((await client.call('fx__ask_sampling')).text, /sampled/);
        assert.match((await client.call('fx__ask_elicitation', { message: 'who?' })).text, /Ada/);
        assert.match((await client.call('fx__ask_roots')).text, /home\/official/);
        assert.match((await client.call('everything__get-roots-list')).text, /home\/official/);
        assert.ok(client.heard.elicited.includes('who?'));
      });

      it('reads resources by the names it was given, and finds them again in results', async () => {
        const resources = await client.resources();
        const documents = resources.filter((uri) => uri.startsWith('mcpd.everything+demo://'));
        assert.ok(documents.length > 0);
        assert.ok(resources.includes('mcpd.fx+file:///ok.txt'));
        assert.match(await client.read('mcpd.fx+file:///ok.txt'), /"uri":"mcpd\.fx\+file:\/\/\/ok\.txt"/);
        const [read] = JSON.parse(await client.read(documents[0] ?? '')) as { uri: string }[];
        assert.equal(read?.uri, documents[0]);
        assert.ok((await client.templates()).includes('mcpd.fx+file:///pub/{name}'));
        const prompt = await client.prompt('everything__resource-prompt', {
          resourceType: 'Text',
          resourceId: '1',
        });
        assert.match(prompt, /"uri":"mcpd\.everything\+demo:/);
      });

      it('gets prompts and completions', async () => {
        const prompts = await client.prompts();
        assert.ok(prompts.includes('fx__hello') && prompts.includes('everything__completable-prompt'));
        assert.match(await client.prompt('fx__hello'), /hello/);
        const values = await client.complete('everything__completable-prompt', 'department', 'E');
        assert.ok(values.includes('Engineering'));
      });

      it('waits for the operator where the policy says so', async () => {
        const path = `${generation.length}.txt`;
        const writing = client.call('filesystem__write_file', { path, content: 'written' });
        await until('the write waits', async () => (await daemon.approvals()).length === 1);
        await daemon.ctl('approve', (await daemon.approvals())[0]?.id ?? '');
        assert.equal((await writing).isError, false);
        assert.equal(readFileSync(join(daemon.policies, 'sandbox', path), 'utf8'), 'written');
      });

      it('is told clearly of what is down, denied or unknown', async () => {
        await assert.rejects(client.call('broken__x'), /not running|stopped before it answered/);
        await assert.rejects(client.call('everything__get-env'), /Unknown tool: everything__get-env/);
        await assert.rejects(client.call('nobody__x'), /Unknown tool: nobody__x/);
      });
    });
  }

  it('a resource link of a tool can be read', async () => {
    const client = await HallClient.open(daemon);
    const { body } = await client.call('everything__get-resource-links', { count: 2 });
    const links = (body.result?.['content'] as { uri?: string }[]).flatMap(({ uri }) => uri ?? []);
    assert.ok(links.length > 0);
    for (const uri of links) {
      assert.match(uri, /^mcpd\.everything\+demo:/);
      const read = await client.request('resources/read', { uri });
      assert.equal((read.body.result?.['contents'] as { uri: string }[])[0]?.uri, uri);
    }
  });

  it('a call is on record with its server, under the id that the client was told', async () => {
    const client = await HallClient.open(daemon);
    const reply = await client.call('fx__echo', { text: 'on record' });
    const id = reply.headers.get('mcpd-correlation-id') ?? '';
    const records = await daemon.audit('--correlation', id);
    // The greeting of the server, which this call made necessary, is a part of it.
    assert.deepEqual(
      records.map((record) => record['id']),
      [`${id}/open`, `${id}/ready`, id],
    );
    assert.deepEqual(
      records.slice(-1).map(({ server, target, outcome, caller }) => ({ server, target, outcome, caller })),
      [{ server: 'fx', target: { kind: 'tool', name: 'echo' }, outcome: 'answered', caller: 'tester' }],
    );
  });

  it('a listing is on record for each server and for all, under one id', async () => {
    const client = await HallClient.open(daemon, daemon.key, '?servers=fx,shared');
    const reply = await client.request('tools/list');
    const id = reply.headers.get('mcpd-correlation-id') ?? '';
    const listings = (await daemon.audit('--correlation', id)).filter(
      ({ method }) => method === 'tools/list',
    );
    assert.deepEqual(
      new Set(listings.map((record) => `${String(record['id'])} ${String(record['server'])}`)),
      new Set([`${id}/fx fx`, `${id}/shared shared`, `${id} *?servers=fx,shared`]),
    );
  });

  it('questions of the modern era come back as input_required, and go on where they were asked', async () => {
    const client = new HallClient(daemon);
    const capabilities = { elicitation: { form: {} } };
    const tool = { name: 'modern__test_input_required_result_elicitation', arguments: {} };
    const asked = await client.modern('tools/call', tool, capabilities);
    assert.equal(asked.body.result?.['resultType'], 'input_required', JSON.stringify(asked.body));
    const questions = asked.body.result?.['inputRequests'] as Record<string, unknown>;
    const inputResponses = Object.fromEntries(
      Object.keys(questions).map((key) => [key, { action: 'accept', content: { name: 'Ada' } }]),
    );
    const { requestState } = asked.body.result as { requestState?: string };
    const state = requestState === undefined ? {} : { requestState };
    const done = await client.modern('tools/call', { ...tool, inputResponses, ...state }, capabilities);
    assert.match(textOf(done), /Ada/);
    // The state of one server’s call opens none of another’s.
    if (requestState !== undefined) {
      const stolen = await client.modern('tools/call', {
        ...tool,
        name: 'fx__echo',
        inputResponses,
        requestState,
      });
      assert.match(stolen.body.error?.message ?? '', /requestState is not valid/);
    }
  });

  it('an argument that is repeated in a header is checked under the qualified name, too', async () => {
    const client = new HallClient(daemon);
    const tool = { name: 'modern__test_x_mcp_header', arguments: { region: 'eu' } };
    const { body, headers } = client.asModern('tools/call', tool, {});
    assert.equal((await client.post(body, { ...headers, 'mcp-param-region': 'eu' })).body.error, undefined);
    for (const more of [
      {},
      { 'mcp-param-region': 'us' },
      { 'mcp-name': 'fx__echo', 'mcp-param-region': 'eu' },
    ]) {
      const reply = await client.post(body, { ...headers, ...more });
      assert.deepEqual([reply.status, (reply.body.error as { code: number }).code], [400, -32020]);
    }
  });

  it('several messages at once go each to their server, where that is spoken', async () => {
    const client = new HallClient(daemon);
    const hello = await client.post({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: {
        protocolVersion: '2025-03-26',
        capabilities: {},
        clientInfo: { name: 'batch', version: '1' },
      },
    });
    client.sessionId = hello.headers.get('mcp-session-id') ?? undefined;
    const echo = (id: number, name: string) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name, arguments: { text: name } },
    });
    const { body } = await client.post([
      echo(1, 'fx__echo'),
      echo(2, 'shared__echo'),
      echo(3, 'nobody__echo'),
    ]);
    const answers = body as unknown as Message[];
    assert.deepEqual(
      new Map(answers.map(({ id, result, error }) => [id, JSON.stringify(result ?? error)])),
      new Map([
        [1, '{"content":[{"type":"text","text":"fx__echo"}]}'],
        [2, '{"content":[{"type":"text","text":"shared__echo"}]}'],
        [3, '{"code":-32602,"message":"Unknown tool: nobody__echo"}'],
      ]),
    );
  });

  it('tasks of the modern era say whose they are', async () => {
    const client = new HallClient(daemon);
    const capabilities = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
    const begun = await client.modern(
      'tools/call',
      { name: 'modern__slow_compute', arguments: { seconds: 60 } },
      capabilities,
    );
    const taskId = String(begun.body.result?.['taskId']);
    assert.match(taskId, /^modern\./);
    const asked = await client.modern('tasks/get', { taskId }, capabilities);
    assert.deepEqual([asked.body.result?.['taskId'], asked.body.result?.['status']], [taskId, 'working']);
    const bare = await client.modern('tasks/get', { taskId: taskId.slice('modern.'.length) }, capabilities);
    assert.equal(bare.body.error?.message, 'There is no such task.');
    const other = new HallClient(daemon, await daemon.addKey('task-thief'));
    assert.equal(
      (await other.modern('tasks/get', { taskId }, capabilities)).body.error?.message,
      'There is no such task.',
    );
    assert.equal((await client.modern('tasks/cancel', { taskId }, capabilities)).status, 200);
  });

  it('one stream brings the news of all servers', async () => {
    const client = new HallClient(daemon);
    const filter = {
      notifications: { toolsListChanged: true, resourceSubscriptions: ['mcpd.fx+file:///ok.txt'] },
    };
    const { body, headers } = client.asModern('subscriptions/listen', filter, {});
    const stop = new AbortController();
    const response = await client.http(
      'POST',
      JSON.stringify(body),
      { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      stop.signal,
    );
    const heard: Message[] = [];
    const reading = readEvents(response, (message) => heard.push(message)).catch(() => undefined);
    await until('it is acknowledged', () => heard.length > 0);
    const params = heard[0]?.['params'] as { notifications: unknown; _meta: Message };
    assert.equal(heard[0]?.['method'], 'notifications/subscriptions/acknowledged');
    assert.deepEqual(params.notifications, {
      toolsListChanged: true,
      resourceSubscriptions: ['mcpd.fx+file:///ok.txt'],
    });
    const id = (body as { id: number }).id;
    assert.equal(params._meta['io.modelcontextprotocol/subscriptionId'], id);
    const tool = { name: 'modern__test_trigger_tool_change', arguments: {} };
    await client.modern('tools/call', tool);
    await until('the change is heard', () =>
      heard.some(({ method }) => method === 'notifications/tools/list_changed'),
    );
    for (const message of heard)
      assert.equal(
        (message['params'] as { _meta: Message })._meta['io.modelcontextprotocol/subscriptionId'],
        id,
      );
    stop.abort();
    await reading;
  });
});

describe('nobody reaches more through the one URL', () => {
  let daemon: TestDaemon;
  let theirKey: string;
  let strangerKey: string;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        mine: serving('answers', everything('callers = ["tester"]') + rawEnv),
        theirs: serving('answers', rule('allow', ['echo', 'slow'], 'callers = ["theirs"]') + rawEnv),
        both: serving(
          'answers',
          everything('callers = ["tester", "theirs"]') + rule('deny', ['delete_file']) + rawEnv,
        ),
      },
      daemon: '[profiles]\ncoding = ["mine", "both"]\ntheirs = ["theirs"]\n',
    });
    theirKey = await daemon.addKey('theirs');
    strangerKey = await daemon.addKey('stranger');
  });
  after(async () => daemon[Symbol.asyncDispose]());

  it('each caller finds its own servers', async () => {
    const servers = async (key: string, query = '') => {
      const client = await HallClient.open(daemon, key, query);
      const names = await client.names('tools/list', 'tools');
      return [...new Set(names.map((name) => name.split('__')[0]))];
    };
    assert.deepEqual(await servers(daemon.key), ['both', 'mine']);
    assert.deepEqual(await servers(theirKey), ['both', 'theirs']);
    assert.deepEqual(await servers(daemon.key, '?servers=mine'), ['mine']);
    assert.deepEqual(await servers(daemon.key, '?profile=coding'), ['both', 'mine']);
    assert.deepEqual(await servers(theirKey, '?profile=coding'), ['both']);
  });

  it('a choice of servers that are unknown or hidden is nothing, and says which', async () => {
    for (const [query, unknown] of [
      ['?servers=mine,theirs', ['theirs']],
      ['?servers=nobody', ['nobody']],
      ['?profile=theirs', ['theirs']],
      ['?profile=nobody', ['nobody']],
      ['?server=mine', undefined],
      ['?servers=', undefined],
      ['?servers=mine&x=1', undefined],
    ] as const) {
      for (const era of ['legacy', 'modern'] as const) {
        const client = new HallClient(daemon, daemon.key, query);
        const reply =
          era === 'legacy' ? await client.request('initialize') : await client.modern('server/discover');
        assert.equal(reply.status, 404, query);
        const { error } = reply.body as { error: { message: string; data: Message } };
        assert.equal(error.message, 'There is nothing at this address.');
        assert.deepEqual(error.data['unknown'], unknown, query);
      }
    }
  });

  it('without a key there is nothing but a no, and for who may see no server nothing at all', async () => {
    for (const query of ['', '?servers=mine', '?x=1']) {
      const nobody = new HallClient(daemon, '', query);
      assert.equal((await nobody.request('initialize')).status, 401, query);
      for (const method of ['GET', 'DELETE']) assert.equal((await nobody.http(method)).status, 401, query);
    }
    const stranger = new HallClient(daemon, strangerKey);
    assert.equal((await stranger.request('initialize')).status, 404);
    assert.equal((await stranger.modern('server/discover')).status, 404);
    for (const path of ['/mcp/', '/MCP', '/mcp/x', '//mcp', '/mcp%3Fservers=mine', '/mcp;x']) {
      const response = await fetch(`${daemon.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${daemon.key}`, 'content-type': 'application/json' },
        body: '{}',
      });
      assert.equal(response.status, 404, path);
    }
  });

  it('a session is its caller’s, and of the choice it was begun with', async () => {
    const client = await HallClient.open(daemon, daemon.key, '?servers=both,mine');
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    for (const [key, query, status] of [
      [daemon.key, '?servers=mine,both', 200],
      [theirKey, '?servers=both', 404],
      [daemon.key, '', 404],
      [daemon.key, '?servers=mine', 404],
    ] as const) {
      const other = Object.assign(new HallClient(daemon, key, query), { sessionId: client.sessionId });
      assert.equal((await other.post(ping)).status, status, query);
      if (status === 200) continue;
      for (const method of ['GET', 'DELETE']) assert.equal((await other.http(method)).status, 404, method);
    }
    // Neither is it a session of any one server.
    assert.equal((await post(daemon, 'mine', daemon.key, client.sessionId, ping)).status, 404);
    assert.equal((await client.post(ping)).status, 200);
  });

  it('a question is answered by the client that was asked, whoever else knows its id', async () => {
    const mine = await HallClient.open(daemon, daemon.key, '', { elicitation: {} });
    const other = await HallClient.open(daemon, daemon.key, '', { elicitation: {} });
    const theirs = await HallClient.open(daemon, theirKey, '', { elicitation: {} });
    let asked: (id: unknown) => void = () => undefined;
    const question = new Promise((resolve) => (asked = resolve));
    const asking = mine.call('both__ask_elicitation', { message: 'who?' }, ({ id, method }) => {
      if (method === 'elicitation/create') asked(id);
    });
    const id = await question;
    const answer = (name: string) => ({
      jsonrpc: '2.0',
      id,
      result: { action: 'accept', content: { name } },
    });
    for (const client of [other, theirs]) {
      await client.call('both__echo', { text: 'so that it has a session there' });
      assert.equal((await client.post(answer('Mallory'))).status, 202);
    }
    assert.equal((await mine.post(answer('Ada'))).status, 202);
    assert.match(textOf(await asking), /Ada/);
  });

  it('a name of another’s server, or of a denied tool, reaches nothing', async () => {
    const client = await HallClient.open(daemon);
    const inHeader = (name: string) =>
      /^[\x21-\x7e]+$/.test(name) ? name : `=?base64?${Buffer.from(name).toString('base64')}?=`;
    for (const name of [
      'theirs__echo',
      'both__delete_file',
      'both__delete_file ',
      'both__delete_file\u0000',
      'BOTH__echo',
      'both/echo',
      'echo',
      '__echo',
      '*__echo',
    ]) {
      const { body, headers } = client.asModern('tools/call', { name, arguments: {} }, {});
      const modern = await new HallClient(daemon).post(body, { ...headers, 'mcp-name': inHeader(name) });
      for (const reply of [await client.call(name), modern])
        assert.equal(reply.body.error?.message, `Unknown tool: ${name}`);
    }
    // The first two underscores end the name of the server, which allows itself everything and knows no such tool.
    assert.equal(textOf(await client.call('mine__theirs__echo')), 'Unknown tool: theirs__echo');
    const raw = Buffer.from(daemon.raw());
    assert.deepEqual(
      oracle(
        raw,
        ({ method, target }) =>
          method !== 'tools/call' || ['echo', 'ask_elicitation', 'theirs__echo'].includes(target),
      ),
      [],
    );
    assert.deepEqual(canonicalOutput(raw, { lineBytesMax: 16 * 1024 * 1024, depthMax: 512 }), []);
  });

  it('what the operator switches off is off here, too, and back when it is on again', async () => {
    const client = await HallClient.open(daemon);
    assert.equal(textOf(await client.call('both__echo', { text: 'on' })), 'on');
    await daemon.ctl('disable-tool', 'both/echo');
    assert.equal(
      (await client.call('both__echo', { text: 'x' })).body.error?.message,
      'Unknown tool: both__echo',
    );
    assert.ok(!(await client.names('tools/list', 'tools')).includes('both__echo'));
    await daemon.ctl('enable-tool', 'both/echo');
    assert.equal(textOf(await client.call('both__echo', { text: 'on again' })), 'on again');
  });

  it('the end of a session ends its children, and that of a key its sessions', async () => {
    const before = new Set(daemon.children());
    const client = await HallClient.open(daemon);
    await client.names('tools/list', 'tools');
    const own = daemon.children().filter((pid) => !before.has(pid));
    assert.ok(own.length >= 2, 'a child for each server');
    assert.equal((await client.http('DELETE')).status, 204);
    assert.equal((await client.request('ping')).status, 404);
    await until('its children are gone', () => !own.some(alive));

    const key = await daemon.addKey('leaver');
    daemon.write('servers/both.toml', serving('answers', everything()));
    await daemon.ctl('reload');
    const leaver = await HallClient.open(daemon, key);
    assert.equal(textOf(await leaver.call('both__echo', { text: 'in' })), 'in');
    await daemon.mcpd(['key', 'revoke', 'leaver']);
    assert.equal((await leaver.request('ping')).status, 401);
  });

  it('a server whose configuration changes is there again, without a word from the client', async () => {
    const client = await HallClient.open(daemon);
    assert.equal(textOf(await client.call('mine__echo', { text: 'before' })), 'before');
    daemon.write('servers/mine.toml', serving('answers', `${everything()}[env]\nFX_TOOLS = "brand_new"\n`));
    await daemon.ctl('reload');
    assert.equal(textOf(await client.call('mine__echo', { text: 'after' })), 'after');
    assert.ok((await client.names('tools/list', 'tools')).includes('mine__brand_new'));
  });
});

describe('a server that is slow or down leaves the others alone', () => {
  let daemon: TestDaemon;
  const needs = (daemon: TestDaemon) => join(daemon.dir, 'wanted');
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        ok: serving('answers', everything()),
        slow: serving('slow-start', `start_within = "60s"\n${everything()}[env]\nSTART_MS = "12000"\n`),
        needy: serving('needs-a-file', everything() + '[env]\nNEEDED = "$DIR/wanted"\n'),
      },
      boot: false,
    });
    await daemon.boot().catch(() => undefined);
  });
  after(async () => daemon[Symbol.asyncDispose]());

  it('is named in the listing, and the client is told when it is there', async () => {
    const client = await HallClient.open(daemon);
    const heard: Message[] = [];
    const stop = new AbortController();
    const response = await client.http('GET', undefined, {}, stop.signal);
    const reading = readEvents(response, (message) => heard.push(message)).catch(() => undefined);
    const { body } = await client.request('tools/list');
    const names = (body.result?.['tools'] as { name: string }[]).map(({ name }) => name);
    assert.ok(names.includes('ok__echo'));
    const meta = body.result?.['_meta'] as { 'mcpd/leftOut': Record<string, string> };
    assert.deepEqual(Object.keys(meta['mcpd/leftOut']), ['needy', 'slow']);
    writeFileSync(needs(daemon), '');
    await until(
      'the client is told',
      () => heard.some(({ method }) => method === 'notifications/tools/list_changed'),
      600,
    );
    stop.abort();
    await reading;
  });
});
