// What a message of one era gains and loses on its way into the other, as it stands on the wire.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestDaemon } from '../support/daemon.ts';
import { say } from './raw.ts';
import { rowOf, serve } from './table.ts';

const serverKey = 'io.modelcontextprotocol/serverInfo';
const page = { name: 'ask', arguments: { what: 'page' } };

describe('the form of a message', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        legacy: serve(rowOf('legacy only')),
        modern: serve(rowOf('modern only', 'modern')),
      },
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  it('a legacy server’s result, for a modern client: says its type and whose it is, and may not be cached', async () => {
    const serverInfo = { name: 'legacy-only', version: '1.0.0' };
    for (const [method, params] of [
      ['tools/list', {}],
      ['prompts/list', {}],
      ['resources/list', {}],
      ['resources/templates/list', {}],
      ['resources/read', { uri: 'note://open' }],
    ] as const) {
      const { result } = await say(daemon, 'legacy', method, params);
      const { resultType, ttlMs, cacheScope, _meta } = result ?? {};
      const expected = ['complete', 0, 'private', { [serverKey]: serverInfo }];
      assert.deepEqual([resultType, ttlMs, cacheScope, _meta], expected, method);
    }
    const { result } = await say(daemon, 'legacy', 'tools/call', { name: 'echo', arguments: { text: 'it' } });
    assert.deepEqual(result, {
      content: [{ type: 'text', text: 'it' }],
      resultType: 'complete',
      _meta: { [serverKey]: serverInfo },
    });
  });

  it('a modern server’s result, for a legacy client: nothing is left that only a modern one understands', async () => {
    const session = await daemon.session('modern');
    for (const [method, params] of [
      ['tools/list', {}],
      ['resources/list', {}],
      ['resources/read', { uri: 'note://open' }],
      ['tools/call', { name: 'echo', arguments: { text: 'it' } }],
    ] as const) {
      const { body } = await session.request(method, params);
      assert.ok(body.result !== undefined, method);
      for (const key of ['resultType', 'ttlMs', 'cacheScope', '_meta'])
        assert.ok(!(key in body.result), `${method} has ${key}`);
    }
  });

  it('a resource that is not there: a legacy server’s own code may not be used any more', async () => {
    const session = await daemon.session('legacy');
    const uri = 'note://nowhere';
    assert.equal((await session.request('resources/read', { uri })).body.error?.code, -32002);
    assert.equal((await say(daemon, 'legacy', 'resources/read', { uri })).error?.code, -32602);
    assert.equal(
      (await say(daemon, 'legacy', 'resources/read', { uri: 'note://hidden' })).error?.code,
      -32602,
    );
  });

  it('a page that the user is to open has an id in the legacy era, and none in the modern one', async () => {
    const capabilities = { elicitation: { form: {}, url: {} } };
    const { result } = await say(daemon, 'legacy', 'tools/call', page, { capabilities });
    const asked = Object.values(result?.['inputRequests'] ?? {}) as { params: object }[];
    assert.deepEqual(
      asked.map(({ params }) => 'elicitationId' in params),
      [false],
    );

    const session = await daemon.session('modern', { capabilities });
    let elicitationId: unknown;
    await session.request('tools/call', page, (event) => {
      if (event['method'] !== 'elicitation/create') return;
      ({ elicitationId } = event['params'] as { elicitationId?: unknown });
      void session.raw({ jsonrpc: '2.0', id: event['id'], result: { action: 'accept' } });
    });
    assert.ok(
      typeof elicitationId === 'string' && elicitationId.length > 0,
      `it is ${String(elicitationId)}`,
    );
  });
});
