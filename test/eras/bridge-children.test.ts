// Whom a child is shared with, where mcpd greets it on behalf of clients that have no session of their own with it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { alive, endNow, TestDaemon, until } from '../support/daemon.ts';
import { clientInfo } from './client.ts';
import { say, textIn, type Saying } from './raw.ts';
import { rowOf, serve } from './table.ts';
import { Talk } from './talk.ts';

const legacyRow = rowOf('legacy only');
const modernRow = rowOf('modern only', 'modern');
const desk = { name: 'desk', version: '1' };
const phone = { name: 'phone', version: '1' };

describe('the children of bridged clients', () => {
  let daemon: TestDaemon;
  let otherKey = '';
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        legacy: serve(legacyRow),
        few: serve(legacyRow, 'children_max = 8'),
        all: serve(legacyRow, 'sharing = "all"'),
        principal: serve(legacyRow, 'sharing = "principal"'),
        modern: serve(modernRow),
        'modern-all': serve(modernRow, 'sharing = "all"'),
      },
    });
    otherKey = await daemon.addKey('other');
  });
  after(async () => daemon[Symbol.asyncDispose]());
  type Who = { readonly pid: number; readonly client: unknown; readonly capabilities: unknown };
  const whose = async (server: string, how: Saying): Promise<Who> =>
    JSON.parse(textIn(await say(daemon, server, 'tools/call', { name: 'who' }, how))) as Who;
  const pid = async (server: string, how: Saying) => (await whose(server, how)).pid;

  it('a legacy server: one for each caller and client identity, and each is told who that is', async () => {
    const first = await whose('legacy', { client: desk });
    assert.deepEqual(first.client, desk);
    assert.equal(await pid('legacy', { client: desk }), first.pid);
    const second = await whose('legacy', { client: phone });
    assert.deepEqual(second.client, phone);
    const third = await pid('legacy', { client: desk, capabilities: { roots: {} } });
    const fourth = await pid('legacy', { client: desk, key: otherKey });
    assert.equal(new Set([first.pid, second.pid, third, fourth]).size, 4);
    assert.equal(await pid('legacy', { client: desk }), first.pid);
  });

  it('a legacy server: calls that may ask at the same time have a child each, and one after the other the same', async () => {
    const how = { client: desk, capabilities: { elicitation: {} } };
    const asking = { name: 'ask', arguments: { what: 'elicitation' } };
    const before = await pid('legacy', how);
    const { result } = await say(daemon, 'legacy', 'tools/call', asking, how);
    assert.equal(result?.['resultType'], 'input_required');
    const meanwhile = await pid('legacy', how);
    const inputResponses = Object.fromEntries(
      Object.keys(result['inputRequests'] as object).map((key) => [key, { action: 'decline' }]),
    );
    const { requestState } = result;
    const ended = await say(daemon, 'legacy', 'tools/call', { ...asking, inputResponses, requestState }, how);
    assert.match(textIn(ended), /decline/);
    assert.notEqual(meanwhile, before);
    assert.equal(await pid('legacy', how), await pid('legacy', how));
  });

  it('a legacy server: one caller has at most a quarter of the children, and the one that was idle longest gives way', async () => {
    const pids: number[] = [];
    for (const name of ['a', 'b', 'c', 'd']) pids.push(await pid('few', { client: { name, version: '1' } }));
    assert.equal(new Set(pids).size, 4);
    await until('two of them run', () => pids.filter(alive).length === 2);
    assert.equal(await pid('few', { client: { name: 'd', version: '1' } }), pids[3]);
  });

  it('a legacy server that is shared: the one that legacy clients have too, whose client is mcpd, and which asks nobody', async () => {
    const session = await daemon.session('all');
    const first = JSON.parse(await session.text('who')) as { pid: number; client: { name: string } };
    assert.equal(first.client.name, 'mcpd');
    const asker = { client: desk, capabilities: { elicitation: {} } };
    assert.equal(await pid('all', asker), first.pid);
    assert.equal(await pid('all', { client: phone, key: otherKey }), first.pid);
    const own = await pid('principal', asker);
    assert.equal(await pid('principal', { client: phone }), own);
    assert.notEqual(await pid('principal', { client: phone, key: otherKey }), own);
    for (const server of ['all', 'principal']) {
      const asking = { name: 'ask', arguments: { what: 'elicitation' } };
      const wire = await say(daemon, server, 'tools/call', asking, asker);
      assert.equal(wire.result?.['resultType'], 'complete');
      assert.match(textIn(wire), /"code":-32601,"message":"Method not found"/);
    }
  });

  it('a legacy server is not told that it will hear of changed roots, which no modern client can say', async () => {
    const how = { client: desk, capabilities: { roots: { listChanged: true }, sampling: {} } };
    const { capabilities } = await whose('legacy', how);
    assert.deepEqual(capabilities, { roots: {}, sampling: {} });
  });

  it('a modern server: one for each caller, whichever client, because each request says who asks', async () => {
    const first = await whose('modern', { client: desk });
    assert.deepEqual(first.client, desk);
    const second = await whose('modern', { client: phone });
    assert.deepEqual(second.client, phone);
    assert.equal(second.pid, first.pid);
    assert.notEqual(await pid('modern', { key: otherKey }), first.pid);
    const session = await daemon.session('modern');
    const old = JSON.parse(await session.text('who')) as { pid: number; client: unknown };
    assert.equal(old.pid, first.pid);
    assert.deepEqual(old.client, { name: 'test', version: '1' });
  });

  it('a modern server with sharing = "all": one for everybody', async () => {
    const first = await pid('modern-all', { client: desk });
    assert.equal(await pid('modern-all', { client: phone, key: otherKey }), first);
  });

  it('a legacy session outlives its modern child, and what it follows is followed again', async () => {
    const talk = await Talk.begin('v1', 'Streamable HTTP', daemon, 'modern', otherKey);
    try {
      await talk.follow('note://open');
      const { pid: first } = JSON.parse(await talk.text('who')) as Who;
      endNow(first);
      // Until its end is noticed, a call may be written to it and fail with it.
      let now: Who | null = null;
      await until('another child answers', async () => {
        now = JSON.parse(await talk.text('who').catch(() => 'null')) as Who | null;
        return now !== null && now.pid !== first;
      });
      assert.deepEqual((now as Who | null)?.client, clientInfo);
      // The new child may still be on its way to being asked.
      await until('the client is told', async () => {
        await talk.text('touch', { uri: 'note://open' });
        return talk.heard.updated.length > 0;
      });
    } finally {
      await talk.close();
    }
  });
});
