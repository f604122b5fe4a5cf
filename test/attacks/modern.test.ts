import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonObject } from '../../src/domain/message.ts';
import { metaKeys } from '../../src/protocol/era.ts';
import {
  allowAll,
  asks,
  assertClean,
  Caller,
  callsOf,
  form,
  heardBy,
  playedBy,
  puppetToml,
  startPuppets,
  type Step,
  type Told,
} from '../rounds/caller.ts';
import { until, type TestDaemon } from '../support/daemon.ts';
import { exchange, postText, type RawReply } from '../support/raw-http.ts';
import { order } from './reference.ts';

const onlyPlay = ({ method, target }: { method: string; target: string }) =>
  method !== 'tools/call' || target === 'play' || target === 'marked';
const declaring = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
const marked = JSON.stringify([
  { name: 'play', inputSchema: { type: 'object' } },
  {
    name: 'marked',
    inputSchema: {
      type: 'object',
      properties: {
        region: { type: 'string', 'x-mcp-header': 'Region' },
        where: { type: 'object', properties: { deep: { type: 'integer', 'x-mcp-header': 'Deep' } } },
      },
    },
  },
]);

/** A POST of a modern request with exactly these headers. */
async function raw(
  daemon: TestDaemon,
  headers: readonly string[],
  params: JsonObject,
  method = 'tools/call',
): Promise<RawReply & { code: number | undefined }> {
  const meta = { [metaKeys.version]: '2026-07-28', [metaKeys.capabilities]: {} };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { _meta: meta, ...params } });
  const { replies } = await exchange(
    daemon.port,
    [
      'POST /servers/new/mcp HTTP/1.1',
      `Host: 127.0.0.1:${daemon.port}`,
      'Connection: close',
      `Authorization: Bearer ${daemon.key}`,
      'Content-Type: application/json',
      'Accept: application/json, text/event-stream',
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...headers,
      '',
      body,
    ].join('\r\n'),
  );
  const [reply] = replies;
  assert.ok(reply !== undefined, 'no response');
  const { error } = (reply.body === '' ? {} : JSON.parse(reply.body)) as { error?: { code: number } };
  return { ...reply, code: error?.code };
}

describe('headers that say something else than the message', () => {
  const version = 'MCP-Protocol-Version: 2026-07-28';
  const method = 'Mcp-Method: tools/call';
  const name = 'Mcp-Name: play';
  const play = { name: 'play', arguments: {} };

  it('are refused, whichever they are, and nothing reaches the child', async () => {
    const { daemon } = await startPuppets({ new: puppetToml('new', 'modern', allowAll) });
    await using _ = daemon;
    const wrong: [string, string[]][] = [
      ['no version', [method, name]],
      ['an old version', ['MCP-Protocol-Version: 2025-11-25', method, name]],
      ['two versions', [version, 'MCP-Protocol-Version: 2025-11-25', method, name]],
      ['the version twice', [version, version, method, name]],
      ['no method', [version, name]],
      ['another method', [version, 'Mcp-Method: tools/list', name]],
      ['the method in capitals', [version, 'Mcp-Method: TOOLS/CALL', name]],
      ['two methods', [version, 'Mcp-Method: tools/list', method, name]],
      ['no name', [version, method]],
      ['another name', [version, method, 'Mcp-Name: denied']],
      ['two names', [version, method, name, 'Mcp-Name: denied']],
      ['the name twice', [version, method, name, name]],
      ['the name in capitals', [version, method, 'Mcp-Name: PLAY']],
      ['a name with more behind it', [version, method, 'Mcp-Name: play;denied']],
      ['a name in sloppy base64', [version, method, 'Mcp-Name: =?base64?cGxheQ?=']],
      ['another name in base64', [version, method, 'Mcp-Name: =?base64?ZGVuaWVk?=']],
      ['a name with a byte beyond ASCII', [version, method, 'Mcp-Name: play\u00a0']],
    ];
    for (const [what, headers] of wrong) {
      const reply = await raw(daemon, headers, play);
      // A header that stands twice is turned away before anybody compares it.
      const code = /^two|twice$/.test(what) ? -32600 : -32020;
      assert.deepEqual([reply.status, reply.code], [400, code], what);
    }
    assert.deepEqual(callsOf(daemon, 'new'), []);
    assert.equal((await raw(daemon, [version, method, name], play)).status, 200);
    assert.equal((await raw(daemon, [version, method, 'Mcp-Name: =?base64?cGxheQ==?='], play)).status, 200);
    assert.equal(callsOf(daemon, 'new').length, 2);
    assertClean(daemon, 'new', onlyPlay);
  });

  it('are refused where they repeat arguments, also those that stand deep', async () => {
    const { daemon } = await startPuppets({
      new: puppetToml('new', 'modern', allowAll, '', { PUPPET_TOOLS: marked }),
    });
    await using _ = daemon;
    const ask = { name: 'marked', arguments: { region: 'eu', where: { deep: 7 } } };
    const base = [version, method, 'Mcp-Name: marked'];
    const right = ['Mcp-Param-Region: eu', 'Mcp-Param-Deep: 7'];
    const wrong: [string, string[]][] = [
      ['none of them', []],
      ['one of them', right.slice(0, 1)],
      ['another value', ['Mcp-Param-Region: us', 'Mcp-Param-Deep: 7']],
      ['another number', ['Mcp-Param-Region: eu', 'Mcp-Param-Deep: 8']],
      ['a number in another dress', ['Mcp-Param-Region: eu', 'Mcp-Param-Deep: 0x7']],
      ['a number with a zero before it', ['Mcp-Param-Region: eu', 'Mcp-Param-Deep: 07']],
      ['two values', ['Mcp-Param-Region: us', ...right]],
      ['two values, the right one first', [...right, 'Mcp-Param-Region: us']],
      ['bytes beyond ASCII', ['Mcp-Param-Region: \u00c3\u00a9u', 'Mcp-Param-Deep: 7']],
      ['base64 that is not UTF-8', ['Mcp-Param-Region: =?base64?/w==?=', 'Mcp-Param-Deep: 7']],
    ];
    for (const [what, headers] of wrong) {
      const reply = await raw(daemon, [...base, ...headers], ask);
      assert.deepEqual([reply.status, reply.code], [400, -32020], what);
    }
    const absent = { name: 'marked', arguments: { region: 'eu', where: {} } };
    assert.equal((await raw(daemon, [...base, ...right], absent)).code, -32020);
    const large = `{"region":"eu","where":{"deep":9007199254740993}}`;
    const huge = await raw(daemon, [...base, 'Mcp-Param-Region: eu', 'Mcp-Param-Deep: 9007199254740992'], {
      name: 'marked',
      arguments: JSON.parse(large) as JsonObject,
    });
    assert.equal(huge.code, -32020);
    assert.deepEqual(callsOf(daemon, 'new'), []);
    const reply = await raw(daemon, [...base, ...right], ask);
    assert.deepEqual([reply.status, callsOf(daemon, 'new').length], [200, 1], reply.body);
    assert.equal(
      (await raw(daemon, [...base, 'Mcp-Param-Region: =?base64?ZXU=?=', 'Mcp-Param-Deep: 7.0'], ask)).status,
      200,
    );
  });

  it('tell nobody whether a hidden tool exists', async () => {
    const rules = allowAll.replace('tools = ["*"]', 'tools = ["play"]');
    const { daemon } = await startPuppets({
      new: puppetToml('new', 'modern', rules, '', { PUPPET_TOOLS: marked }),
    });
    await using _ = daemon;
    const ask = (tool: string) =>
      raw(daemon, [version, method, `Mcp-Name: ${tool}`], { name: tool, arguments: { region: 'eu' } });
    const [hidden, unknown] = [await ask('marked'), await ask('nothing')];
    assert.equal(
      hidden.body.replace('marked', 'nothing').replace(/[0-9a-f-]{36}/g, ''),
      unknown.body.replace(/[0-9a-f-]{36}/g, ''),
    );
  });

  it('are no help to a message that hides what it is', async () => {
    const { daemon } = await startPuppets({ new: puppetToml('new', 'modern', allowAll) });
    await using _ = daemon;
    const modern = { [metaKeys.version]: '2026-07-28', [metaKeys.capabilities]: {} };
    const hidden: JsonObject[] = [
      { ...play, _meta: {} },
      { ...play, _meta: { deeper: modern } },
      { name: 'play', arguments: { _meta: modern }, _meta: {} },
      { ...play, _meta: { ...modern, [metaKeys.version]: ['2026-07-28'] } },
      { ...play, _meta: { ...modern, [metaKeys.capabilities]: [] } },
      { ...play, _meta: { ...modern, [metaKeys.capabilities]: null } },
    ];
    for (const params of hidden) {
      const reply = await raw(daemon, [version, method, name], params);
      assert.deepEqual([reply.status, reply.code], [400, -32602], JSON.stringify(params));
    }
    const future = { ...play, _meta: { ...modern, [metaKeys.version]: '2031-01-01' } };
    assert.equal(
      (await raw(daemon, ['MCP-Protocol-Version: 2031-01-01', method, name], future)).code,
      -32022,
    );
    assert.deepEqual(callsOf(daemon, 'new'), []);
  });

  it('of the modern era make no batch of it', async () => {
    const { daemon } = await startPuppets({ new: puppetToml('new', 'modern', allowAll) });
    await using _ = daemon;
    const one = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { ...play, _meta: { [metaKeys.version]: '2026-07-28', [metaKeys.capabilities]: {} } },
    };
    const headers = {
      Connection: 'close',
      Authorization: `Bearer ${daemon.key}`,
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/call',
      'Mcp-Name': 'play',
    };
    const { replies } = await exchange(
      daemon.port,
      postText('/servers/new/mcp', daemon.port, headers, JSON.stringify([one])),
    );
    assert.equal(replies[0]?.status, 400);
    assert.deepEqual(callsOf(daemon, 'new'), []);
  });
});

const someResources = `
[[rule]]
name = "calls"
verdict = "allow"
tools = ["play"]
resources = ["file:///pub/**"]
upcalls = ["*"]
`;

describe('streams of changes', () => {
  const updated = (uri: string, more: JsonObject = {}): Step => ({
    send: { method: 'notifications/resources/updated', params: { uri, ...more } },
  });
  const onStream = { _meta: { [metaKeys.subscription]: '$LISTEN' } };

  for (const name of ['old', 'new'] as const)
    it(`tell nothing of resources that their reader may not have, before ${name === 'old' ? 'a legacy' : 'a modern'} child`, async () => {
      const { daemon } = await startPuppets({
        [name]: puppetToml(name, name === 'old' ? 'legacy' : 'modern', someResources),
      });
      await using _ = daemon;
      const ann = new Caller(daemon, name);
      for (const uris of [
        ['file:///secret'],
        ['file:///pub/a', 'file:///secret'],
        ['file:///pub/../secret'],
      ]) {
        const told = await ann.send('subscriptions/listen', {
          notifications: { resourceSubscriptions: uris },
        });
        assert.equal(told.error?.code, -32602, JSON.stringify(uris));
      }
      assert.doesNotMatch(JSON.stringify(heardBy(daemon, name)), /secret|file:/);

      const heard: JsonObject[] = [];
      const reading = new AbortController();
      const filter = { toolsListChanged: true, resourceSubscriptions: ['file:///pub/a'] };
      const stream = ann
        .send(
          'subscriptions/listen',
          { notifications: filter },
          { id: 'mine', signal: reading.signal, capabilities: {}, onEvent: (it) => heard.push(it) },
        )
        .catch(() => undefined);
      await until('the stream is open', () => heard.length === 1);
      const more = name === 'new' ? onStream : {};
      const log: Step = {
        send: { method: 'notifications/message', params: { level: 'emergency', data: 'log', ...more } },
      };
      const steps = [
        updated('file:///secret', more),
        updated('file:///pub/a/../../secret', more),
        log,
        updated('file:///pub/a', more),
        { wait: 20 },
      ];
      await (name === 'old'
        ? ann.play(steps, {}, { capabilities: {} })
        : ann.rounds([steps], {}, { capabilities: {} }));
      await until('the news came', () => heard.length === 2);
      assert.deepEqual(heard[1], {
        jsonrpc: '2.0',
        method: 'notifications/resources/updated',
        params: { uri: 'file:///pub/a', _meta: { [metaKeys.subscription]: 'mine' } },
      });
      reading.abort();
      await stream;
      await until('the child was told that nobody listens', () =>
        heardBy(daemon, name).some(
          ({ method }) => method === 'resources/unsubscribe' || method === 'notifications/cancelled',
        ),
      );
      assertClean(
        daemon,
        name,
        ({ method, target }) => method !== 'resources/subscribe' || target === 'file:///pub/a',
      );
    });

  it('of one caller hear nothing of another’s child, and end when the operator says so', async () => {
    const { daemon, bob } = await startPuppets({ new: puppetToml('new', 'modern', allowAll) });
    await using _ = daemon;
    const heard: JsonObject[] = [];
    const listen = new Caller(daemon, 'new').send(
      'subscriptions/listen',
      { notifications: { toolsListChanged: true } },
      { onEvent: (it) => heard.push(it) },
    );
    await until('the stream is open', () => heard.length === 1);
    const changed: Step = { send: { method: 'notifications/tools/list_changed', params: onStream } };
    // Bob's child knows no such stream, and guesses.
    const guesses = Array.from({ length: 50 }, (_each, id): Step => ({
      send: {
        method: 'notifications/tools/list_changed',
        params: { _meta: { [metaKeys.subscription]: id } },
      },
    }));
    playedBy(await new Caller(daemon, 'new', bob).rounds([[changed, ...guesses, { wait: 10 }]]));
    assert.equal(heard.length, 1);
    await order(daemon, 'lockdown', { now: true });
    const ended: Told = await listen;
    assert.ok(ended.error !== undefined);
  });
});

describe('log lines', () => {
  it('never arrive where no level was asked for, by whatever way a child sends them', async () => {
    const { daemon } = await startPuppets({
      old: puppetToml('old', 'legacy', allowAll),
      new: puppetToml('new', 'modern', allowAll),
    });
    await using _ = daemon;
    const line = (level: string): Step => ({
      send: {
        method: 'notifications/message',
        params: { level, data: level, logger: 'l', _meta: { progressToken: '$TOKEN' } },
      },
    });
    const lines = [line('debug'), line('emergency'), { wait: 10 }];
    for (const name of ['old', 'new']) {
      const ann = new Caller(daemon, name);
      const say = (how: object) => (name === 'old' ? ann.play(lines, {}, how) : ann.rounds([lines], {}, how));
      for (const capabilities of [{}, { elicitation: {} }])
        assert.deepEqual((await say({ capabilities })).events, [], name);
      const told = await say({ meta: { [metaKeys.logLevel]: 'error' } });
      assert.deepEqual(
        told.events.map(({ params }) => (params as JsonObject)['data']),
        ['emergency'],
        name,
      );
      // A level that is none asks for nothing.
      assert.deepEqual((await say({ meta: { [metaKeys.logLevel]: 'everything' } })).events, [], name);
    }
  });
});

describe('tasks', () => {
  const task = (taskId: string): Step => ({ result: { resultType: 'task', taskId, status: 'working' } });

  it('of one caller are no other’s, even on a child that both share', async () => {
    const { daemon, bob } = await startPuppets({
      new: puppetToml('new', 'modern', allowAll, 'sharing = "all"'),
    });
    await using _ = daemon;
    const how = { capabilities: declaring };
    const [ann, thief] = [new Caller(daemon, 'new'), new Caller(daemon, 'new', bob)];
    assert.equal((await ann.rounds([[task('t-1')]], {}, how)).result?.['taskId'], 't-1');
    // mcpd itself listens, to news of the tools.
    const heard = () =>
      heardBy(daemon, 'new').filter((it) => /"tasks\/|taskIds/.test(JSON.stringify(it))).length;
    for (const method of ['tasks/get', 'tasks/cancel', 'tasks/update']) {
      const told = await thief.send(method, { taskId: 't-1' }, how);
      assert.deepEqual([told.error?.code, told.error?.message], [-32602, 'There is no such task.']);
      const unknown = await thief.send(method, { taskId: 'nobody’s' }, how);
      assert.deepEqual(unknown.error?.message, told.error?.message);
    }
    for (const taskIds of [['t-1'], ['other', 't-1'], 't-1', { 0: 't-1' }, [['t-1']], [null]]) {
      const told = await thief.send(
        'subscriptions/listen',
        { notifications: { taskIds } as JsonObject },
        how,
      );
      assert.equal(told.error?.code, -32602, JSON.stringify(taskIds));
    }
    assert.equal(heard(), 0);
    // Whoever does not declare the extension cannot know what a task is.
    assert.equal((await ann.send('tasks/get', { taskId: 't-1' })).error?.code, -32021);
    assert.equal((await ann.send('tasks/get', { taskId: 't-1' }, how)).result?.['taskId'], 't-1');
    assert.equal(heard(), 1);
    assertClean(daemon, 'new', onlyPlay);
  });

  it('end for their caller with the tool that they came of', async () => {
    const { daemon } = await startPuppets({ new: puppetToml('new', 'modern', allowAll) });
    await using _ = daemon;
    const how = { capabilities: declaring };
    const ann = new Caller(daemon, 'new');
    await ann.rounds([[task('t-1')]], {}, how);
    await order(daemon, 'disable-tool', { tool: 'new/play' });
    assert.equal(
      (await ann.send('tasks/get', { taskId: 't-1' }, how)).error?.message,
      'There is no such task.',
    );
    assert.deepEqual(
      heardBy(daemon, 'new').filter(({ method }) => method === 'tasks/get'),
      [],
    );
  });
});

describe('what may be cached', () => {
  const asked: readonly (readonly [string, JsonObject])[] = [
    ['server/discover', {}],
    ['tools/list', {}],
    ['prompts/list', {}],
    ['resources/list', {}],
    ['resources/templates/list', {}],
    ['resources/read', { uri: 'file:///a' }],
  ];
  const scopeFor = async (
    caller: Caller,
    [method, params]: (typeof asked)[number],
    how = {},
  ): Promise<unknown> => (await caller.send(method, params, how)).result?.['cacheScope'];

  it('is private for whoever shows a credential: another one of the same name may open less', async () => {
    const { daemon } = await startPuppets({ open: puppetToml('open', 'modern', allowAll) });
    await using _ = daemon;
    for (const what of asked)
      assert.equal(await scopeFor(new Caller(daemon, 'open'), what), 'private', what[0]);
  });

  it('is private where the policy names callers, and as the server said where it names none', async () => {
    const named = `${allowAll}\n${allowAll.replace('everything', 'named').replace('verdict', 'callers = ["tester"]\nverdict')}`;
    const { daemon } = await startPuppets(
      { new: puppetToml('new', 'modern', named), open: puppetToml('open', 'modern', allowAll) },
      { daemon: '[callers]\nwithout_key = "anyone on this machine may call"\n' },
    );
    await using _ = daemon;
    const scope = (server: string, what: (typeof asked)[number]) =>
      scopeFor(new Caller(daemon, server), what, { headers: { authorization: undefined } });
    for (const what of asked)
      assert.deepEqual([await scope('new', what), await scope('open', what)], ['private', 'public'], what[0]);
  });
});

describe('a hostile child of the modern era', () => {
  it('asks nothing by the shape of its questions that it may not ask by their names', async () => {
    const { daemon } = await startPuppets({
      new: puppetToml(
        'new',
        'modern',
        someResources.replace('upcalls = ["*"]', 'upcalls = ["elicitation/create"]'),
      ),
    });
    await using _ = daemon;
    const ann = new Caller(daemon, 'new');
    const model = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } };
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_each, n) => [`q${n}`, form]));
    const large = { a: { ...form, params: { message: 'x'.repeat(2_000_000) } } };
    const bad: [string, Step][] = [
      ['a list', asks([model])],
      ['a text', asks('sampling/createMessage')],
      ['ten thousand', asks(many)],
      ['a denied one', asks({ a: form, b: model })],
      ['one without a method', asks({ a: { params: {} } })],
      ['one whose params are a list', asks({ a: { method: 'elicitation/create', params: [] } })],
      ['one in disguise', asks({}, { InputRequests: { a: model } })],
      ['one in a disguise that Unicode knows', asks({}, { 'inputReque\u017fts': { a: model } })],
      ['two methods in one', asks({ a: { ...form, METHOD: 'sampling/createMessage' } })],
      ['one that no client can be asked', asks({ a: { method: 'tools/call', params: { name: 'play' } } })],
      [
        'an error that opens a script',
        {
          error: {
            code: -32042,
            message: 'm',
            data: { elicitations: [{ mode: 'url', url: 'javascript:alert(1)' }] },
          },
        },
      ],
    ];
    for (const [what, step] of bad) {
      const told = await ann.rounds([[step]]);
      assert.ok(
        told.result?.['isError'] === true,
        `${what}: ${JSON.stringify(told.result ?? told.error).slice(0, 300)}`,
      );
      assert.doesNotMatch(
        JSON.stringify(told.result),
        /inputReque|sampling\/createMessage"|javascript/i,
        what,
      );
    }
    const fine = await ann.rounds([[asks(large)]]);
    assert.equal(JSON.stringify(fine.result?.['inputRequests']).length > 2_000_000, true);
    assert.ok(playedBy(await ann.rounds([[]])).pid);
  });

  it('has states that are no strings, or too long, as faults of its own', async () => {
    const { daemon } = await startPuppets({ new: puppetToml('new', 'modern', allowAll) });
    await using _ = daemon;
    const ann = new Caller(daemon, 'new');
    for (const requestState of [7, {}, ['s'], true, null, 'x'.repeat(1_100_000)])
      assert.equal(
        (await ann.rounds([[asks({ a: form }, { requestState })]])).error?.code,
        1505,
        typeof requestState,
      );
    // Types of result that nobody knows are for the client to judge.
    for (const resultType of ['nonsense', '', 7, null, ['input_required']]) {
      const told = await ann.rounds([[{ result: { resultType, content: [] } }]]);
      assert.deepEqual(told.result?.['resultType'], resultType);
    }
  });

  it('can ask nobody anything in a message of its own, and gets no caller’s token or id', async () => {
    const { daemon } = await startPuppets({ new: puppetToml('new', 'modern', allowAll) });
    await using _ = daemon;
    const asking = ['elicitation/create', 'sampling/createMessage', 'roots/list', 'ping', 'tools/call'].map(
      (method) => ({ ask: { method, params: {} } }),
    );
    const told = await new Caller(daemon, 'new').rounds(
      [[...asking, { replies: asking.length }]],
      {},
      { id: 'secret-id', meta: { progressToken: 'secret-token' } },
    );
    assert.deepEqual(told.events, []);
    assert.deepEqual(
      playedBy(told).replies.filter(({ result }) => result !== undefined).length,
      1,
      'only a ping is answered',
    );
    assert.doesNotMatch(JSON.stringify(heardBy(daemon, 'new')), /secret-/);
  });

  it('that lies about what it speaks serves nobody, and says why to the operator', async () => {
    for (const lie of ['[]', '{"0":"2026-07-28"}']) {
      const { daemon } = await startPuppets({
        new: puppetToml('new', 'modern', allowAll, 'start_within = "2s"', { PUPPET_VERSIONS: lie }),
      });
      await using _ = daemon;
      const told = await new Caller(daemon, 'new').rounds([[]]);
      assert.equal(told.error?.code, 1502, lie);
      assert.deepEqual(callsOf(daemon, 'new'), []);
    }
  });

  it('cannot answer another call than the one that it was given', async () => {
    const { daemon, bob } = await startPuppets({
      new: puppetToml('new', 'modern', allowAll, 'sharing = "all"'),
    });
    await using _ = daemon;
    const forge = Array.from({ length: 200 }, (_each, id): Step => ({
      raw: JSON.stringify({ jsonrpc: '2.0', id: String(id), result: { forged: true } }),
    }));
    const waiting = new Caller(daemon, 'new', bob).rounds([[{ wait: 150 }]]);
    await until('bob’s call is there', () => callsOf(daemon, 'new').length === 1);
    playedBy(await new Caller(daemon, 'new').rounds([[...forge]]));
    assert.equal(playedBy(await waiting).replies.length, 0);
  });
});

describe('a hostile child of the legacy era', () => {
  it('that answers like a modern one gets no more than it would as it is', async () => {
    const { daemon } = await startPuppets({
      old: puppetToml('old', 'legacy', someResources.replace('upcalls = ["*"]', '')),
    });
    await using _ = daemon;
    const ann = new Caller(daemon, 'old');
    const denied = await ann.play([asks({ a: form }, { requestState: '1' })]);
    assert.equal(denied.result?.['isError'], true);
    assert.doesNotMatch(JSON.stringify(denied.result), /inputRequests/);
    const task = await ann.play(
      [{ result: { resultType: 'task', taskId: 't', status: 'working' } }],
      {},
      { capabilities: declaring },
    );
    assert.equal(
      (await ann.send('tasks/get', { taskId: 't' }, { capabilities: declaring })).error?.code,
      -32601,
      JSON.stringify(task.result),
    );
    assert.deepEqual(
      heardBy(daemon, 'old').filter(({ method }) => method === 'tasks/get'),
      [],
    );
  });

  it('that asks without end, twice under one id, or after its answer, stays within bounds and keeps serving', async () => {
    const { daemon } = await startPuppets({ old: puppetToml('old', 'legacy', allowAll) });
    await using _ = daemon;
    const ann = new Caller(daemon, 'old');
    const flood = Array.from({ length: 3_000 }, (): Step => ({ ask: { method: 'roots/list' } }));
    const told = await ann.play([...flood, { replies: 2_000 }, { result: { content: [] } }]);
    if (told.result?.['resultType'] === 'input_required')
      assert.ok(Object.keys(told.result['inputRequests'] as JsonObject).length <= 16);
    const twice = [
      { ask: { method: 'roots/list' }, as: 'same' },
      { ask: { method: 'elicitation/create', params: { message: 'other' } }, as: 'same' },
      { replies: 2 },
    ];
    const asked = await ann.play(
      twice,
      {},
      { meta: { [metaKeys.client]: { name: 'second', version: '1' } } },
    );
    assert.deepEqual(Object.values(asked.result?.['inputRequests'] as JsonObject), [
      { method: 'roots/list' },
    ]);
    await ann.play(
      [{ result: { content: [] } }, { ask: { method: 'roots/list' }, as: 'too-late' }],
      {},
      { capabilities: {} },
    );
    await until('the late question is refused', () =>
      heardBy(daemon, 'old').some(({ id, error }) => id === 'too-late' && error !== undefined),
    );
    assert.ok(playedBy(await ann.play([], {}, { capabilities: {} })).pid);
    assertClean(daemon, 'old', onlyPlay);
  });
});
