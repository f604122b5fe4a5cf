/**
 * The disk fails, or is slow, at the moment where it has to say that it has everything. What it did not confirm counts as lost:
 * the kernel may have thrown the pages away and say yes the next time (PostgreSQL's "fsyncgate"). Syncs happen in threads, so
 * the daemon gets a single one, and "the first" means the first.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { rawEnv, rule, serving, TestDaemon, until, type Rpc, type TestSession } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { History, journalText, operate, went } from './support/history.ts';
import { boot, readiness } from './support/launch.ts';
import { probe, type Probed } from './support/prober.ts';
import { Attached, untraceable } from './support/strace.ts';
import { verified } from './support/verified.ts';
import { onlyWhole } from './support/whole.ts';

const skip = untraceable();
const syncs = 'fsync,fdatasync,sync_file_range,syncfs,sync';
/** `echo` writes and waits for the disk, `list_dir` reads and does not. */
const server = serving(
  'answers',
  `${rawEnv}[tools.list_dir]\nrisk = "read"\neffect = "looks"\n[tools.echo]\nrisk = "write"\neffect = "writes"\n` +
    rule('allow', ['*'], 'record = ["text"]'),
);

/** One daemon with a fault on its journal, and what came of it. */
async function withFault(
  how: string,
  work: (rig: {
    daemon: TestDaemon;
    session: TestSession;
    /** The key of somebody else. */
    other: string;
    history: History;
    fault: Attached;
    files: number;
  }) => Promise<void>,
  more = '',
): Promise<void> {
  await using daemon = await TestDaemon.start({ servers: { fx: server }, daemon: more, boot: false });
  await boot(daemon, { env: { UV_THREADPOOL_SIZE: '1' } });
  const history = new History(daemon);
  const other = more === '' ? daemon.key : await daemon.addKey('another');
  // Before the fault: to open a session is no call that this is about.
  const session = await daemon.session('fx');
  await history.call(session);
  assert.equal(history.acknowledged.length, 1);
  const files = daemon.journalFiles().length;
  const fault = await Attached.to(
    daemon.pid,
    join(daemon.dir, 'strace.log'),
    [{ calls: syncs, how }],
    Array.from({ length: 40 }, (_, n) =>
      join(daemon.state, 'audit', `journal-${String(n + 1).padStart(6, '0')}.jsonl`),
    ),
  );
  const stop = probe(daemon.url);
  let health: Probed;
  try {
    await work({ daemon, session, other, history, fault, files });
  } finally {
    health = await stop();
    await fault.off();
  }
  assert.ok(health.failures === 0 && health.answers > 0, `whether it lives: ${JSON.stringify(health)}`);
  figure(how.startsWith('delay') ? 'C-14' : 'C-13', `health worst ms, ${how}`, health.worstMs);
  // The disk is waited for in a thread, and never by the loop.
  if (isWhole) assert.ok(health.worstMs <= 250, `health took ${health.worstMs} ms`);
  assert.equal(await daemon.end(), 0);
  await verified(daemon, 'at the end');
}

/** How many writing calls the child has seen. */
const made = (daemon: TestDaemon) => daemon.raw().split('"name":"echo"').length - 1;

/** How many of their records are written, whether or not the disk has them. */
const intents = (daemon: TestDaemon) => journalText(daemon).split('"phase":"intent"').length - 1;

/** What the child saw, and what its records say, in their order: texts of calls. */
const orderMade = (daemon: TestDaemon) => daemon.raw().match(/t-[0-9a-f-]{36}/g) ?? [];
const orderRecorded = (daemon: TestDaemon) =>
  daemon
    .journal()
    .filter(({ kind }) => kind === 'decision')
    .map(({ resources }) => (resources as { text?: string } | undefined)?.text ?? '')
    .filter((text) => text.startsWith('t-'));

const turnedAway = ({ status, body }: Rpc) => status === 429 && body.error?.code === 1429;
const refused = ({ status, body }: Rpc) => status === 503 && body.error?.code === 1510;

describe('the disk does not say yes', { skip }, () => {
  it('C-13 a sync fails once: the call is not made, what follows goes into a new file, and the operator is told', async () => {
    await withFault('error=EIO:when=1', async ({ daemon, session, history, fault, files }) => {
      const reply = await session.call('echo', { text: 'never synced' });
      await until('the sync failed', () => fault.fired() === 1, 20);
      assert.ok(refused(reply), JSON.stringify(reply.body));
      assert.ok(!daemon.raw().includes('never synced'), 'not made: nobody knows whether it is on record');
      await until('calls are made again', async () => {
        const before = history.acknowledged.length;
        await history.call(session);
        return history.acknowledged.length > before;
      });
      assert.equal(fault.fired(), 1);
      assert.ok(daemon.journalFiles().length > files, 'a file whose sync failed is not written to again');
      assert.match(journalText(daemon), /"kind":"io-error"/);
      assert.match(daemon.log(), /EIO|cannot sync/);
      history.checkRecords();
      await verified(daemon, 'after a sync that failed once');
    });
  });

  it('C-13 every sync fails: no writing call is made, readiness is false, and all comes back with the disk', async () => {
    await withFault('error=EIO', async ({ daemon, session, history, fault }) => {
      const seen = daemon.raw().length;
      for (let n = 0; n < 5; n++) {
        const reply = await session.call('echo', { text: `lost-${n}` });
        assert.ok(refused(reply), JSON.stringify(reply.body));
      }
      assert.ok(fault.fired() > 0);
      assert.doesNotMatch(daemon.raw().slice(seen), /lost-/);
      await until('readiness is false', async () => (await readiness(daemon)).status === 503);
      // The kill switch asks the journal's disk for nothing.
      const off = await history.switchTo('off');
      assert.equal(off['changed'], true, JSON.stringify(off));
      await fault.off();
      await until('readiness is true', async () => (await readiness(daemon)).status === 200);
      await until('calls are made again', async () => {
        const before = history.acknowledged.length;
        await history.call(session);
        return history.acknowledged.length > before;
      });
      assert.equal(went(await session.call('list_dir')), false, 'switched off meanwhile');
      history.checkRecords();
      await verified(daemon, 'after many syncs failed');
    });
  });

  it('C-14 a sync takes 2 s: who needs it waits, nobody else does, and the order stays', async (t) => {
    await withFault('delay_enter=2000000', async ({ daemon, session, history, fault }) => {
      let answered = 0;
      const slow = Array.from({ length: times(20, 200) }, () =>
        history.call(session).finally(() => answered++),
      );
      await until('the first of them is written', () => intents(daemon) > 1);
      assert.equal(made(daemon), 1, 'a call that writes was made before its record was on the disk');
      // All of these come and go while the writing calls stand and wait: were the loop blocked, none would.
      let others = 0;
      while (others < 20) {
        assert.equal((await fetch(`${daemon.url}/healthz`)).status, 200);
        assert.equal(went(await session.call('list_dir')), true);
        if (others % 5 === 0) assert.equal((await operate(daemon, 'status')).ok, true);
        if (answered > 0) break;
        others++;
      }
      assert.ok(others >= 1, `${others} rounds of other work before the disk had answered`);
      t.diagnostic(`${others} rounds of other work while ${slow.length} calls waited for the disk`);
      await Promise.all(slow);
      assert.equal(
        history.acknowledged.length,
        slow.length + 1,
        'group commit: one sync serves all that wait',
      );
      figure('C-14', `syncs for ${slow.length} calls`, fault.fired());
      await fault.off();
      history.checkRecords();
      assert.deepEqual(orderMade(daemon), orderRecorded(daemon), 'made in another order than recorded');
      await verified(daemon, 'after slow syncs');
    });
  });

  it(
    'C-14 a disk that hangs: as many calls wait as may be under way, the next is told so at once, and all of them soon',
    { skip: onlyWhole },
    async (t) => {
      const perCaller = 200;
      const bounds = `[overload]\nrequests_max = ${2 * perCaller + 50}\nper_caller_max = ${perCaller}\n`;
      const work: Parameters<typeof withFault>[1] = async ({ daemon, session, other, fault }) => {
        const sessions = [session, await daemon.session('fx', { key: other })];
        const before = intents(daemon);
        const replies: Rpc[] = [];
        const calls = Array.from({ length: 500 }, (_, n) =>
          (sessions[n % 2] as TestSession) // Two keys, two sessions.
            .call('echo', { text: `hangs-${n}` })
            .then((reply) => replies.push(reply)),
        );
        await until('whoever finds the line full is told', () => replies.length > 0, 1000);
        assert.ok(replies.every(turnedAway), JSON.stringify(replies.find((it) => !turnedAway(it))?.body));
        await until('those that wait are told that the disk is slow', () => replies.some(refused), 1000);
        const waited = intents(daemon) - before;
        assert.ok(waited > 0 && waited <= 2 * perCaller, `${waited} calls waited`);
        assert.doesNotMatch(daemon.raw(), /hangs-/);
        // The tracer lets go: the sync that hangs returns, and whatever still waits is made or refused.
        await fault.off();
        await Promise.all(calls);
        const away = replies.filter(turnedAway).length;
        const late = replies.filter(refused).length;
        assert.equal(away + late + replies.filter(went).length, calls.length, 'every call had its answer');
        assert.ok(away >= calls.length - 2 * perCaller && late > 0, `${away} turned away, ${late} refused`);
        t.diagnostic(`${away} turned away and ${late} refused of ${calls.length}`);
        figure(
          'C-14',
          `of ${calls.length} calls at a disk that hangs`,
          `${away} turned away, ${late} refused`,
        );
        await until('readiness is true', async () => (await readiness(daemon)).status === 200, 400);
      };
      await withFault('delay_enter=60000000', work, bounds);
    },
  );
});
