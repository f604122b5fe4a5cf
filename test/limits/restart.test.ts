// Every window holds across a restart, whatever the wall clock does, and however many callers there are.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LimitText, Orders } from '../../src/domain/orders.ts';
import { Limiter } from '../../src/limits/limiter.ts';
import type { TakeStore } from '../../src/limits/take-store.ts';
import { Takes } from '../../src/state/takes.ts';
import { budget, call, FakeClock, FakeStore, limit, orders, permit, rate, tool } from './support.ts';

type KillableStore = TakeStore & { readonly close: () => void };

type Step =
  | { readonly kind: 'call'; readonly caller: string; readonly tool: string; readonly amount: number }
  | { readonly kind: 'pass'; readonly ms: number }
  /** The wall clock is set while the daemon runs. */
  | { readonly kind: 'set'; readonly ms: number }
  /** The daemon is killed and started again; meanwhile time passes, and the wall clock may be set back. */
  | { readonly kind: 'restart'; readonly ms: number; readonly backMs: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('call' as const),
        caller: fc.constantFrom('a', 'b'),
        tool: fc.constantFrom('x', 'y'),
        amount: fc.integer({ min: 0, max: 8 }),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 400 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('set' as const),
        ms: fc.integer({ min: -100_000_000, max: 100_000_000 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('restart' as const),
        ms: fc.nat(300),
        backMs: fc.constantFrom(0, 0, 1, 500, 3_600_000),
      }),
    },
  ),
  { maxLength: 200, size: 'max' },
);

const spanMsMax = 3000;
const spans = fc.integer({ min: 50, max: spanMsMax });
const bounds = fc.record({
  perCaller: fc.record({ count: fc.integer({ min: 1, max: 12 }), perMs: spans }),
  burst: fc.record({ count: fc.integer({ min: 1, max: 6 }), perMs: spans }),
  perTool: fc.record({ count: fc.integer({ min: 1, max: 12 }), perMs: spans }),
  spend: fc.record({ most: fc.integer({ min: 4, max: 40 }), perMs: spans }),
});
type Bounds = typeof bounds extends fc.Arbitrary<infer T> ? T : never;

function limitsFor({ perCaller, burst, perTool, spend }: Bounds): Orders {
  const server: LimitText[] = [
    limit('per caller', ['caller'], {
      rates: [rate(perCaller.count, perCaller.perMs), rate(burst.count, burst.perMs)],
    }),
    limit('per tool', ['tool'], { rates: [rate(perTool.count, perTool.perMs)] }),
    limit('spend', [], { budget: budget(spend.most, spend.perMs) }),
  ];
  return orders({ server });
}

type Passed = {
  readonly at: number;
  readonly caller: string;
  readonly tool: string;
  readonly amount: number;
};

/** What passed in the span that ends with the newest. */
function last(passed: readonly Passed[], perMs: number, fits: (it: Passed) => boolean): readonly Passed[] {
  const newest = passed.at(-1);
  return newest === undefined ? [] : passed.filter((it) => newest.at - it.at < perMs && fits(it));
}

function check(passed: readonly Passed[], { perCaller, burst, perTool, spend }: Bounds): void {
  const newest = passed.at(-1);
  if (newest === undefined) return;
  const own = ({ caller }: Passed) => caller === newest.caller;
  assert.ok(last(passed, perCaller.perMs, own).length <= perCaller.count, 'per caller');
  assert.ok(last(passed, burst.perMs, own).length <= burst.count, 'burst');
  assert.ok(last(passed, perTool.perMs, (it) => it.tool === newest.tool).length <= perTool.count, 'per tool');
  const sum = last(passed, spend.perMs, () => true).reduce((all, { amount }) => all + amount, 0);
  assert.ok(sum <= spend.most, 'budget');
}

/** Plays the steps against limiters that come and go over the same store. */
function play(bounds: Bounds, plan: readonly Step[], open: () => KillableStore): void {
  const standing = limitsFor(bounds);
  const clock = new FakeClock();
  const passed: Passed[] = [];
  // What has really passed, whatever any clock says.
  let now = 0;
  const pass = (ms: number) => {
    now += ms;
    clock.pass(ms);
  };
  let store = open();
  let limiter = new Limiter({ clock, store });
  for (const step of plan) {
    if (step.kind === 'pass') pass(step.ms);
    else if (step.kind === 'set') {
      clock.wall += step.ms;
      // As the daemon does twice a minute.
      limiter.keepTime();
    } else if (step.kind === 'restart') {
      // Killed: nothing is told. Closing only lets go of the file here.
      store.close();
      pass(step.ms);
      clock.wall -= step.backMs;
      clock.restart();
      store = open();
      limiter = new Limiter({ clock, store });
    } else {
      const { caller, tool: name, amount } = step;
      const charge = limiter.charge(
        standing,
        call({ caller, target: tool(name), args: { amount } }),
        permit(),
      );
      assert.ok(!(charge instanceof Promise));
      if (charge.kind === 'paid') {
        passed.push({ at: now, caller, tool: name, amount });
        check(passed, bounds);
      } else if (amount <= bounds.spend.most)
        assert.ok(charge.retryInMs <= spanMsMax, 'nobody is told to wait longer than a span');
    }
  }
  // Nothing blocks for ever: when the longest span has passed, there is room again.
  pass(spanMsMax);
  const again = limiter.charge(standing, call({ target: tool('x'), args: { amount: 1 } }), permit());
  assert.ok('kind' in again && again.kind === 'paid');
  store.close();
}

test('no window is ever passed, by rate or by budget, across restarts and clocks that are set', () => {
  fc.assert(
    fc.property(bounds, steps, (limits, plan) => {
      const store = new FakeStore();
      play(limits, plan, () => {
        store.broken = false;
        return store;
      });
    }),
    { numRuns: 300 },
  );
});

function withFile(test: (open: () => KillableStore) => void): void {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-takes-'));
  try {
    test(() => Takes.open({ path: join(dir, 'takes') }));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

test('neither is it with the real file', () => {
  fc.assert(
    fc.property(bounds, steps, (limits, plan) => withFile((open) => play(limits, plan, open))),
    { numRuns: 12 },
  );
});

test('200 callers at once get what their limits say, before and after a restart, and no more', () => {
  withFile((open) => {
    const clock = new FakeClock();
    const standing = orders({
      all: [limit('in total', [], { rates: [rate(500, 60_000)] })],
      server: [limit('per caller', ['caller'], { rates: [rate(3, 60_000)] })],
    });
    const counts = new Map<string, number>();
    const storm = (limiter: Limiter) => {
      for (let round = 0; round < 5; round++, clock.pass(10))
        for (let who = 0; who < 200; who++) {
          const caller = `c${(who * 77) % 200}`;
          const charge = limiter.charge(standing, call({ caller }), permit());
          if ('kind' in charge && charge.kind === 'paid') counts.set(caller, (counts.get(caller) ?? 0) + 1);
        }
    };
    const store = open();
    storm(new Limiter({ clock, store }));
    const sum = () => [...counts.values()].reduce((all, one) => all + one, 0);
    assert.equal(sum(), 500);
    assert.ok([...counts.values()].every((count) => count <= 3));
    store.close();
    clock.restart();
    const again = open();
    storm(new Limiter({ clock, store: again }));
    assert.equal(sum(), 500);
    clock.pass(61_000);
    storm(new Limiter({ clock, store: again }));
    assert.equal(sum(), 1000);
    again.close();
  });
});

test('a take from the future counts as of now, for one span and not for ever', () => {
  const clock = new FakeClock();
  const store = new FakeStore();
  const standing = orders({ all: [limit('per caller', ['caller'], { rates: [rate(1, 60_000)] })] });
  const charge = () => {
    const charge = new Limiter({ clock, store }).charge(standing, call(), permit());
    assert.ok('kind' in charge);
    return charge.kind === 'paid' ? 'paid' : charge.retryInMs;
  };
  assert.equal(charge(), 'paid');
  clock.wall -= 365 * 86_400_000;
  assert.equal(charge(), 60_000);
  clock.pass(50_000);
  assert.equal(charge(), 11_000);
  clock.pass(11_000);
  assert.equal(charge(), 'paid');
});

test('while we run, a wall clock that is set changes nothing', () => {
  const clock = new FakeClock();
  const limiter = new Limiter({ clock, store: new FakeStore() });
  const standing = orders({ all: [limit('per caller', ['caller'], { rates: [rate(2, 60_000)] })] });
  const kinds = [0, 86_400_000, -2 * 86_400_000, -1_700_000_000_000].map((ms) => {
    clock.wall += ms;
    const charge = limiter.charge(standing, call(), permit());
    return 'kind' in charge ? charge.kind : 'waits';
  });
  assert.deepEqual(kinds, ['paid', 'paid', 'exhausted', 'exhausted']);
});

test('what counts no more is not carried over a restart', () => {
  const clock = new FakeClock();
  const store = new FakeStore();
  const standing = orders({ all: [limit('per caller', ['caller'], { rates: [rate(5, 1000)] })] });
  for (let count = 0; count < 3; count++)
    void new Limiter({ clock, store }).charge(standing, call(), permit());
  assert.equal(new Limiter({ clock, store }).count, 1);
  assert.equal(
    store.takes.reduce((sum, { amount }) => sum + amount, 0),
    3,
  );
  clock.pass(2001);
  assert.equal(new Limiter({ clock, store }).count, 0);
  assert.equal(store.takes.length, 0);
});

test('a clock that was never set writes no time that could not be read again', () => {
  const clock = new FakeClock();
  clock.wall = -5000;
  const store = new FakeStore();
  const standing = orders({ all: [limit('per caller', ['caller'], { rates: [rate(1, 60_000)] })] });
  void new Limiter({ clock, store }).charge(standing, call(), permit());
  assert.deepEqual(
    store.takes.map(({ at }) => at),
    [0],
  );
  const again = new Limiter({ clock, store }).charge(standing, call(), permit());
  assert.ok('kind' in again && again.kind === 'exhausted');
});

test('writing a busy window anew costs no more than a quiet one, and gives nothing away', () => {
  const clock = new FakeClock();
  const store = new FakeStore();
  const standing = orders({ all: [limit('per caller', ['caller'], { rates: [rate(50_000, 60_000)] })] });
  const limiter = new Limiter({ clock, store });
  for (let count = 0; count < 50_000; count++, clock.pass(1)) void limiter.charge(standing, call(), permit());
  store.overgrown = true;
  clock.wall += 5000;
  limiter.keepTime();
  assert.ok(store.takes.length <= 1001);
  assert.equal(
    store.takes.reduce((sum, { amount }) => sum + amount, 0),
    50_000,
  );
  const again = new Limiter({ clock, store }).charge(standing, call(), permit());
  assert.ok('kind' in again && again.kind === 'exhausted');
});

test('however often it is started, what a start takes over stays small, and no younger than its youngest take', () => {
  const clock = new FakeClock();
  const store = new FakeStore();
  const day = 86_400_000;
  const standing = orders({ all: [limit('per caller', ['caller'], { rates: [rate(50_000, day)] })] });
  const limiter = new Limiter({ clock, store });
  for (let count = 0; count < 50_000; count++, clock.pass(100))
    void limiter.charge(standing, call(), permit());
  const youngest = store.takes.at(-1)?.at;
  for (let starts = 0; starts < 3; starts++) {
    const again = new Limiter({ clock, store }).charge(standing, call(), permit());
    assert.ok('kind' in again && again.kind === 'exhausted');
    assert.ok(store.takes.length <= 60, `${store.takes.length} of 50,000`);
    assert.equal(store.takes.at(-1)?.at, youngest);
  }
  assert.equal(
    store.takes.reduce((sum, { amount }) => sum + amount, 0),
    50_000,
  );
});

test('a take that is written anew is never older than it was', () => {
  const clock = new FakeClock();
  const store = new FakeStore();
  const standing = orders({ all: [limit('per caller', ['caller'], { rates: [rate(100, 3_600_000)] })] });
  const limiter = new Limiter({ clock, store });
  const times: number[] = [];
  for (let count = 0; count < 50; count++, clock.pass(777)) {
    times.push(clock.wall);
    void limiter.charge(standing, call(), permit());
  }
  store.overgrown = true;
  void limiter.charge(standing, call({ caller: 'bob' }), permit());
  let index = 0;
  for (const { at, amount } of store.takes.slice(0, -1)) {
    for (let left = amount; left > 0; left--, index++) {
      const time = times[index] ?? Infinity;
      assert.ok(at >= time && at < time + 3600, `taken at ${time}, written as ${at}`);
    }
  }
  assert.equal(index, 50);
});
