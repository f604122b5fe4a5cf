/**
 * The disk fails, or is slow, at the moment where it has to say that it has everything. What it did not confirm counts as lost:
 * the kernel may have thrown the pages away and say yes the next time (PostgreSQL's "fsyncgate"). Syncs happen in threads, so
 * the daemon gets a single one, and "the first" means the first.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { rawEnv, rule, serving, TestDaemon, until, type Rpc, type TestSession } from '../support/daemon.ts';
import { figure, times } from '../support/faults.ts';
import { History, journalText, operate, went } from './support/history.ts';
import { boot, readiness } from './support/launch.ts';
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
    history: History;
    fault: Attached;
    files: number;
  }) => Promise<void>,
): Promise<void> {
  await using daemon = await TestDaemon.start({ servers: { fx: server }, canaries: false, boot: false });
  await boot(daemon, { env: { UV_THREADPOOL_SIZE: '1' } });
  const history = new History(daemon);
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
  try {
    await work({ daemon, session, history, fault, files });
  } finally {
    await fault.off();
  }
}

/** How many writing calls the child has seen. */
const made = (daemon: TestDaemon) => daemon.raw().split('"name":"echo"').length - 1;

/** How many of their records are written, whether or not the disk has them. */
const intents = (daemon: TestDaemon) => journalText(daemon).split('"phase":"intent"').length - 1;

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
      await verified(daemon, 'after slow syncs');
    });
  });

  it(
    'C-14 a disk that hangs: the line before it is bounded, and whoever finds it full is told so',
    { skip: onlyWhole },
    async (t) => {
      await withFault('delay_enter=60000000', async ({ daemon, fault }) => {
        const session = await daemon.session('fx');
        const replies: Rpc[] = [];
        const calls = Array.from({ length: times(20, 500) }, (_, n) =>
          session.call('echo', { text: `hangs-${n}` }).then((reply) => replies.push(reply)),
        );
        await until('the first of them is written', () => intents(daemon) > 1);
        await until('the first is told that the disk is slow', () => replies.length > 0, 1000);
        assert.equal((await fetch(`${daemon.url}/healthz`)).status, 200);
        assert.doesNotMatch(daemon.raw(), /hangs-/);
        // The tracer lets go: the sync that hangs returns, and whatever still waits is made or refused.
        await fault.off();
        await Promise.all(calls);
        const away = replies.filter(refused).length;
        assert.ok(away > 0);
        t.diagnostic(`${away} of ${replies.length} refused`);
        await until('readiness is true', async () => (await readiness(daemon)).status === 200, 400);
        await verified(daemon, 'after a disk that hung');
      });
    },
  );
});
