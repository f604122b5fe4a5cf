// What one era has no word for does not cross, and whoever waits for it is told.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { endNow, TestDaemon, until } from '../support/daemon.ts';
import { say, textIn, type Saying, type Wire } from './raw.ts';
import { notesOf, rowOf, serve } from './table.ts';
import { Talk } from './talk.ts';

const legacyRow = rowOf('legacy only');
const modernRow = rowOf('modern only', 'modern');
const canBeAsked: Saying = { capabilities: { elicitation: {} } };

describe('what cannot cross', () => {
  let daemon: TestDaemon;
  let modern: Talk;
  let legacy: Talk;
  before(async () => {
    daemon = await TestDaemon.start({ servers: { legacy: serve(legacyRow), modern: serve(modernRow) } });
    legacy = await Talk.begin('v1', 'Streamable HTTP', daemon, 'legacy');
    modern = await Talk.begin('v2, pinned', 'Streamable HTTP', daemon, 'legacy');
  });
  after(async () => {
    await legacy.close();
    await modern.close();
    await daemon[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    legacy.heard.questions.length = 0;
    modern.heard.questions.length = 0;
  });
  /** Notes of the server, from now on. */
  const listen = () => {
    const before = notesOf(daemon, legacyRow).length;
    return () => notesOf(daemon, legacyRow).slice(before);
  };

  it('a question outside any call reaches a legacy client, and of a modern one the server is told that nobody can be asked', async () => {
    let heard = listen();
    await legacy.text('ask_later');
    await until('the server has its answer', () => heard().some((it) => it.includes('"Ada"')));
    assert.deepEqual(legacy.heard.questions, ['Your name?']);
    heard = listen();
    await modern.text('ask_later');
    await until('the server has its answer', () => heard().some((it) => it.startsWith('later')));
    assert.match(heard().join('\n'), /"code":-32603,"message":"No client can be asked right now\."/);
    assert.deepEqual(modern.heard.questions, []);
  });

  it('that an elicitation is complete is told to a legacy client alone', async () => {
    const events: unknown[] = [];
    const session = await daemon.session('legacy');
    const { body, events: told } = await session.call('finish');
    assert.ok(body.result !== undefined);
    events.push(...told);
    const isComplete = (it: unknown) => JSON.stringify(it).includes('notifications/elicitation/complete');
    assert.ok(events.some(isComplete), JSON.stringify(events));
    const wire = await say(daemon, 'legacy', 'tools/call', { name: 'finish' }, canBeAsked);
    assert.equal(textIn(wire), 'finished');
    assert.ok(!wire.events.some(isComplete));
  });

  it('a client is not asked for what it did not declare, and the server is told so', async () => {
    const wire = await say(
      daemon,
      'legacy',
      'tools/call',
      { name: 'ask', arguments: { what: 'sampling' } },
      canBeAsked,
    );
    assert.equal(wire.result?.['resultType'], 'complete', JSON.stringify(wire.result));
    assert.match(textIn(wire), /"error"/);
    const none = await say(daemon, 'legacy', 'tools/call', { name: 'ask', arguments: { what: 'roots' } });
    assert.match(textIn(none), /"error"/);
  });

  it('that roots have changed does not reach a modern server, which asks anew each time', async () => {
    const session = await daemon.session('modern');
    const { status } = await session.raw({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' });
    assert.equal(status, 202);
    assert.equal(await session.text('echo', { text: 'on' }), 'on');
    assert.deepEqual(
      notesOf(daemon, modernRow).filter((it) => it.startsWith('strange')),
      [],
    );
  });

  it('the words of the other era are unknown methods, whatever the server speaks', async () => {
    const session = await daemon.session('modern');
    for (const method of ['server/discover', 'subscriptions/listen']) {
      const { body } = await session.request(method, { notifications: {} });
      assert.equal(body.error?.code, -32601, method);
    }
    for (const method of ['initialize', 'ping', 'logging/setLevel', 'resources/subscribe']) {
      const { status, error } = await say(daemon, 'legacy', method);
      assert.deepEqual([status, error?.code], [404, -32601], method);
    }
  });

  describe('a call in several rounds', () => {
    const asking = { name: 'ask', arguments: { what: 'elicitation' } };
    const inputResponses = (wire: Wire): Record<string, unknown> => {
      const asked = Object.keys(wire.result?.['inputRequests'] ?? {});
      return Object.fromEntries(asked.map((key) => [key, { action: 'accept', content: { name: 'Ada' } }]));
    };
    const begin = async (): Promise<Wire> => {
      const wire = await say(daemon, 'legacy', 'tools/call', asking, canBeAsked);
      assert.equal(wire.result?.['resultType'], 'input_required');
      return wire;
    };
    const goOn = (
      wire: Wire,
      more: Record<string, unknown> = {},
      how: Saying = canBeAsked,
    ): Promise<Wire> => {
      const round = { inputResponses: inputResponses(wire), requestState: wire.result?.['requestState'] };
      return say(daemon, 'legacy', 'tools/call', { ...asking, ...round, ...more }, how);
    };

    it('goes on once: its state opens neither a second answer nor another call, nor anything for another caller', async () => {
      const first = await begin();
      const stale = [-32602, /requestState is not valid here/] as const;
      for (const wire of [
        await goOn(first, { arguments: { what: 'roots' } }),
        await goOn(first, {}, { ...canBeAsked, key: await daemon.addKey('thief') }),
        await goOn(first, { requestState: `${String(first.result?.['requestState'])}00` }),
      ]) {
        assert.equal(wire.error?.code, stale[0]);
        assert.match(wire.error.message, stale[1]);
      }
      assert.match(textIn(await goOn(first)), /"Ada"/);
      assert.equal((await goOn(first)).error?.code, stale[0]);
    });

    it('ends with the child that waited for the answer', async () => {
      const children = new Set(daemon.children());
      const client = { name: 'about to lose its child', version: '1' };
      const how = { ...canBeAsked, client };
      const first = await say(daemon, 'legacy', 'tools/call', asking, how);
      const own = daemon.children().filter((pid) => !children.has(pid));
      assert.equal(own.length, 1);
      for (const pid of own) endNow(pid);
      await until('the child is gone', () => !daemon.children().includes(own[0] ?? 0));
      assert.equal((await goOn(first, {}, how)).error?.code, 1503);
      assert.equal((await goOn(first, {}, how)).error?.code, -32602);
    });
  });
});
