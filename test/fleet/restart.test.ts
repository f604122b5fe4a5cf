import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { usualCare } from '../../src/domain/care.ts';
import { standardPace } from '../../src/fleet/pace.ts';
import { afterDeath, noDeaths, type Deaths } from '../../src/fleet/restart.ts';

const pace = { ...standardPace, ...usualCare };

describe('afterDeath', () => {
  it('doubles the pause with each death in a row', () => {
    let deaths = noDeaths;
    const pauses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const verdict = afterDeath(deaths, i * 10_000, 0, 1, pace);
      if (verdict.kind === 'again') pauses.push(verdict.inMs);
      deaths = verdict.deaths;
    }
    assert.deepEqual(pauses, [250, 500, 1000, 2000, 4000]);
  });

  it('gives up at the sixth death in a minute, and not at the fifth', () => {
    let deaths = noDeaths;
    const kinds: string[] = [];
    for (let i = 0; i < 6; i++) {
      const verdict = afterDeath(deaths, i * 1000, 0, 0, pace);
      kinds.push(verdict.kind);
      deaths = verdict.deaths;
    }
    assert.deepEqual(kinds, ['again', 'again', 'again', 'again', 'again', 'give-up']);
  });

  it('goes on for ever with a child that dies seldom', () => {
    let deaths = noDeaths;
    for (let i = 0; i < 100; i++) {
      const verdict = afterDeath(deaths, i * 15_000, 14_000, 0.5, pace);
      assert.equal(verdict.kind, 'again');
      deaths = verdict.deaths;
    }
  });

  it('forgives everything after a good run', () => {
    const before: Deaths = { at: [1, 2, 3, 4, 5], inARow: 5 };
    const verdict = afterDeath(before, 70_000, 60_000, 1, pace);
    assert.deepEqual(verdict, { kind: 'again', inMs: 250, deaths: { at: [70_000], inARow: 1 } });
  });

  it('pauses between half and all of the full time, never longer than the cap', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.double({ min: 0, max: 1, noNaN: true }), (inARow, random) => {
        const verdict = afterDeath({ at: [], inARow }, 0, 0, random, pace);
        assert.ok(verdict.kind === 'again');
        const full = Math.min(30_000, 250 * 2 ** inARow);
        assert.ok(verdict.inMs >= full / 2 && verdict.inMs <= full);
      }),
    );
  });
});
