import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault, type FaultCode } from '../../src/domain/faults.ts';
import type { Orders } from '../../src/domain/orders.ts';
import { Breakers } from '../../src/limits/breakers.ts';
import type { KeptRest, RestStore } from '../../src/limits/rest-store.ts';
import { call, FakeClock, FakeTimers, orders, tool, type OrdersWant } from './support.ts';

const breaker = { failures: 2, withinMs: 1000, restMs: 500 };
const retry = { times: 3, firstMs: 100, mostMs: 250 };
const standing = (more: OrdersWant = {}): Orders => orders({ tools: { read: { breaker, retry } }, ...more });

function breakers(more: { random?: () => number; toolsMax?: number; store?: RestStore } = {}) {
  const clock = new FakeClock();
  const timers = new FakeTimers();
  return { clock, timers, it: new Breakers({ clock, random: () => 1, after: timers.after, ...more }) };
}

function fails(it: Breakers, times: number, under = standing(), name = 'read', server = 'files'): void {
  for (let count = 0; count < times; count++)
    it.went(under, call({ target: tool(name), server, id: `f${count}` }), 'badly');
}

test('a tool that failed so often in a row rests, and says when to come back; others go on', () => {
  const { it, clock } = breakers();
  fails(it, 1);
  assert.equal(it.admit(standing(), call()), undefined);
  fails(it, 1);
  assert.deepEqual(it.admit(standing(), call()), {
    kind: 'exhausted',
    limit: 'the tool rests after 2 failures in a row',
    retryInMs: 500,
  });
  assert.equal(it.admit(standing(), call({ server: 'git' })), undefined);
  assert.equal(it.admit(standing(), call({ target: tool('write') })), undefined);
  clock.pass(500);
  assert.equal(it.admit(standing(), call({ id: 'probe' })), undefined);
  assert.equal(it.admit(standing(), call({ id: 'other' }))?.retryInMs, 500);
  it.went(standing(), call({ id: 'probe' }), 'well');
  assert.equal(it.admit(standing(), call({ id: 'other' })), undefined);
  assert.deepEqual(it.states(), []);
});

test('a tool that works is not remembered', () => {
  const { it } = breakers();
  it.went(standing(), call(), 'well');
  assert.equal(it.count, 0);
  fails(it, 1);
  assert.equal(it.count, 1);
  it.went(standing(), call(), 'well');
  assert.equal(it.count, 0);
});

test('a rest can be seen, by the clock on the wall', () => {
  const { it, clock } = breakers();
  clock.pass(1234);
  fails(it, 2);
  const since = clock.wall;
  assert.deepEqual(it.states(), [
    { server: 'files', tool: 'read', state: 'open', since, untilMs: since + 500 },
  ]);
  clock.pass(600);
  clock.wall += 1000;
  it.admit(standing(), call());
  assert.deepEqual(it.states(), [
    { server: 'files', tool: 'read', state: 'half-open', since: since + 1000, untilMs: since + 2100 },
  ]);
});

test('a tool without a breaker never rests, and nothing is remembered of it', () => {
  const { it } = breakers();
  fails(it, 50, orders());
  fails(it, 50, standing(), 'write');
  assert.equal(it.admit(orders(), call()), undefined);
  assert.equal(it.admit(standing(), call({ target: tool('write') })), undefined);
  assert.deepEqual(it.states(), []);
});

test('where the server is only observed, a resting tool is called all the same', () => {
  const { it } = breakers();
  fails(it, 2);
  assert.equal(it.admit(standing({ mode: 'observe' }), call()), undefined);
  assert.notEqual(it.admit(standing(), call()), undefined);
});

test('the first class that fits and has a breaker counts', () => {
  const { it } = breakers();
  const under = orders({ tools: { read: { retry } } });
  fails(it, 9, under);
  assert.equal(it.admit(under, call()), undefined);
  assert.equal(it.retryInMs(under, call(), 1, new Fault('UPSTREAM_DIED')), 100);
});

test('a breaker that is taken out of the policy holds nobody any more', () => {
  const { it } = breakers();
  fails(it, 2);
  assert.equal(it.admit(orders(), call()), undefined);
  it.went(orders(), call(), 'badly');
  assert.deepEqual(it.states(), []);
});

test('made-up tools do not pile up, and do not wake a tool that rests', () => {
  const { it } = breakers({ toolsMax: 5 });
  const names = Array.from({ length: 50 }, (_, at) => `t${at}`);
  const under = orders({ tools: Object.fromEntries([...names, 'read'].map((name) => [name, { breaker }])) });
  fails(it, 2, under);
  for (const name of names) fails(it, 1, under, name);
  assert.notEqual(it.admit(under, call()), undefined);
  for (const name of names) fails(it, 2, under, name);
  assert.equal(it.states().length, 5);
  assert.notEqual(it.admit(under, call()), undefined);
});

const transient: readonly FaultCode[] = [
  'UPSTREAM_DOWN',
  'UPSTREAM_DIED',
  'UPSTREAM_BUSY',
  'UPSTREAM_TIMEOUT',
];
const lasting: readonly FaultCode[] = [
  'UPSTREAM_GARBLED',
  'CANCELLED',
  'ORDERS_CHANGED',
  'BAD_PARAMS',
  'AUDIT_UNAVAILABLE',
  'CANNOT_CROSS',
  'SECRET_UNAVAILABLE',
  'BUG',
];

test('only what may be otherwise the next time is tried again, and only so often', () => {
  const { it } = breakers();
  const waits = (code: FaultCode) =>
    [1, 2, 3, 4].map((attempt) => it.retryInMs(standing(), call(), attempt, new Fault(code)));
  for (const code of transient) assert.deepEqual(waits(code), [100, 200, 250, undefined], code);
  for (const code of lasting)
    assert.deepEqual(waits(code), [undefined, undefined, undefined, undefined], code);
});

test('what the policy does not call idempotent is never tried again', () => {
  const { it } = breakers();
  const died = new Fault('UPSTREAM_DIED');
  assert.equal(it.retryInMs(standing(), call({ target: tool('write') }), 1, died), undefined);
  assert.equal(
    it.retryInMs(standing(), call({ target: { kind: 'resource', uri: 'read' } }), 1, died),
    undefined,
  );
  assert.equal(it.retryInMs(orders(), call(), 1, died), undefined);
  assert.equal(it.retryInMs(standing(), call({ server: 'nowhere' }), 1, died), undefined);
});

test('calls that failed together come back apart: a wait is anything from nothing to the whole', () => {
  let next = 0;
  const { it } = breakers({ random: () => next });
  const died = new Fault('UPSTREAM_DIED');
  const waits = [0, 0.25, 0.999].map((random) => {
    next = random;
    return it.retryInMs(standing(), call(), 2, died);
  });
  assert.deepEqual(waits, [0, 50, 200]);
});

test('a call that was stopped, or whose tool rests now, is not tried again', () => {
  const { it } = breakers();
  const died = new Fault('UPSTREAM_DIED');
  const stopped = call();
  stopped.halt.call('the caller went away');
  assert.equal(it.retryInMs(standing(), stopped, 1, died), undefined);
  fails(it, 2);
  assert.equal(it.retryInMs(standing(), call(), 1, died), undefined);
});

test('the wait for the next try ends when it is over, or at once when the call is stopped', async () => {
  const { it, timers } = breakers();
  const waiting = it.wait(call(), 70);
  assert.deepEqual(timers.lengths, [70]);
  timers.fire();
  await waiting;
  const stopped = call();
  const cut = it.wait(stopped, 70);
  stopped.halt.call('cancelled by the caller');
  await assert.rejects(cut, { code: 'CANCELLED' });
  assert.deepEqual(timers.lengths, []);
  await assert.rejects(it.wait(stopped, 70), { code: 'CANCELLED' });
  assert.deepEqual(timers.lengths, []);
});

/** Rests in memory, for several daemons after each other. */
function shelf() {
  const rests = new Map<string, KeptRest>();
  const key = (server: string, name: string) => `${server} ${name}`;
  const store: RestStore = {
    load: () => [...rests.values()],
    keep: (rest) => void rests.set(key(rest.server, rest.tool), rest),
    drop: (server, name) => void rests.delete(key(server, name)),
  };
  return { rests, store };
}

test('a rest outlives a restart, with the time that is left of it, and then one call tries', () => {
  const { rests, store } = shelf();
  const first = breakers({ store });
  fails(first.it, 1);
  assert.equal(rests.size, 0);
  fails(first.it, 1);
  const since = first.clock.wall;
  assert.deepEqual(
    [...rests.values()],
    [{ server: 'files', tool: 'read', since, untilMs: since + 500, restMs: 500 }],
  );
  const second = breakers({ store });
  second.clock.wall = since + 200;
  const later = new Breakers({ clock: second.clock, random: () => 1, store });
  assert.equal(later.admit(standing(), call())?.retryInMs, 300);
  assert.deepEqual(later.states(), [
    { server: 'files', tool: 'read', state: 'open', since, untilMs: since + 500 },
  ]);
  second.clock.pass(300);
  assert.equal(later.admit(standing(), call({ id: 'probe' })), undefined);
  assert.equal(later.admit(standing(), call({ id: 'other' }))?.retryInMs, 500);
  later.went(standing(), call({ id: 'probe' }), 'badly');
  assert.equal([...rests.values()][0]?.untilMs, second.clock.wall + 500);
  second.clock.pass(500);
  assert.equal(later.admit(standing(), call({ id: 'again' })), undefined);
  later.went(standing(), call({ id: 'again' }), 'well');
  assert.equal(rests.size, 0);
});

test('a rest is no longer than it was to be, whatever became of the clock', () => {
  const { rests, store } = shelf();
  fails(breakers({ store }).it, 2);
  const [kept] = rests.values();
  assert.ok(kept !== undefined);
  const { clock } = breakers();
  clock.wall = kept.since - 86_400_000 * 3650;
  const back = new Breakers({ clock, random: () => 1, store });
  assert.equal(back.admit(standing(), call())?.retryInMs, 500);
  clock.wall = kept.since + 60_000;
  const forth = new Breakers({ clock, random: () => 1, store });
  assert.equal(forth.admit(standing(), call({ id: 'probe' })), undefined);
  assert.notEqual(forth.admit(standing(), call({ id: 'other' })), undefined);
});

test('a rest that ended long ago, or that there is no place for, is not kept any longer', () => {
  const { rests, store } = shelf();
  const { it, clock } = breakers({ store });
  for (const name of ['read', 'read2']) fails(it, 2, orders({ tools: { [name]: { breaker } } }), name);
  assert.equal(rests.size, 2);
  assert.equal(new Breakers({ clock, random: () => 1, store, toolsMax: 1 }).count, 1);
  assert.equal(rests.size, 1);
  clock.wall += 86_400_000 * 2;
  assert.equal(new Breakers({ clock, random: () => 1, store }).count, 0);
  assert.equal(rests.size, 0);
});
