// C-10: the daemon is killed at any moment under load, and starts again, over and over. What anybody was promised is held
// against what is there afterwards; see `support/storm.ts`.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Dice } from '../support/dice.ts';
import { alive, initialize, post, until, type TestDaemon } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { endsQuietly } from './support/beside.ts';
import { Storm, stormServers } from './support/storm.ts';
import { recordVerified, verifyJournal } from './support/verify.ts';
import { Watched } from './support/watch.ts';

const seed = Number(process.env['MCPD_SEED'] ?? 20_261_120);
const kills = times(3, 100);

describe('the daemon is killed', { timeout: isWhole ? 1_800_000 : 110_000 }, () => {
  it(`C-10 kill -9 at random under load, ${kills} times: nothing acknowledged is lost, nothing comes back that was taken away`, async (t) => {
    t.diagnostic(`MCPD_SEED=${seed}`);
    const dice = new Dice(seed);
    await using watched = await Watched.start({ servers: stormServers });
    const { daemon } = watched;
    const storm = new Storm(daemon, dice);
    const ready: number[] = [];
    storm.begin(20);
    try {
      for (let kill = 0; kill < kills; kill++) {
        storm.operate();
        await sleep(150 + dice.upTo(isWhole ? 1500 : 700));
        const old = [daemon.pid, ...watched.marked()];
        const sessions = storm.callers.flatMap((it) =>
          'session' in it ? [it.session as string | undefined] : [],
        );
        await watched.end('SIGKILL');
        await storm.quiet();
        ready.push(await watched.boot());

        await watched.gone(old);
        await storm.checkStanding();
        storm.checkRecord();
        for (const session of sessions) if (session !== undefined) await isUnknown(daemon, session);
        if (kill % 5 === 2) await secondDaemonGivesUp(daemon);
        assert.equal(storm.unsure, 0, 'the disk of this test is neither slow nor full');
        assert.deepEqual(storm.broken, [], `after kill ${kill + 1}, MCPD_SEED=${seed}`);
        assert.deepEqual(storm.journal.wrong, [], `after kill ${kill + 1}, MCPD_SEED=${seed}`);
        // A process of its own, half a second each: now and then while calls go on, and at the end of all.
        if (isWhole && kill % 5 === 4) assert.equal(await verifyJournal(daemon), '');
      }
      storm.operate();
      // A run that asked for nothing would have found nothing.
      await until('enough was asked of it', () => askedEnough(storm), 1200);
    } finally {
      await storm.end();
    }
    await endsQuietly(watched);
    storm.checkRecord();
    assert.deepEqual([...storm.broken, ...storm.journal.wrong], []);
    assert.equal(await verifyJournal(daemon), '');
    const { marks } = storm.journal;
    // Every life says that it began, and a death leaves its mark: what it had not signed for, or half a line.
    assert.equal(marks.get('started'), kills + 1, JSON.stringify([...marks]));
    const crashes = (marks.get('unsealed') ?? 0) + (marks.get('torn-tail') ?? 0);
    if (isWhole) assert.ok(crashes > 0, `${kills} deaths and no mark of one: ${JSON.stringify([...marks])}`);

    const unknown = storm.journal.endless().length;
    figure('C-10', 'kills', kills);
    figure('C-10', 'seed', seed);
    figure('C-10', 'calls answered', storm.acknowledged.size);
    figure('C-10', 'calls whose end nobody knows', unknown);
    figure('C-10', 'records', storm.journal.records);
    figure('C-10', 'marks', JSON.stringify(Object.fromEntries(storm.journal.marks)));
    figure('C-10', 'ready max ms', Math.max(...ready));
    figure('C-10', 'ready median ms', ready.toSorted((a, b) => a - b)[ready.length >> 1] ?? 0);
    if (isWhole) assert.ok(Math.max(...ready) <= 5000, `ready after ${Math.max(...ready)} ms`);
    recordVerified('C-10');
    watched.record('C-10');
    t.diagnostic(
      `${storm.acknowledged.size} answered, ${unknown} unknown; ${JSON.stringify([...storm.ends])}`,
    );
    assert.ok(
      (storm.ends.get('over') ?? 0) > 0 && (storm.ends.get('unheard') ?? 0) > 0,
      'no caller noticed a kill',
    );
  });
});

/** Calls that were answered and such that could have slipped through, a limit that was used up, a yes that was given. */
function askedEnough({ acknowledged, never, counted, approved }: Storm): boolean {
  const usedUp = [...counted.values()].some(({ refused }) => refused);
  return acknowledged.size > 40 * kills && never.size > 2 * kills && usedUp && approved > 0;
}

/** A session of a life before is over, whoever comes with it. */
async function isUnknown(daemon: TestDaemon, session: string): Promise<void> {
  for (const server of ['own', 'shared']) {
    const reply = await post(daemon, server, daemon.key, session, {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/list',
    });
    assert.equal(reply.status, 404, `${server}: ${JSON.stringify(reply.body)}`);
  }
}

async function secondDaemonGivesUp(daemon: TestDaemon): Promise<void> {
  const { pid } = daemon;
  const second = await daemon.mcpd(['run', '--policies', daemon.policies]);
  assert.equal(second.code, 75, second.stdout + second.stderr);
  assert.ok(alive(pid));
  assert.equal((await post(daemon, 'shared', daemon.key, undefined, initialize())).status, 200);
}
