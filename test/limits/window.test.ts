import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  entriesMax,
  noTakes,
  take,
  takesWithin,
  waitMs,
  type Bound,
  type Takes,
} from '../../src/limits/window.ts';

const rate = (most: number, perMs: number): Bound => ({ most, perMs });
const room = ({ perMs }: Bound, mayGrow = true) => ({ keepMs: perMs, mayGrow });

/** Tries at each time and gives the times that were allowed. */
function allowed(takes: Takes, it: Bound, times: readonly number[], mayGrow = true): number[] {
  return times.filter((now) => {
    if (waitMs(takes, it, 1, now) > 0) return false;
    take(takes, 1, now, room(it, mayGrow));
    return true;
  });
}

const rates = fc.record({ most: fc.integer({ min: 1, max: 40 }), perMs: fc.integer({ min: 1, max: 100 }) });
const walks = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 300, size: 'max' }).map((steps) => {
  let now = 0;
  return steps.map((step) => (now += step));
});
const spends = fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 1, max: 30 })), {
  maxLength: 300,
  size: 'max',
});

test('no window holds more than the count, and nothing that fits is refused', () => {
  fc.assert(
    fc.property(rates, walks, (it, times) => {
      const expected: number[] = [];
      for (const now of times) {
        if (expected.filter((at) => now - at < it.perMs).length < it.most) expected.push(now);
      }
      assert.deepEqual(allowed(noTakes(), it, times), expected);
    }),
    { numRuns: 500 },
  );
});

test('no window sums up to more than the budget, and nothing that fits is refused', () => {
  fc.assert(
    fc.property(rates, spends, (it, steps) => {
      const takes = noTakes();
      const spent: { at: number; amount: number }[] = [];
      let now = 0;
      for (const [step, amount] of steps) {
        now += step;
        const sum = spent.reduce((all, old) => all + (now - old.at < it.perMs ? old.amount : 0), 0);
        assert.equal(waitMs(takes, it, amount, now) === 0, sum + amount <= it.most);
        if (sum + amount > it.most) continue;
        spent.push({ at: now, amount });
        take(takes, amount, now, room(it));
      }
    }),
  );
});

test('the wait is exact: a moment before it is over there is no room, then there is', () => {
  fc.assert(
    fc.property(rates, spends, fc.integer({ min: 1, max: 40 }), (it, steps, next) => {
      const takes = noTakes();
      let now = 0;
      for (const [step, amount] of steps) {
        now += step;
        if (waitMs(takes, it, amount, now) === 0) take(takes, amount, now, room(it));
      }
      const wait = waitMs(takes, it, next, now);
      if (wait > 0) assert.ok(waitMs(takes, it, next, now + wait - 0.5) > 0);
      if (next <= it.most) assert.equal(waitMs(takes, it, next, now + wait), 0);
    }),
  );
});

test('a changed rate counts what was taken before; no change gives more than the stricter reading', () => {
  fc.assert(
    fc.property(rates, rates, walks, fc.nat(300), (before, after, times, at) => {
      const takes = noTakes();
      const old = allowed(takes, before, times.slice(0, at));
      const taken = [...old, ...allowed(takes, after, times.slice(at))];
      for (const [index, now] of taken.entries()) {
        if (index < old.length) continue;
        assert.ok(taken.slice(0, index + 1).filter((it) => now - it < after.perMs).length <= after.most);
      }
    }),
  );
});

test('a ring that may not grow lets through less, never more', () => {
  fc.assert(
    fc.property(rates, walks, (it, times) => {
      const taken = allowed(noTakes(), it, times, false);
      for (const [index, now] of taken.entries())
        assert.ok(taken.slice(0, index + 1).filter((at) => now - at < it.perMs).length <= it.most);
    }),
  );
});

test('a rate that looks further back than the ring counts what the ring only knows roughly', () => {
  const takes = noTakes();
  const times = Array.from({ length: 50 }, (_, at) => at);
  assert.equal(allowed(takes, rate(1, 1), times).length, 50);
  assert.ok(waitMs(takes, rate(20, 1000), 1, 50) > 0);
  assert.equal(waitMs(takes, rate(51, 1000), 1, 50), 0);
});

test('what is older than any span is forgotten', () => {
  const takes = noTakes();
  const day = 86_400_000;
  for (let at = 0; at < 1000; at++) take(takes, 1, at, { keepMs: 1, mayGrow: true });
  for (let at = 0; at < 20; at++) take(takes, 1, 2 * day + at, { keepMs: 1, mayGrow: true });
  assert.equal(waitMs(takes, rate(21, day), 1, 2 * day + 20), 0);
  assert.ok(waitMs(takes, rate(20, day), 1, 2 * day + 20) > 0);
});

test('room grows with use, not with the rate, and not beyond the most', () => {
  const takes = noTakes();
  const daily = rate(1_000_000, 86_400_000);
  for (let now = 0; now < 100; now++) take(takes, 1, now, room(daily));
  assert.equal(takes.times.length, 128);
  for (let now = 100; now < 200_000; now++) take(takes, 1, now, room(daily));
  assert.equal(takes.times.length, entriesMax);
  assert.equal(waitMs(takes, rate(200_001, 86_400_000), 1, 200_000), 0);
  assert.ok(waitMs(takes, rate(200_000, 86_400_000), 1, 200_000) > 0);
  const brisk = noTakes();
  for (let now = 0; now < 10_000; now++) take(brisk, 1, now, room(rate(1000, 5)));
  assert.equal(brisk.times.length, 8);
});

test('the largest amounts stay exact for as long as they are taken', () => {
  const takes = noTakes();
  const most = 9_000_000_000_000_000;
  for (let now = 0; now < 10_000; now += 10) {
    assert.equal(waitMs(takes, rate(most, 10), most - 1, now), 0);
    take(takes, most - 1, now, room(rate(most, 10)));
    assert.equal(waitMs(takes, rate(most, 10), 1, now), 0);
    assert.ok(waitMs(takes, rate(most, 10), 2, now) > 0);
  }
});

test('what is told of a window is what was taken in it', () => {
  fc.assert(
    fc.property(rates, spends, (it, steps) => {
      const takes = noTakes();
      const all: { at: number; amount: number }[] = [];
      let now = 0;
      for (const [step, amount] of steps) {
        now += step;
        take(takes, amount, now, room(it));
        const last = all.at(-1);
        if (last?.at === now) last.amount += amount;
        else all.push({ at: now, amount });
      }
      assert.deepEqual(
        [...takesWithin(takes, it.perMs, now)],
        all.filter(({ at }) => now - at < it.perMs),
      );
    }),
  );
});

test('a rate of none lets nothing through', () => {
  assert.ok(waitMs(noTakes(), rate(0, 50), 1, 1e9) > 0);
});
