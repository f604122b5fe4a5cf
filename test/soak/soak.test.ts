// The short version of `soak.ts`, and the judge of its slopes.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pulse } from '../faults/support/pulse.ts';
import { figure } from '../support/faults.ts';
import { flatness, slopePerHour } from './flat.ts';
import { runSoak } from './run-soak.ts';

describe('a soak', { timeout: 110_000 }, () => {
  it('D-12 twelve seconds with trouble all the time break no promise', async (t) => {
    const rows: string[] = [];
    const summary = await runSoak({
      minutes: 0.2,
      seed: 12,
      chaosEveryMs: 1400,
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

  it('gives no slope for a line of two points', () =>
    assert.equal(
      slopePerHour([
        [0, 1],
        [1, 9],
      ]),
      0,
    ));
});
