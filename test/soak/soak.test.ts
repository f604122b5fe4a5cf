// The short version of `soak.ts`, and the judge of its slopes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pulse } from '../faults/support/pulse.ts';
import { figure } from '../support/faults.ts';
import { flatness, slopePerHour } from './flat.ts';
import { brokenBy, type Shown } from './judge.ts';
import { runSoak } from './run-soak.ts';

describe('a soak', { timeout: 110_000 }, () => {
  it('D-12 twelve seconds with trouble all the time break no promise', async (t) => {
    const rows: string[] = [];
    const summary = await runSoak({
      minutes: 0.2,
      seed: 12,
      chaosEveryMs: 1400,
      kindsMin: 3,
      pauseMs: 60,
      print: (line) => rows.push(line),
    });
    assert.deepEqual(summary.broken, [], rows.join('\n'));
    assert.ok(summary.calls > 100, `only ${summary.calls} calls`);
    assert.ok(Object.keys(summary.acts).length >= 3, JSON.stringify(summary.acts));
    for (const [name, { turns }] of Object.entries(summary.guests))
      assert.ok(turns > 0, `${name} did nothing`);
    t.diagnostic(JSON.stringify({ ...summary, guests: undefined }));
    figure('D-12', 'quick run: calls', summary.calls);
  });
});

describe('the judge of the soak', () => {
  const pulse = (at: number, heapMiB: number, timers: number): Pulse => ({
    ...{ at, heapMiB, lateMs: 0, ownMs: 0, rssMiB: 100, collected: true, handles: { Timeout: timers } },
  });
  const minute = 60_000;
  const hour = Array.from({ length: 61 }, (_, n) => n * minute);

  it('finds a heap that grows by 6 MiB an hour, and timers that are never cleared', () => {
    const growing = flatness(
      hour.map((at) => pulse(at, 30 + (6 * at) / (60 * minute) + Math.sin(at), 10 + at / minute)),
      [],
    );
    assert.ok(growing.heapMiBPerHour > 5 && growing.heapMiBPerHour < 7, String(growing.heapMiBPerHour));
    assert.ok(growing.timers > 10);
  });

  it('lets noise and a warm-up pass', () => {
    const flat = flatness(
      hour.map((at) => pulse(at, (at < 10 * minute ? 10 : 30) + Math.sin(at), 10)),
      hour.map((at) => [at, 40 + (at % 3)]),
    );
    assert.ok(Math.abs(flat.heapMiBPerHour) < 1, String(flat.heapMiBPerHour));
    assert.ok(Math.abs(flat.timers) + Math.abs(flat.fds) <= 2);
  });

  describe('of the daemon as a whole', () => {
    const flat = { minutes: 32, heapMiBPerHour: 1, rssMiBPerHour: 9, fds: -1, timers: 0, handles: 3 };
    const acts = ['a child is killed', 'the clock jumps'];
    const good: Shown = {
      ...{ minutes: 60, flat, acts, seen: { orphans: 0, zombies: 0, ownMs: 21 } },
      acted: new Map(acts.map((name) => [name, 1])),
    };
    const seen = (more: Partial<Shown['seen']>): Partial<Shown> => ({ seen: { ...good.seen, ...more } });

    it('is content with one that kept everything, and with a short one that could not show all', () => {
      assert.deepEqual(brokenBy(good), []);
      const short = { ...good, minutes: 0.2, flat: { ...flat, minutes: 0.1 }, acted: new Map() };
      assert.deepEqual(brokenBy(short), []);
    });

    const cases: readonly (readonly [what: string, more: Partial<Shown>, says: RegExp])[] = [
      ['a zombie', seen({ zombies: 1 }), /zombies that nobody collected: 1/],
      ['an orphan', seen({ orphans: 1 }), /outlived their daemon: 1/],
      ['an event loop that stood still', seen({ ownMs: 251 }), /251 ms/],
      ['a heap that grows', { flat: { ...flat, heapMiBPerHour: 5.1 } }, /heap grows/],
      ['descriptors that grow', { flat: { ...flat, fds: 11 } }, /fds grew by 11/],
      ['timers that grow', { flat: { ...flat, timers: 11 } }, /timers grew by 11/],
      ['handles that grow', { flat: { ...flat, handles: 11 } }, /handles grew by 11/],
      ['an hour without a life to judge', { flat: { ...flat, minutes: 19 } }, /long enough/],
      [
        'an hour in which something never happened',
        { acted: new Map([['a child is killed', 9]]) },
        /never happened that the clock jumps/,
      ],
    ];
    for (const [what, more, says] of cases)
      it(`calls ${what} broken`, () => {
        const broken = brokenBy({ ...good, ...more });
        assert.equal(broken.length, 1, broken.join('\n'));
        assert.match(broken[0] ?? '', says);
      });
  });

  it('gives no slope for a line of two points', () =>
    assert.equal(
      slopePerHour([
        [0, 1],
        [1, 9],
      ]),
      0,
    ));
});
