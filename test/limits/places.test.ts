import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Charge, Receipt } from '../../src/domain/decision.ts';
import type { Call } from '../../src/domain/call.ts';
import type { Orders } from '../../src/domain/orders.ts';
import { Limiter } from '../../src/limits/limiter.ts';
import {
  call,
  FakeClock,
  FakeStore,
  FakeTimers,
  limit,
  orders,
  permit,
  rate,
  tool,
  type CallWant,
} from './support.ts';

function limiter() {
  const clock = new FakeClock();
  const timers = new FakeTimers();
  const store = new FakeStore();
  return { clock, timers, store, it: new Limiter({ clock, store, after: timers.after }) };
}

const atOnce = (concurrency: number, waiting = 0) =>
  orders({ server: [limit('per server', [], { concurrency, waiting })] });

/** A call that was made: what became of it so far, and its receipt when it was let in. */
type Made = { state: string; receipt: Receipt | undefined; readonly call: Call };

function make(it: Limiter, standing: Orders, want: CallWant = {}): Made {
  const made: Made = { state: 'waits', receipt: undefined, call: call(want) };
  const settle = (charge: Charge) => {
    made.state = charge.kind === 'paid' ? 'paid' : charge.limit;
    if (charge.kind === 'paid') made.receipt = charge;
  };
  const charge = it.charge(standing, made.call, permit());
  if (charge instanceof Promise)
    charge.then(settle, (reason: unknown) => (made.state = (reason as { code: string }).code));
  else settle(charge);
  return made;
}

/** Lets promises that are settled tell it. */
const told = () => new Promise((resolve) => setImmediate(resolve));

test('only so many calls are under way at once, and a place that is given back is free', async () => {
  const { it } = limiter();
  const [a, b, c] = [make(it, atOnce(2)), make(it, atOnce(2)), make(it, atOnce(2))];
  assert.deepEqual([a.state, b.state, c.state], ['paid', 'paid', '2 at once per server']);
  a.receipt?.done();
  a.receipt?.done();
  const [d, e] = [make(it, atOnce(2)), make(it, atOnce(2))];
  assert.deepEqual([d.state, e.state], ['paid', '2 at once per server']);
  b.receipt?.done();
  d.receipt?.done();
  assert.equal(it.held, 0);
});

test('as many as the line holds wait, in order, and the next is refused', async () => {
  const { it } = limiter();
  const made = Array.from({ length: 4 }, () => make(it, atOnce(1, 2)));
  await told();
  assert.deepEqual(
    made.map(({ state }) => state),
    ['paid', 'waits', 'waits', '1 at once per server'],
  );
  assert.equal(it.waiting, 2);
  made[0]?.receipt?.done();
  await told();
  assert.deepEqual([made[1]?.state, made[2]?.state], ['paid', 'waits']);
  made[1]?.receipt?.done();
  await told();
  made[2]?.receipt?.done();
  assert.equal(it.waiting, 0);
  assert.equal(it.held, 0);
});

test('one caller cannot fill the line for all: it makes room for who has less in it', async () => {
  const { it } = limiter();
  make(it, atOnce(1, 3));
  const noisy = Array.from({ length: 5 }, () => make(it, atOnce(1, 3), { caller: 'noisy' }));
  const quiet = make(it, atOnce(1, 3), { caller: 'quiet' });
  await told();
  const full = '1 at once per server';
  assert.deepEqual(
    noisy.map(({ state }) => state),
    ['waits', 'waits', full, full, full],
  );
  assert.equal(quiet.state, 'waits');
});

test('one caller cannot keep the others waiting for all its calls: turns go round', async () => {
  const { it } = limiter();
  let holder = make(it, atOnce(1, 20));
  const noisy = Array.from({ length: 10 }, () => make(it, atOnce(1, 20), { caller: 'noisy' }));
  const quiet = make(it, atOnce(1, 20), { caller: 'quiet' });
  for (let turns = 0; quiet.state === 'waits'; turns++) {
    assert.ok(turns < 2, 'it waited for more than one turn of each');
    holder.receipt?.done();
    await told();
    holder = noisy.findLast(({ state }) => state === 'paid') ?? holder;
  }
});

test('a call that is stopped leaves the line at once and charges nothing', async () => {
  const { it, timers, store } = limiter();
  const standing = orders({
    server: [limit('per server', [], { concurrency: 1, waiting: 1, rates: [rate(10)] })],
  });
  const first = make(it, standing);
  const second = make(it, standing);
  const kept = store.takes.length;
  second.call.halt.call('cancelled by the caller');
  await told();
  assert.equal(second.state, 'CANCELLED');
  assert.equal(it.waiting, 0);
  assert.equal(timers.lengths.length, 0);
  assert.equal(store.takes.length, kept);
  assert.equal(make(it, standing).state, 'waits');
  first.receipt?.done();
});

test('a call that was stopped before it came to the line does not enter it', async () => {
  const { it } = limiter();
  make(it, atOnce(1, 1));
  const late = call();
  late.halt.call('session ended');
  await assert.rejects(async () => it.charge(atOnce(1, 1), late, permit()), { code: 'CANCELLED' });
  assert.equal(it.waiting, 0);
});

test('a wait ends', async () => {
  const { it, timers } = limiter();
  make(it, atOnce(1, 1));
  const second = make(it, atOnce(1, 1));
  assert.deepEqual(timers.lengths, [50_000]);
  timers.fire();
  await told();
  assert.equal(second.state, '1 at once per server');
  assert.equal(it.waiting, 0);
});

test('who waited is charged when it is let in: by then there may be nothing left', async () => {
  const { it, clock } = limiter();
  const standing = orders({
    server: [
      limit('per server', [], { concurrency: 1, waiting: 5 }),
      limit('per caller', ['caller'], { rates: [rate(2)] }),
    ],
  });
  const made = Array.from({ length: 4 }, () => make(it, standing));
  made[0]?.receipt?.done();
  await told();
  made[1]?.receipt?.done();
  await told();
  assert.deepEqual(
    made.map(({ state }) => state),
    ['paid', 'paid', '2/s per caller', '2/s per caller'],
  );
  assert.equal(it.held, 0);
  clock.pass(1000);
  assert.equal(make(it, standing).state, 'paid');
});

test('who waited is not let in when it cannot be written down, and the place stays free', async () => {
  const { it, store } = limiter();
  const standing = orders({
    server: [limit('per server', [], { concurrency: 1, waiting: 5, rates: [rate(9)] })],
  });
  const made = Array.from({ length: 3 }, () => make(it, standing));
  store.broken = true;
  made[0]?.receipt?.done();
  await told();
  assert.deepEqual(
    made.map(({ state }) => state),
    ['paid', 'AUDIT_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
  );
  assert.equal(it.held, 0);
});

test('a call that needs places of two limits takes both or none, and holds neither while it waits', async () => {
  const { it } = limiter();
  const standing = orders({
    server: [
      limit('per server', [], { concurrency: 2, waiting: 9 }),
      limit('per tool', ['tool'], { concurrency: 1, waiting: 9 }),
    ],
  });
  const a1 = make(it, standing, { target: tool('a') });
  const a2 = make(it, standing, { target: tool('a') });
  const b1 = make(it, standing, { target: tool('b') });
  const c1 = make(it, standing, { target: tool('c') });
  await told();
  assert.deepEqual([a1.state, a2.state, b1.state, c1.state], ['paid', 'waits', 'paid', 'waits']);
  a1.receipt?.done();
  await told();
  assert.equal([a2, c1].filter(({ state }) => state === 'paid').length, 1);
  b1.receipt?.done();
  await told();
  assert.deepEqual([a2.state, c1.state], ['paid', 'paid']);
  a2.receipt?.done();
  c1.receipt?.done();
  assert.equal(it.held, 0);
});

test('a limit that is raised lets in at once who waits', async () => {
  const { it } = limiter();
  make(it, atOnce(1, 5));
  const second = make(it, atOnce(1, 5));
  const third = make(it, atOnce(3, 5));
  await told();
  assert.deepEqual([second.state, third.state], ['paid', 'paid']);
  assert.equal(make(it, atOnce(2, 0)).state, '2 at once per server');
});

type Move =
  | { readonly kind: 'make'; readonly caller: string; readonly tool: string }
  | { readonly kind: 'end' | 'stop'; readonly which: number };
const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('make' as const),
        caller: fc.constantFrom('a', 'b', 'c'),
        tool: fc.constantFrom('x', 'y'),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const), which: fc.nat(50) }) },
  ),
  { maxLength: 80, size: 'max' },
);
const shape = fc.record({
  all: fc.integer({ min: 1, max: 4 }),
  line: fc.integer({ min: 0, max: 5 }),
  tool: fc.integer({ min: 1, max: 2 }),
  toolLine: fc.integer({ min: 0, max: 5 }),
  caller: fc.integer({ min: 1, max: 3 }),
  callerLine: fc.integer({ min: 0, max: 5 }),
});

test('never more at once than any limit says, lines stay short, a caller is served in order, and nothing leaks', async () => {
  await fc.assert(
    fc.asyncProperty(shape, moves, async (bounds, steps) => {
      const { it, timers } = limiter();
      const standing = orders({
        server: [
          limit('per server', [], { concurrency: bounds.all, waiting: bounds.line }),
          limit('per tool', ['tool'], { concurrency: bounds.tool, waiting: bounds.toolLine }),
          limit('per caller', ['caller'], { concurrency: bounds.caller, waiting: bounds.callerLine }),
        ],
      });
      const made: Made[] = [];
      const inside = (fits: (call: Call) => boolean) =>
        made.filter(({ receipt, call }) => receipt !== undefined && fits(call)).length;
      const nameOf = ({ target }: Call) => (target.kind === 'tool' ? target.name : '');
      const check = async () => {
        await told();
        assert.ok(inside(() => true) <= bounds.all);
        for (const name of ['x', 'y']) assert.ok(inside((it) => nameOf(it) === name) <= bounds.tool);
        for (const caller of ['a', 'b', 'c'])
          assert.ok(inside((it) => it.principal.name === caller) <= bounds.caller);
        // Three kinds of lines: one of all, two of tools, three of callers.
        assert.ok(it.waiting <= bounds.line + 2 * bounds.toolLine + 3 * bounds.callerLine);
        assert.equal(it.waiting, made.filter(({ state }) => state === 'waits').length);
        assert.equal(timers.lengths.length, it.waiting);
        for (const [index, later] of made.entries()) {
          if (later.state !== 'paid') continue;
          const overtaken = made
            .slice(0, index)
            .find(
              ({ state, call }) =>
                state === 'waits' &&
                call.principal.name === later.call.principal.name &&
                nameOf(call) === nameOf(later.call),
            );
          assert.equal(overtaken, undefined, 'a caller was overtaken by itself');
        }
      };
      for (const step of steps) {
        if (step.kind === 'make')
          made.push(make(it, standing, { caller: step.caller, target: tool(step.tool) }));
        else {
          const wanted = step.kind === 'end' ? 'paid' : 'waits';
          const open = made.filter(({ state }) => state === wanted);
          const it = open[step.which % Math.max(1, open.length)];
          if (step.kind === 'stop') it?.call.halt.call('cancelled by the caller');
          else end(it);
        }
        await check();
      }
      for (let left = made.filter(({ state }) => state === 'paid'); left.length > 0;) {
        for (const it of left) end(it);
        await check();
        left = made.filter(({ state }) => state === 'paid');
      }
      assert.equal(it.waiting, 0);
      assert.equal(it.held, 0);
    }),
  );
});

function end(made: Made | undefined): void {
  made?.receipt?.done();
  if (made === undefined) return;
  made.receipt = undefined;
  made.state = 'ended';
}
