// C-09: the daemon is asked to stop while fifty calls are in flight.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LegacyCaller, type Deed } from '../load/callers.ts';
import { alive, rule, serving, until } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { JournalTail } from './support/tail.ts';
import { recordVerified, verifyJournal } from './support/verify.ts';
import { Watched } from './support/watch.ts';

const inFlight = 50;
/** Half of it is the time in which a slow machine must have all calls on their way. */
const drainMs = 3000;
/** The longest that the event loop may ever be late. */
const atOnceMs = 250;
const policy = (sharing: string): string =>
  serving(
    'answers',
    `sharing = "${sharing}"\nconcurrency = 64\nanswer_within = "10m"\n${rule('allow', ['*'], 'record = ["text"]\n')}`,
  );

describe('the daemon drains', { timeout: isWhole ? 600_000 : 110_000 }, () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    it(`C-09 ${signal} with ${inFlight} calls in flight: new ones are refused at once, the others end in time, nothing is left`, async () => {
      for (let turn = 0; turn < times(1, 10); turn++) await drained(signal);
      recordVerified('C-09');
    });
});

async function drained(signal: NodeJS.Signals): Promise<void> {
  await using watched = await Watched.start({
    servers: { shared: policy('all'), own: policy('session') },
    daemon: `[stop]\ndrain_within = "${drainMs}ms"\n`,
    unprobed: true,
  });
  const { daemon } = watched;
  const at = (server: string) => ({ url: daemon.url, server, key: daemon.key });
  const callers = ['shared', 'shared', 'own'].map((server) => new LegacyCaller(server, at(server), 64));
  const late = new LegacyCaller('late', at('shared'));
  assert.equal((await late.call('echo', { text: 'before' })).end, 'answered');
  // Half of them end by themselves while it drains, and half never would.
  const calls = Array.from({ length: inFlight }, (_, n) => {
    const caller = callers[n % callers.length] as LegacyCaller; // There is one for every remainder.
    return caller.call('slow', { text: randomUUID(), ms: n % 2 === 0 ? drainMs / 2 : 600_000 });
  });
  await until('all are in flight', async () => (await daemon.ctl('status'))['callsInFlight'] === inFlight);
  const old = [daemon.pid, ...watched.marked()];

  const from = performance.now();
  const ended = watched.end(signal);
  const [refused, after]: [Deed[], Deed[]] = [[], []];
  let [refusedAfterMs, over] = [0, false];
  void ended.then(() => (over = true));
  while (!over) {
    const deed = await late.call('echo', { text: randomUUID() });
    if (deed.end === 'unheard') break;
    if (deed.end === 'turned away') {
      if (refused.length === 0) refusedAfterMs = performance.now() - from;
      refused.push(deed);
    } else if (refused.length > 0) after.push(deed);
    await sleep(20);
  }
  const deeds = await Promise.all(calls);
  const tookMs = Math.max(...deeds.map(({ to }) => to - from));
  assert.equal(await ended, 0);

  assert.ok(refused.length > 0, 'nobody was refused');
  assert.deepEqual(after, [], 'once one is refused, all are');
  for (const deed of refused) {
    assert.equal(deed.status, 503);
    assert.ok(deed.retryAfter >= 1);
  }
  for (const [n, deed] of deeds.entries())
    if (n % 2 === 0) assert.equal(deed.said, 'done');
    else assert.equal(deed.end, 'failed', `${deed.end} ${deed.said}`);
  assert.deepEqual(old.filter(alive), [], 'nothing outlives the daemon, not for a moment');
  const journal = new JournalTail(daemon).read();
  assert.deepEqual(journal.wrong, []);
  assert.deepEqual(journal.endless(), [], 'every call that went out has its end on record');
  for (const { text } of refused) assert.ok(!journal.texts.has(text), 'what was refused went out');
  assert.equal(await verifyJournal(daemon), '');
  figure('C-09', `${signal}: refused after ms`, Math.round(refusedAfterMs));
  figure('C-09', `${signal}: last answer after ms (drain ${drainMs})`, Math.round(tookMs));
  if (isWhole) {
    assert.ok(refusedAfterMs <= atOnceMs, `refused only after ${refusedAfterMs} ms`);
    // When the drain is over, whoever still waits is told; what is allowed beyond it is the way of that message.
    assert.ok(tookMs <= drainMs + atOnceMs, `${tookMs} ms`);
  }
  [...callers, late].forEach((caller) => caller.hangUp());
}
