import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lookAround } from '../../src/call/hall-news.ts';
import type { Call } from '../../src/domain/call.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Answer } from '../../src/domain/message.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { rule } from '../policy/support.ts';
import {
  allowAll,
  error,
  json,
  onTheWire,
  ordersOf,
  result,
  settled,
  TestHall,
  type Json,
  type Server,
} from './hall-support.ts';

const subscription = 'io.modelcontextprotocol/subscriptionId';

/** A server of the modern era whose streams the test holds in its hand. */
class Stream {
  readonly calls: Call[] = [];
  readonly filters: Json[] = [];
  end: (how: Answer) => void = () => undefined;
  fail: (why: Fault) => void = () => undefined;

  readonly server: Server = (call) => {
    this.calls.push(call);
    this.filters.push(call.params['notifications'] as Json);
    return new Promise((resolve, reject) => {
      this.end = resolve;
      this.fail = reject;
      call.halt.listen((reason) => reject(new Fault('CANCELLED', { detail: reason })));
    });
  };

  say(method: string, params: Json = {}): void {
    const call = this.calls.at(-1);
    if (call?.message.kind !== 'request') throw new Error('nobody listens');
    const _meta = { [subscription]: call.message.id };
    call.outlet.send(json({ jsonrpc: '2.0', method, params: { ...params, _meta } }) as RedactedJson);
  }

  acknowledge(): void {
    this.say('notifications/subscriptions/acknowledged', { notifications: this.filters.at(-1) ?? {} });
  }
}

const ack = 'notifications/subscriptions/acknowledged';
const toolsChanged = 'notifications/tools/list_changed';
const uri = 'file:///a';

/** Opens a stream in a hall of these servers; gives what its client hears and how it ends. */
async function open(hall: TestHall, filter: Json, halt = new Halt(), place = '*') {
  const guest = hall.modern('ann', place);
  const ending = guest.request('subscriptions/listen', { notifications: filter }, 'sub-7', halt);
  await settled();
  const methods = () => guest.heard.map(({ method }) => method);
  return { heard: guest.heard, methods, ending, halt };
}

describe('one stream of all servers’ news', () => {
  it('begins with one acknowledgement, which says what all of them honour', async () => {
    const [a, b] = [new Stream(), new Stream()];
    const hall = new TestHall({ a: a.server, b: b.server });
    const { heard, ending, halt } = await open(hall, {
      toolsListChanged: true,
      promptsListChanged: false,
      resourceSubscriptions: [`mcpd.a+${uri}`, `mcpd.b+${uri}`],
    });
    assert.deepEqual(a.filters, [
      { toolsListChanged: true, promptsListChanged: false, resourceSubscriptions: [uri] },
    ]);
    a.acknowledge();
    assert.deepEqual(heard, []);
    b.acknowledge();
    assert.deepEqual(heard, [
      {
        jsonrpc: '2.0',
        method: ack,
        params: {
          notifications: {
            toolsListChanged: true,
            resourceSubscriptions: [`mcpd.a+${uri}`, `mcpd.b+${uri}`],
          },
          _meta: { [subscription]: 'sub-7' },
        },
      },
    ]);
    halt.call('the caller went away');
    const outcome = await ending;
    assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'CANCELLED');
    assert.equal(hall.timers.size, 0);
    assert.equal(hall.inFlight.count, 0);
    assert.equal(hall.guests.watchers().length, 0);
  });

  it('holds back what comes before the acknowledgement, up to a bound', async () => {
    const [a, b] = [new Stream(), new Stream()];
    const hall = new TestHall({ a: a.server, b: b.server });
    const { methods, heard } = await open(hall, { toolsListChanged: true });
    a.acknowledge();
    for (let n = 0; n < 300; n++) a.say(toolsChanged, { n });
    assert.deepEqual(methods(), []);
    b.acknowledge();
    assert.equal(methods()[0], ack);
    assert.equal(methods().length, 1 + 256);
    b.say('notifications/resources/updated', { uri });
    assert.deepEqual(heard.at(-1)?.['params'], { uri: `mcpd.b+${uri}`, _meta: { [subscription]: 'sub-7' } });
  });

  it('waits for no server longer than agreed; one that joins later is news', async () => {
    const [a, slow] = [new Stream(), new Stream()];
    const hall = new TestHall({ a: a.server, slow: slow.server });
    const { methods } = await open(hall, { toolsListChanged: true });
    a.acknowledge();
    hall.ring();
    assert.deepEqual(methods(), [ack]);
    slow.acknowledge();
    assert.deepEqual(methods(), [ack, toolsChanged]);
  });

  it('asks only the servers whose resources are followed, each for its own', async () => {
    const [a, b, c] = [new Stream(), new Stream(), new Stream()];
    const hall = new TestHall({ a: a.server, b: b.server, c: c.server });
    await open(hall, { resourceSubscriptions: ['mcpd.a+x:1', 'mcpd.b+x:1', 'mcpd.a+x:2'] });
    assert.deepEqual(
      [a.filters, b.filters, c.filters],
      [[{ resourceSubscriptions: ['x:1', 'x:2'] }], [{ resourceSubscriptions: ['x:1'] }], []],
    );
  });

  for (const [what, uris] of [
    ['unknown', ['mcpd.nobody+x:1']],
    ['hidden with its server', ['mcpd.hidden+x:1']],
    ['denied', ['mcpd.a+x:secret']],
    ['not qualified', ['x:1']],
    ['one of several', ['mcpd.a+x:1', 'mcpd.a+x:secret']],
  ] as const)
    it(`follows nothing where a resource is ${what}`, async () => {
      const a = new Stream();
      const rules = {
        a: [rule('some', 'allow', { resources: ['x:1'], tools: ['*'] })],
        hidden: [rule('bob', 'allow', { callers: ['bob'], resources: ['**'] })],
      };
      const hall = new TestHall({ a: a.server, hidden: a.server }, rules);
      const { ending } = await open(hall, { resourceSubscriptions: uris });
      assert.deepEqual(onTheWire(await ending), {
        code: -32602,
        message: 'Resource not found',
        data: { uris },
      });
      assert.deepEqual(a.calls, []);
    });

  it('follows nothing of a server that was not chosen', async () => {
    const [a, b] = [new Stream(), new Stream()];
    const hall = new TestHall({ a: a.server, b: b.server });
    const filter = { resourceSubscriptions: ['mcpd.b+x:1'] };
    const { ending } = await open(hall, filter, new Halt(), '*?servers=a');
    assert.equal((await ending).kind, 'refused');
    assert.deepEqual(b.calls, []);
  });

  it('follows a server again that went away, and tells that something may have changed', async () => {
    const [a, b] = [new Stream(), new Stream()];
    const hall = new TestHall({ a: a.server, b: b.server });
    const { methods } = await open(hall, { toolsListChanged: true });
    a.acknowledge();
    b.acknowledge();
    a.end(result({ resultType: 'complete' }));
    await settled();
    assert.deepEqual([a.calls.length, methods()], [1, [ack]]);
    hall.ring(1000);
    await settled();
    assert.equal(a.calls.length, 2);
    a.acknowledge();
    assert.deepEqual(methods(), [ack, toolsChanged]);
    assert.equal(new Set(a.calls.map(({ id }) => id)).size, 2, 'each with a record of its own');
  });

  it('tries a server that is down less and less often', async () => {
    const a = new Stream();
    const down: Server = () => Promise.reject(new Fault('UPSTREAM_DOWN'));
    const hall = new TestHall({ a: a.server, down });
    const { methods } = await open(hall, { toolsListChanged: true });
    a.acknowledge();
    assert.deepEqual(methods(), [ack], 'a server that is down is not waited for');
    const pauses: number[] = [];
    for (let round = 0; round < 8; round++) {
      pauses.push(Math.min(...[...hall.timers.values()].map(({ ms }) => (ms === 10_000 ? Infinity : ms))));
      hall.ring(60_000);
      await settled();
    }
    assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  it('does not try again where the same would come of it, and ends when nobody is left', async () => {
    const hall = new TestHall({
      old: () => error(-32601),
      bridged: () => Promise.reject(new Fault('CANNOT_CROSS')),
    });
    const { ending, heard } = await open(hall, { toolsListChanged: true });
    assert.equal(hall.timers.size, 0);
    assert.deepEqual(onTheWire(await ending, 'modern'), {
      resultType: 'complete',
      _meta: { [subscription]: 'sub-7' },
    });
    assert.equal(heard.length, 1);
    assert.equal(hall.reached.length, 2);
  });

  it('ends at once where nothing is followed', async () => {
    const { ending, methods } = await open(new TestHall({ a: () => error(-1) }), {});
    assert.equal((await ending).kind, 'answered');
    assert.deepEqual(methods(), [ack]);
  });

  it('ends with the daemon', async () => {
    const a = new Stream();
    const hall = new TestHall({ a: a.server });
    const { ending } = await open(hall, { toolsListChanged: true });
    a.acknowledge();
    hall.inFlight.haltWhere(() => true, 'daemon stopping');
    assert.equal((await ending).kind, 'answered');
  });

  it('is stopped while it waits for a server to come back', async () => {
    const a = new Stream();
    const hall = new TestHall({ a: a.server });
    const { ending, halt } = await open(hall, { toolsListChanged: true });
    a.fail(new Fault('UPSTREAM_DIED'));
    await settled();
    halt.call('the caller went away');
    assert.equal((await ending).kind, 'failed');
    await settled();
    assert.equal(hall.timers.size, 0);
    assert.equal(a.calls.length, 1);
  });

  it('takes in a server that is added later, and tells of it', async () => {
    const [a, b] = [new Stream(), new Stream()];
    const hall = new TestHall({ a: a.server, b: b.server }, { a: allowAll });
    const { methods } = await open(hall, { toolsListChanged: true });
    a.acknowledge();
    hall.orders = ordersOf({ a: allowAll, b: allowAll }, undefined, 'v2');
    lookAround(hall.plane);
    await settled();
    assert.equal(b.calls.length, 1);
    assert.deepEqual(methods(), [ack, toolsChanged]);
  });

  it('asks no server that is added later where only resources of others are followed', async () => {
    const [a, b] = [new Stream(), new Stream()];
    const hall = new TestHall({ a: a.server, b: b.server }, { a: allowAll });
    const { methods } = await open(hall, { resourceSubscriptions: ['mcpd.a+x:1'] });
    a.acknowledge();
    hall.orders = ordersOf({ a: allowAll, b: allowAll }, undefined, 'v2');
    lookAround(hall.plane);
    await settled();
    assert.deepEqual([b.calls.length, methods()], [0, [ack]]);
  });

  it('is refused where the filter is none', async () => {
    const hall = new TestHall({ a: () => error(-1) });
    for (const notifications of [null, [], 'x', undefined]) {
      const outcome = await hall.modern().request('subscriptions/listen', { notifications });
      assert.ok(outcome.kind === 'failed' && outcome.fault.code === 'BAD_PARAMS');
    }
  });
});
