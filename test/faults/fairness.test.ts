/** One caller makes all the noise it may, or one child does. The others are not to notice. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Caller, noise, pressureOn, quantile, type Counts, type Told } from '../load/flood.ts';
import { projectRoot, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { againSays, undisturbed, type Again } from './support/stolen.ts';
import { verified } from './support/verified.ts';

const shared = `sharing = "all"\nconcurrency = 16\n${rule('allow', ['*'], 'upcalls = ["*"]')}`;
const loud = `command = "$NODE"\nargs = [${JSON.stringify(join(projectRoot, 'test', 'load', 'shouting-child.ts'))}]\n${shared}`;

/** Half a minute for each, in turns of five seconds, so that what else the machine does happens to both. */
const rounds = times(1, 6);
const turnMs = times(700, 5_000);
/** Calls that one caller makes at once: more than begin in one turn of the event loop, and more than may be under way. */
const burst = 100;

type Times = { readonly alone: number; readonly beside: number; readonly counts: readonly Counts[] };

/** How long calls of a quiet caller take (p99, ms), in turns without a noise and beside it. */
async function inTurns(
  quiet: Caller,
  noisy: (forMs: number) => Promise<Counts>,
  isNoisy: () => Promise<boolean>,
): Promise<Times> {
  const [alone, beside, told]: [number[], number[], Counts[]] = [[], [], []];
  const again: Again = { times: 0 };
  if (isWhole) await timesOf(quiet);
  for (let round = 0; round < rounds; round++) {
    const turn = await undisturbed(again, async () => {
      const without = await timesOf(quiet);
      const made = noisy(turnMs * 2);
      await until('it is noisy', isNoisy);
      return { without, with: await timesOf(quiet), counts: await made };
    });
    alone.push(...turn.without);
    beside.push(...turn.with);
    told.push(turn.counts);
  }
  figure('D-11', againSays, again.times);
  return { alone: quantile(alone, 0.99), beside: quantile(beside, 0.99), counts: told };
}

/** Of one who makes one call after the other, for one turn. */
async function timesOf(caller: Caller): Promise<number[]> {
  const told = await caller.flood(2, turnMs, 'slow', { ms: 5 });
  assert.deepEqual(
    told.filter(({ status }) => status !== 200),
    [],
    'a quiet caller was sent away',
  );
  return told.map(({ ms }) => ms);
}

describe('D-11 noise', () => {
  it('D-11 of one caller is its own: the others are let in, and hardly later', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: serving('answers', shared) },
      daemon: '[overload]\nrequests_max = 24\nper_caller_max = 12\n[log]\nlevel = "info"\n',
    });
    const quiet = await Caller.open(daemon, 'fx', await daemon.addKey('quiet'), 4);
    const place = { server: 'fx', key: daemon.key };
    const { alone, beside, counts } = await inTurns(
      quiet,
      (forMs) => noise(daemon, place, { lanes: 100, forMs, tool: 'slow', args: { ms: 5 } }),
      async () => (await pressureOn(daemon)).requests >= 8,
    );
    for (const told of counts) assert.ok((told['429'] ?? 0) > 0);
    figure('D-11', 'a call (p99) while it is quiet', `${alone.toFixed(1)} ms`);
    figure('D-11', 'a call (p99) beside a noisy caller', `${beside.toFixed(1)} ms`);
    if (isWhole) assert.ok(beside <= 2 * alone, `${beside} ms beside noise, ${alone} ms without`);
    quiet.leave();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'D-11');
  });

  it('D-11 of one caller that comes all at once takes nobody’s place but its own', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: serving('answers', shared) },
      // It is made to stand still below, and is not to be taken for late because of that.
      daemon: '[overload]\nrequests_max = 16\nper_caller_max = 12\nlag = "1m"\n[log]\nlevel = "info"\n',
    });
    const quiet = await Caller.open(daemon, 'fx', await daemon.addKey('quiet'), 1);
    const loudOne = await Caller.open(daemon, 'fx', daemon.key, burst);
    const allAtOnce = (): Promise<Told[]> =>
      Promise.all(Array.from({ length: burst }, () => loudOne.call('slow', { ms: 5 })));
    // All their connections are open before it counts.
    await Promise.all([allAtOnce(), quiet.call('slow', { ms: 5 })]);
    for (let round = 0; round < times(3, 30); round++) {
      // What was sent to a process that stands still it finds in one turn of its event loop, in the order it was sent.
      process.kill(daemon.pid, 'SIGSTOP');
      const noisy = allAtOnce();
      await sleep(50);
      const one = quiet.call('slow', { ms: 5 });
      await sleep(50);
      process.kill(daemon.pid, 'SIGCONT');
      assert.equal((await one).status, 200, `a quiet caller was sent away: ${(await one).body}`);
      // Whoever has too much of their own under way is told so, and not that everybody has.
      assert.deepEqual([...new Set((await noisy).map(({ status }) => status))].sort(), [200, 429]);
    }
    quiet.leave();
    loudOne.leave();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'D-11');
  });

  it('D-11 of one child is its own: calls of others are hardly later', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: serving('answers', shared), loud },
      daemon: '[log]\nlevel = "info"\n',
    });
    const quiet = await Caller.open(daemon, 'fx', await daemon.addKey('quiet'), 4);
    const place = { server: 'loud', key: daemon.key };
    const besideAnswersOf = async (bytes: number): Promise<Times> => {
      const found = await inTurns(
        quiet,
        (forMs) => noise(daemon, place, { lanes: 2, forMs, tool: 'large', args: { bytes } }),
        async () => (await pressureOn(daemon)).requests > 0,
      );
      for (const told of found.counts) assert.ok((told['done'] ?? 0) > 0);
      return found;
    };
    const { alone, beside } = await besideAnswersOf(64 * 1024);
    figure(
      'D-11',
      'a call (p99) beside a child that answers with 64 KiB all the time',
      `${beside.toFixed(1)} ms`,
    );
    if (isWhole) {
      assert.ok(beside <= 2 * alone, `${beside} ms beside noise, ${alone} ms without`);
      // An answer is looked through in one go, so one of a megabyte is noticed: a figure for the table, and not within the
      // criterion. See docs/limits.md.
      figure(
        'D-11',
        'the same with 1 MiB all the time',
        `${(await besideAnswersOf(2 ** 20)).beside.toFixed(1)} ms`,
      );
    }
    quiet.leave();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'D-11');
  });
});
