import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noTakes, take, waitMs, type Takes } from '../../src/limits/window.ts';

const rate = (count: number, perMs: number) => ({ count, perMs, text: `${count}/${perMs}` });

/** Tries at each time and gives the times that were allowed. */
function allowed(takes: Takes, it: ReturnType<typeof rate>, times: readonly number[]): number[] {
  return times.filter((now) => {
    if (waitMs(takes, it, now) > 0) return false;
    take(takes, it, now);
    return true;
  });
}

const rates = fc.record({
  count: fc.integer({ min: 1, max: 40 }),
  perMs: fc.integer({ min: 1, max: 100 }),
  text: fc.constant(''),
});
const walks = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 300 }).map((steps) => {
  let now = 0;
  return steps.map((step) => (now += step));
});

test('no window holds more than the count, and nothing that fits is refused', () => {
  fc.assert(
    fc.property(rates, walks, (it, times) => {
      const expected: number[] = [];
      for (const now of times) {
        if (expected.filter((at) => now - at < it.perMs).length < it.count) expected.push(now);
      }
      assert.deepEqual(allowed(noTakes(), it, times), expected);
    }),
  );
});

test('the wait is exact: a moment before it is over there is no room, then there is', () => {
  fc.assert(
    fc.property(rates, walks, (it, times) => {
      const takes = noTakes();
      allowed(takes, it, times);
      const now = times.at(-1) ?? 0;
      const wait = waitMs(takes, it, now);
      if (wait > 0) assert.ok(waitMs(takes, it, now + wait - 0.5) > 0);
      assert.equal(waitMs(takes, it, now + wait), 0);
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
        assert.ok(taken.slice(0, index + 1).filter((it) => now - it < after.perMs).length <= after.count);
      }
    }),
  );
});

test('a rate that looks further back than the ring counts what the ring forgot', () => {
  const takes = noTakes();
  const times = Array.from({ length: 50 }, (_, at) => at);
  assert.equal(allowed(takes, rate(1, 1), times).length, 50);
  assert.ok(waitMs(takes, rate(20, 1000), 50) > 0);
});

test('room grows with use, not with the rate', () => {
  const takes = noTakes();
  const daily = rate(1_000_000, 86_400_000);
  for (let now = 0; now < 100; now++) take(takes, daily, now);
  assert.equal(takes.times.length, 128);
  const brisk = noTakes();
  for (let now = 0; now < 10_000; now++) take(brisk, rate(1000, 5), now);
  assert.equal(brisk.times.length, 8);
});

test('a rate of none lets nothing through', () => {
  assert.ok(waitMs(noTakes(), rate(0, 50), 1e9) > 0);
});
