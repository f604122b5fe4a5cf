// Several messages at once, where a session speaks the one revision that has them; each is judged as if it came alone.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  answerIn,
  Events,
  everything,
  revisions,
  textOf,
  toolCall,
  Wire,
  type Rpc,
} from '../front/legacy-wire.ts';
import { rawEnv, rule, serving, TestDaemon, until } from '../support/daemon.ts';

const ping = (id: unknown) => ({ jsonrpc: '2.0', id, method: 'ping' });
const note = { jsonrpc: '2.0', method: 'notifications/roots/list_changed' };
const answersIn = async (response: Response): Promise<Rpc[]> => {
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/json');
  const all: unknown = await response.json();
  assert.ok(Array.isArray(all));
  return all as Rpc[];
};
const byId = (all: readonly Rpc[], id: unknown) => all.find((it) => it.id === id);
const refused = async (response: Response, what = ''): Promise<void> => {
  assert.equal(response.status, 400, what);
  const body = (await response.json()) as Rpc;
  assert.deepEqual([body.error?.code, 'id' in body], [-32600, false], what);
};

describe('a batch', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        fx: serving('answers', everything),
        guarded: serving(
          'answers',
          `${rule('allow', ['echo'])}\n${rule('allow', ['read_file'], 'rate = "2/h"')}\n${rawEnv}`,
        ),
      },
    });
  });
  after(() => daemon[Symbol.asyncDispose]());
  const open = (server = 'fx') => Wire.open(daemon, '2025-03-26', { server });

  it('is answered with an answer for each request, and none for the rest', async () => {
    const wire = await open();
    const reply = { jsonrpc: '2.0', id: 's-99', result: {} };
    const all = await answersIn(
      await wire.post([ping(1), note, toolCall('1', 'echo', { text: 'a' }), reply, toolCall(2, 'nothing')]),
    );
    assert.equal(all.length, 3);
    assert.deepEqual(byId(all, 1)?.result, {});
    assert.equal(textOf(byId(all, '1')), 'a');
    assert.equal(byId(all, 2)?.error?.code, -32602);
  });

  it('of one request is answered with an array of one', async () => {
    const wire = await open();
    assert.deepEqual(await answersIn(await wire.post([ping(7)])), [{ jsonrpc: '2.0', id: 7, result: {} }]);
  });

  it('that asks for nothing is accepted without a word', async () => {
    const wire = await open();
    for (const batch of [[note], [note, note], [{ jsonrpc: '2.0', id: 's-1', result: {} }, note]]) {
      const response = await wire.post(batch);
      assert.deepEqual([response.status, await response.text()], [202, '']);
    }
  });

  it('that asks for nothing and holds nothing acceptable is refused', async () => {
    const wire = await open();
    const response = await wire.post([{ jsonrpc: '2.0', method: 'tools/call', params: { name: 'echo' } }]);
    assert.equal(response.status, 400);
  });

  it('carries big numbers and other people’s text as they are', async () => {
    const wire = await open();
    const text = '\u2028 "日本" \\ 9007199254740993';
    const all = await answersIn(
      await wire.post(` \r\n\t[${JSON.stringify(toolCall(1, 'echo', { text }))}] `),
    );
    assert.equal(textOf(all[0]), text);
  });

  it('becomes a stream when something has to be said before its answers, and can be resumed', async () => {
    const wire = await open();
    const batch = [
      toolCall(1, 'progress', { steps: 2 }, { progressToken: 'p' }),
      toolCall(2, 'slow', { ms: 50 }),
    ];
    const seen = await new Events(await wire.post(batch)).rest();
    assert.equal(seen.length, 4);
    assert.equal(textOf(answerIn(seen, 1)), 'done');
    assert.equal(textOf(answerIn(seen, 2)), 'done');
    const rest = await new Events(await wire.get(seen[0]?.id)).rest();
    assert.deepEqual(rest, seen.slice(1));
  });

  it('is allowed or refused message by message, and each message is on record by itself', async () => {
    const wire = await open('guarded');
    const response = await wire.post([
      toolCall(1, 'echo', { text: 'yes' }),
      toolCall(2, 'delete_file', { path: '/' }),
      ...[3, 4, 5].map((id) => toolCall(id, 'read_file', { path: `/${id}` })),
      { jsonrpc: '2.0', id: 6, method: 'sampling/createMessage' },
    ]);
    const header = response.headers.get('mcpd-correlation-id');
    const all = await answersIn(response);
    assert.equal(textOf(byId(all, 1)), 'yes');
    assert.equal(textOf(byId(all, 2)), 'Unknown tool: delete_file');
    const limited = [3, 4, 5].filter((id) => /Too many calls/.test(textOf(byId(all, id))));
    assert.equal(limited.length, 1, 'two of three are within the limit');
    assert.equal(byId(all, 6)?.error?.code, -32601);
    const asked = new Set(['tools/call', 'sampling/createMessage']);
    let records: Record<string, unknown>[] = [];
    await until('each of the six is on record', async () => {
      const found = await daemon.audit('--server', 'guarded', '--caller', 'tester');
      records = found.filter((it) => asked.has(String(it['method'])) && it['outcome'] !== 'unknown');
      return records.length >= 6;
    });
    assert.equal(records.length, 6);
    assert.equal(new Set(records.map((it) => it['id'])).size, 6);
    assert.ok(records.some((it) => it['id'] === header));
    assert.equal(
      daemon.raw().match(/"delete_file"|"sampling\/createMessage"/),
      null,
      'the child never hears of it',
    );
    assert.equal(daemon.raw().match(/"read_file"/g)?.length, 2);
  });

  it('is refused whole, and nothing of it is done, when a part of it is wrong', async () => {
    const wire = await open('guarded');
    const mine = `in a bad batch`;
    const good = toolCall(1, 'echo', { text: mine });
    for (const [what, batch] of [
      ['empty', []],
      ['initialize', [good, { jsonrpc: '2.0', id: 2, method: 'initialize', params: {} }]],
      ['the same id twice', [good, ping(1)]],
      ['a batch in a batch', [good, [ping(2)]]],
      ['no message', [good, 1]],
      ['null', [good, null]],
      ['no JSON-RPC', [good, { id: 2, method: 'ping' }]],
      ['a null id', [good, ping(null)]],
      ['a member that looks alike', [good, { ...ping(2), Method: 'tools/call' }]],
      ['a hundred and one', [good, ...Array.from({ length: 100 }, (_, at) => ping(at + 2))]],
      [
        'a modern message',
        [
          good,
          { ...ping(2), params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } } },
        ],
      ],
    ] as const)
      await refused(await wire.post(batch), what);
    const twice = `[${JSON.stringify(good)},{"jsonrpc":"2.0","id":2,"id":3,"method":"ping"}]`;
    for (const broken of [twice, `[${JSON.stringify(good)}`, `[${JSON.stringify(good)},]`, '[', '[]]']) {
      const response = await wire.post(broken);
      assert.equal(response.status, 400, broken.slice(-20));
      assert.equal(((await response.json()) as Rpc).error?.code, -32700, broken.slice(-20));
    }
    assert.ok(!daemon.raw().includes(mine));
  });

  it('of a hundred is taken', async () => {
    const wire = await open();
    const ids = Array.from({ length: 100 }, (_, at) => at);
    const all = await answersIn(await wire.post(ids.map(ping)));
    assert.deepEqual(
      all.map(({ id }) => Number(id)).sort((a, b) => a - b),
      ids,
    );
  });

  it('may cancel what it began', async () => {
    const wire = await open();
    const all = await answersIn(
      await wire.post([
        toolCall('long', 'slow', { ms: 60_000 }),
        { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'long' } },
        ping(2),
      ]),
    );
    assert.equal(byId(all, 'long')?.error?.code, 1499);
  });

  it('does not take an id that another request of the session still waits with', async () => {
    const wire = await open();
    const slow = wire.call('same', 'slow', { ms: 800 });
    await until('it is under way', async () => (await daemon.status('fx')).inFlight > 0);
    const all = await answersIn(await wire.post([ping('same'), ping(2)]));
    assert.equal(byId(all, 'same')?.error?.code, -32600);
    assert.deepEqual(byId(all, 2)?.result, {});
    assert.equal(textOf((await (await slow).json()) as Rpc), 'done');
  });

  for (const revision of revisions.filter((it) => it !== '2025-03-26')) {
    it(`is refused in a session of ${revision}, and on record`, async () => {
      const wire = await Wire.open(daemon, revision);
      const response = await wire.post([ping(1)]);
      const id = response.headers.get('mcpd-correlation-id');
      await refused(response);
      await until('it is on record', () =>
        daemon
          .journal()
          .some((it) => it['id'] === id && it['caller'] === 'tester' && it['error'] === 'BAD_MESSAGE'),
      );
    });
  }

  it('is refused without a session, and in somebody else’s', async () => {
    const wire = await open();
    await refused(await wire.post([ping(1)], { 'mcp-session-id': undefined }));
    await refused(await wire.post([ping(1)], { 'mcp-session-id': 'A'.repeat(32) }));
    const key = await daemon.addKey('batch-mallory');
    const stranger = new Wire(daemon, 'fx', key, wire.id, '2025-03-26');
    await refused(await stranger.post([ping(1)]));
    await refused(await wire.post([{ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} }]));
  });

  it('does not stop the daemon, however it is made', async () => {
    const wire = await open();
    const size = 4 * 1024 * 1024 - 1024;
    for (const body of [
      `[${'1,'.repeat(size / 2)}1]`,
      `[${'[],'.repeat(size / 3)}[]]`,
      `[${'{},'.repeat(size / 3)}{}]`,
      '['.repeat(size),
      `[${' '.repeat(size)}]`,
    ])
      assert.equal((await wire.post(body)).status, 400);
    assert.deepEqual(await answersIn(await wire.post([ping(1)])), [{ jsonrpc: '2.0', id: 1, result: {} }]);
  });
});
