import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Lateness } from '../../src/front/lateness.ts';

/** Ticks that come so late each, and whether it counts as late after each. */
function after(lagMs: number, lateMs: readonly number[]): boolean[] {
  let now = 0;
  const lateness = new Lateness(lagMs, now);
  return lateMs.map((late) => {
    now += lateness.tickMs + late;
    lateness.tick(now);
    return lateness.isLate;
  });
}

describe('lateness', () => {
  it('begins with one tick that is later than may be', () => {
    assert.deepEqual(after(1000, [0, 999, 1001]), [false, false, true]);
  });

  it('ends after two ticks in a row that were well below, so that the door does not flap', () => {
    assert.deepEqual(after(1000, [1001, 0, 0]), [true, true, false]);
    assert.deepEqual(after(1000, [1001, 0, 600, 0, 0]), [true, true, true, true, false]);
    assert.deepEqual(after(1000, [1001, 600, 900, 999]), [true, true, true, true]);
  });

  it('says when it turned, and only then', () => {
    const lateness = new Lateness(100, 0);
    let now = 0;
    const said = [0, 200, 200, 0, 0, 0].map((late) => lateness.tick((now += lateness.tickMs + late)));
    assert.deepEqual(said, ['same', 'turned', 'same', 'same', 'turned', 'same']);
  });

  it('remembers the worst of a minute, and not for longer', () => {
    const lateness = new Lateness(1000, 0);
    let now = lateness.tickMs + 700;
    lateness.tick(now);
    assert.equal(lateness.worstMs, 700);
    for (let passed = 0; passed < 50_000; passed += lateness.tickMs) lateness.tick((now += lateness.tickMs));
    assert.equal(lateness.worstMs, 700);
    for (let passed = 0; passed < 25_000; passed += lateness.tickMs) lateness.tick((now += lateness.tickMs));
    assert.equal(lateness.worstMs, 0);
  });

  it('looks often enough to see what it is to see, and not more often than is cheap', () => {
    assert.deepEqual(
      [50, 1000, 60_000].map((lagMs) => new Lateness(lagMs, 0).tickMs),
      [12.5, 250, 250],
    );
  });
});
