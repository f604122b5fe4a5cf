// D-01: two hundred sessions with equal ids at one shared child, and every reply is its own; and what a call costs while each of
// them makes ten a second. The crowd and its judge are those of test/load.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runCrowd } from '../load/crowd.ts';
import { Echo } from '../load/echo.ts';
import { Caller, placeOf, quantile, type Place } from '../load/flood.ts';
import { paced } from '../load/pace.ts';
import { projectRoot, rule, run, serving, TestDaemon } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { againSays, undisturbed, type Again } from './support/stolen.ts';
import { verified } from './support/verified.ts';

describe('replies find their way', { timeout: isWhole ? 3_600_000 : 110_000 }, () => {
  it(`D-01 ${times(4000, 1_000_000)} replies to ${times(50, 200)} sessions, none foreign, none lost`, async () => {
    const replies = times(4000, 1_000_000);
    const plan = {
      replies,
      sessions: times(50, 200),
      callers: 8,
      notesEvery: 4,
      onProgress: () => undefined,
    };
    const { samples, ...seen } = await runCrowd(plan);
    figure('D-01', 'replies', seen.replies);
    figure('D-01', 'replies/s', Math.round(seen.replies / seen.seconds));
    figure('D-01', 'progress notes', seen.notes);
    figure('D-01', 'cancelled', seen.cancelled);
    figure('D-01', 'wrong replies', seen.foreign + seen.lost + seen.odd);
    const { foreign, lost, odd } = seen;
    assert.deepEqual({ foreign, lost, odd }, { foreign: 0, lost: 0, odd: 0 }, samples.join('\n'));
    assert.equal(seen.replies, replies);
    assert.equal(seen.children, 1, 'the child was not shared');
  });

  const [sessions, perSecond] = [times(20, 200), 10];
  it(`D-01 ${sessions} sessions make ${perSecond} calls a second each, and wait for none of them`, async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: serving('answers', `sharing = "all"\nconcurrency = 256\n${rule('allow', ['*'])}`) },
      daemon: '[log]\nlevel = "info"\n',
    });
    const keys = [daemon.key];
    while (keys.length < 8) keys.push(await daemon.addKey(`caller-${keys.length}`));
    const places: Place[] = [];
    for (let n = 0; n < sessions; n++) places.push(await placeOf(daemon, 'fx', keys[n % keys.length] ?? ''));
    // One in ten is measured, from here; the others make their calls in a process of their own.
    const measured = places
      .splice(0, sessions / 10)
      .map((place, n) => new Echo(Caller.at(place, 1), `m-${n}`));
    const forMs = times(1000, 60_000);
    const steady = (forMs: number): Promise<string> => {
      const order = JSON.stringify({ places, perSecond: places.length * perSecond, forMs });
      const driver = join(projectRoot, 'test', 'load', 'steady.ts');
      return run(process.execPath, [driver], process.env, order).then(({ stdout, stderr }) => {
        if (stdout === '') throw new Error(`whoever makes the calls failed: ${stderr}`);
        return stdout;
      });
    };
    // Before it counts, everything is as warm as it is in a daemon that runs.
    if (isWhole) await steady(10_000);
    const again: Again = { times: 0 };
    const { rate, took } = await undisturbed(again, async () => {
      const others = steady(forMs);
      const took: number[] = [];
      const until = performance.now() + forMs;
      const { done, seconds } = await paced(
        measured.length * perSecond,
        measured.length,
        () => performance.now() < until,
        async (lane) => void took.push((await measured[lane]?.call()) ?? Infinity),
      );
      const seen = JSON.parse(await others) as {
        done: number;
        seconds: number;
        wrong: number;
        samples: string[];
      };
      assert.deepEqual(seen.samples, []);
      assert.equal(seen.wrong, 0);
      return { rate: done / seconds + seen.done / seen.seconds, took };
    });
    const wrong = measured.flatMap((it) => it.wrong);
    assert.deepEqual(wrong, []);
    figure('D-01', againSays, again.times);
    const [p50, p99] = [quantile(took, 0.5), quantile(took, 0.99)];
    figure('D-01', `calls/s of ${sessions} sessions`, Math.round(rate));
    figure('D-01', 'a call (p50), its server included', `${p50.toFixed(1)} ms`);
    figure('D-01', 'a call (p99), its server included', `${p99.toFixed(1)} ms`);
    for (const it of measured) it.leave();
    if (isWhole) {
      assert.ok(rate >= 0.95 * sessions * perSecond, `only ${rate} calls/s were made`);
      // The whole way, with the server's part and the driver's: what mcpd adds is less.
      assert.ok(p50 <= 3, `half of the calls took more than ${p50} ms`);
      assert.ok(p99 <= 25, `one call in a hundred took more than ${p99} ms`);
    }
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'after a steady load');
  });
});
