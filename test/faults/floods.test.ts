// C-04 and C-05: children that write without end.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LegacyCaller } from '../load/callers.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { readOr, until } from '../support/daemon.ts';
import { all, Bystander, calm, endsWell, program, quantile } from './support/beside.ts';
import { Watched } from './support/watch.ts';

/** The default of `output_max`, a minute; across the border of two spans twice as much may pass (docs/sandbox.md). */
const outputMax = 4 * 2 ** 30;
const limits = { timeout: isWhole ? 900_000 : 110_000 };

/** All that a process has written; 0 when it is gone. */
function writtenBy(pid: number | null): number {
  return Number(/^wchar: (\d+)/m.exec(readOr(`/proc/${pid}/io`, ''))?.[1] ?? 0);
}

/** The p99 of calls while nothing else happens. */
async function quietFor(watched: Watched, ms: number): Promise<number> {
  // What the first calls cost is no measure.
  for (const forMs of [ms / 3, ms]) {
    await using beside = new Bystander(watched);
    await sleep(forMs);
    const took = await beside.noticedNothing();
    if (forMs === ms) return quantile(took, 0.99);
  }
  return 0;
}

describe('children that flood', limits, () => {
  for (const kind of ['notifications', 'no-lf', 'random'] as const)
    it(`C-04 a child floods its stdout (${kind}) for ${times(0.3, 60)} s: it is stopped, memory is bounded, and the others are answered`, async () => {
      await using watched = await Watched.start({
        servers: { floods: program('floods', `sharing = "all"\nanswer_within = "10m"\n${all}`), calm },
      });
      const { daemon } = watched;
      const quiet = isWhole ? await quietFor(watched, 15_000) : undefined;
      await using beside = new Bystander(watched);
      const before = watched.rssMiB();
      const caller = new LegacyCaller('c', { url: daemon.url, server: 'floods', key: daemon.key });
      const { pid } = await daemon.status('floods');
      let written = 0;
      const looking = setInterval(() => (written = Math.max(written, writtenBy(pid))), 50);
      const forMs = times(300, 60_000);
      const flood = () => caller.call(kind, { ms: forMs });
      const deed = await flood().finally(() => clearInterval(looking));
      assert.ok(['answered', 'failed'].includes(deed.end), `${deed.end} ${deed.said}`);
      // Useless lines are counted. What has no end is no line: it is thrown away, and `output_max` ends it.
      const how = (await daemon.status('floods')).pid === pid ? 'went on' : 'stopped';
      if (isWhole) assert.equal(how, 'stopped');
      assert.ok(written <= 2 * outputMax, `${written} bytes`);
      // Whoever is stopped comes back, and does it again.
      for (let floods = 1; performance.now() < deed.from + forMs; floods++) {
        await sleep(50);
        const { end, said } = await flood();
        assert.ok(['answered', 'failed'].includes(end), `${floods}: ${end} ${said}`);
      }
      const took = await beside.noticedNothing();
      await watched.rest();
      const grew = Math.round(watched.seen.rssMiB - before);
      figure('C-04', `${kind}: end`, `${deed.end} after ${Math.round((deed.to - deed.from) / 1000)} s`);
      figure('C-04', `${kind}: rss grew by MiB`, grew);
      figure('C-04', `${kind}: others p99 ms`, quantile(took, 0.99));
      // No bound: on few cores they also wait for the processor that the child has taken.
      if (quiet !== undefined) figure('C-04', `${kind}: others p99 ms before`, quiet);
      figure('C-04', `${kind}: child`, `${how} after ${Math.round(written / 1e6)} MB`);
      figure('C-04', `${kind}: own work max ms`, watched.seen.ownMs);
      assert.ok(grew <= 256, `${grew} MiB`);
      if (isWhole) assert.ok(watched.seen.ownMs <= 250, `${watched.seen.ownMs} ms`);
      caller.hangUp();
      await endsWell(watched, 'C-04');
    });

  it(`C-05 a child writes ${times(50, 1024)} MB to stderr: it is read to the end, little of it is kept, and that is said`, async () => {
    const [fileMax, filesMax] = [1024 * 1024, 3];
    await using watched = await Watched.start({
      servers: { floods: program('floods', `sharing = "all"\nanswer_within = "10m"\n${all}`), calm },
      daemon: `[log]\nlevel = "debug"\nfile_max = "1MiB"\nfiles_max = ${filesMax}\n`,
    });
    const { daemon } = watched;
    await using beside = new Bystander(watched);
    const before = watched.rssMiB();
    const bytes = times(50, 1024) * 1024 * 1024;
    const caller = new LegacyCaller('c', { url: daemon.url, server: 'floods', key: daemon.key });
    let [most, mostFiles] = [0, 0];
    const look = (): void => {
      const sizes = sizesIn(join(daemon.state, 'log'));
      most = Math.max(
        most,
        sizes.reduce((sum, it) => sum + it, 0),
      );
      mostFiles = Math.max(mostFiles, sizes.length);
    };
    const looking = setInterval(look, 50);
    const deed = await caller.call('stderr', { bytes }).finally(() => clearInterval(looking));
    assert.equal(deed.end, 'answered', deed.said);
    assert.ok(Number(deed.said) >= bytes);
    // That is said with a later line, or when the child ends.
    await until('it is said how much was left out', async () => {
      await caller.call('stderr', { bytes: 1 });
      return /"suppressed":\d+/.test(daemon.log());
    });
    await beside.noticedNothing();
    await watched.rest();
    look();
    assert.ok(mostFiles <= filesMax + 1, `${mostFiles} files`);
    assert.ok(most <= (filesMax + 1) * (fileMax + 256 * 1024), `${most} bytes`);
    figure('C-05', 'MB', times(50, 1024));
    figure('C-05', 'log bytes at most', most);
    figure('C-05', 'rss grew by MiB', Math.round(watched.seen.rssMiB - before));
    caller.hangUp();
    await endsWell(watched, 'C-05');
  });
});

/** A file may go between the listing and the look. */
function sizesIn(dir: string): number[] {
  return readdirSync(dir).map((file) => statSync(join(dir, file), { throwIfNoEntry: false })?.size ?? 0);
}
