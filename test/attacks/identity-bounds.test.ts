// A key that is bounded to one tool of one server is tried at everything else, by every road.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { say } from '../eras/raw.ts';
import { initialize, post, rule, serving, TestDaemon, type TestSession } from '../support/daemon.ts';

const open = rule(
  'allow',
  ['*'],
  'resources = ["**"]\nprompts = ["*"]\nmethods = ["vendor/*"]\nupcalls = ["*"]',
);
const tapped = (name: string) => `sharing = "all"\n[env]\nFX_RAW = "$DIR/${name}.raw"\n${open}`;

describe('a key for one tool of one server', () => {
  let daemon: TestDaemon;
  let key: string;
  let id: string;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { one: serving('answers', tapped('one')), two: serving('answers', tapped('two')) },
      daemon: '[profiles]\nboth = ["one", "two"]\nother = ["two"]\n',
    });
    const { stdout } = await daemon.mcpd([
      'key',
      'add',
      'narrow',
      '--server',
      'one',
      '--tool',
      'one/read_file',
      '--json',
    ]);
    ({ key, id } = JSON.parse(stdout) as { key: string; id: string });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  const heard = (server: string): string => {
    const file = join(daemon.dir, `${server}.raw`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  const forbidden = (server: string): string[] =>
    heard(server)
      .split('\n')
      .filter((it) => it.includes('canary-'));
  const tries: readonly (readonly [method: string, params: Record<string, unknown>])[] = [
    ['tools/call', { name: 'write_file', arguments: { path: 'canary-1' } }],
    ['tools/call', { name: 'READ_FILE', arguments: { path: 'canary-2' } }],
    ['tools/call', { name: 'read_file ', arguments: { path: 'canary-3' } }],
    ['tools/call', { name: 'two__read_file', arguments: { path: 'canary-4' } }],
    ['tools/call', { name: 'one__write_file', arguments: { path: 'canary-5' } }],
    ['tools/call', { name: '../two/read_file', arguments: { path: 'canary-6' } }],
    ['tools/Call', { name: 'read_file', arguments: { path: 'canary-7' } }],
    ['resources/read', { uri: 'file:///canary-8' }],
    ['resources/subscribe', { uri: 'file:///canary-9' }],
    ['prompts/get', { name: 'canary-10' }],
    [
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'canary-11' }, argument: { name: 'a', value: 'b' } },
    ],
    ['vendor/canary-12', {}],
    ['tasks/get', { taskId: 'canary-13' }],
    ['subscriptions/listen', { notifications: { resourceSubscriptions: ['file:///canary-14'] } }],
  ];

  /** In the hall, with the names and addresses that it gives to things. */
  const inHall = async (method: string, params: object, query = ''): Promise<string> => {
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    const send = (body: object, session?: string) =>
      fetch(`${daemon.url}/mcp${query}`, {
        method: 'POST',
        headers: { ...headers, ...(session === undefined ? {} : { 'mcp-session-id': session }) },
        body: JSON.stringify(body),
      });
    const session = (await send(initialize())).headers.get('mcp-session-id') ?? undefined;
    return (await send({ jsonrpc: '2.0', id: 2, method, params }, session)).text();
  };

  it('reaches nothing else at its server’s own address, in either era', async () => {
    const session: TestSession = await daemon.session('one', { key });
    for (const [method, params] of tries) {
      const { body } = await session.request(method, params);
      assert.ok(body.error !== undefined || body.result?.['isError'] === true, method);
      const told = await say(daemon, 'one', method, params, { key });
      assert.ok(told.error !== undefined || told.result?.['isError'] === true, `modern ${method}`);
    }
    assert.deepEqual([...forbidden('one'), ...forbidden('two')], []);
    assert.match(await session.text('read_file', { path: 'mine' }), /content of mine/);
  });

  it('reaches nothing else in the hall, by whatever name', async () => {
    for (const [method, params] of tries)
      for (const query of ['', '?servers=one', '?profile=both']) await inHall(method, params, query);
    assert.deepEqual([...forbidden('one'), ...forbidden('two')], []);
    assert.match(await inHall('tools/list', {}), /read_file/);
  });

  it('is told of nothing else: in listings, in the status, in errors', async () => {
    const session = await daemon.session('one', { key });
    const listings = await Promise.all(
      ['tools/list', 'resources/list', 'resources/templates/list', 'prompts/list'].map(async (method) => [
        JSON.stringify((await session.request(method)).body),
        await inHall(method, {}),
      ]),
    );
    const ready = await fetch(`${daemon.url}/readyz`, { headers: { authorization: `Bearer ${key}` } });
    const told = [...listings.flat(), await ready.text()].join('\n');
    for (const hidden of ['write_file', 'two', 'secret.txt', 'danger', 'file:///pub'])
      assert.ok(!told.includes(hidden), hidden);
    const errors = await Promise.all(
      ['?servers=two', '?servers=none', '?profile=other', '?profile=none'].map(async (query) =>
        (await inHall('ping', {}, query))
          .replace(/two|none|other/g, 'X')
          .replace(/"correlationId":"[^"]*"/, ''),
      ),
    );
    assert.equal(errors[0], errors[1]);
    assert.equal(errors[2], errors[3]);
    const [hidden, none] = await Promise.all(
      ['two', 'none'].map((it) => post(daemon, it, key, undefined, initialize())),
    );
    assert.deepEqual([hidden?.status, hidden?.body.error?.code], [none?.status, none?.body.error?.code]);
  });

  it('is on record with its own id, also for what it was refused in the hall', async () => {
    const records = (await daemon.audit('--since', '1h')).filter(({ caller }) => caller === 'narrow');
    assert.ok(records.length > tries.length);
    assert.ok(records.every(({ via }) => via === `key ${id}`));
    assert.ok(records.every(({ remote }) => remote === '127.0.0.1'));
  });
});
