import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { Pace } from '../../src/front/pace.ts';

/** Lets so many begin and notes down which did. */
function begin(pace: Pace, names: readonly number[], begun: number[]): Promise<unknown> {
  return Promise.all(
    names.map(async (name) => {
      const turn = pace.turn();
      if (turn !== undefined) await turn;
      begun.push(name);
    }),
  );
}

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);

describe('who begins in one turn of the event loop', () => {
  it('does not wait while there is room', () => {
    const pace = new Pace(4);
    for (let at = 0; at < 4; at++) assert.equal(pace.turn(), undefined);
    assert.ok(pace.turn() instanceof Promise);
    assert.equal(pace.waiting, 1);
  });

  it('are so many, and the others in the next turns, in the order they came', async () => {
    const pace = new Pace(4);
    const begun: number[] = [];
    const all = begin(pace, numbers(0, 10), begun);
    assert.deepEqual(begun, numbers(0, 4));
    await nextTurn();
    assert.deepEqual(begun, numbers(0, 8));
    await nextTurn();
    assert.deepEqual(begun, numbers(0, 10));
    await all;
    assert.equal(pace.waiting, 0);
  });

  it('has room again after a turn', async () => {
    const pace = new Pace(2);
    for (let turn = 0; turn < 3; turn++) {
      assert.equal(pace.turn(), undefined);
      assert.equal(pace.turn(), undefined);
      await nextTurn();
    }
    assert.equal(pace.waiting, 0);
  });

  it('never overtakes who waits', async () => {
    const pace = new Pace(2);
    const begun: number[] = [];
    const first = begin(pace, numbers(0, 5), begun);
    await nextTurn();
    // Two have just begun in this turn, one still waits.
    const second = begin(pace, numbers(5, 8), begun);
    await Promise.all([first, second]);
    assert.deepEqual(begun, numbers(0, 8));
  });

  it('leaves room for what else there is to do between two turns', async () => {
    const pace = new Pace(1);
    const begun: number[] = [];
    const all = begin(pace, numbers(0, 100), begun);
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.ok(begun.length < 100, 'a timer had to wait for all of them');
    await all;
  });

  it('loses nobody, whatever comes when', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 12 }),
        async (most, arrivals) => {
          const pace = new Pace(most);
          const begun: number[] = [];
          const all: Promise<unknown>[] = [];
          let next = 0;
          for (const count of arrivals) {
            const before = begun.length;
            all.push(begin(pace, numbers(next, (next += count)), begun));
            await nextTurn();
            // What came in this turn, and what had waited for it.
            assert.ok(begun.length - before <= 2 * most, `${begun.length - before} of ${most}`);
          }
          await Promise.all(all);
          assert.deepEqual(begun, numbers(0, next));
          assert.equal(pace.waiting, 0);
        },
      ),
    );
  });
});
