// C-04 and C-05: children that write without end.
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LegacyCaller } from '../load/callers.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { until } from '../support/daemon.ts';
import { all, Bystander, calm, endsWell, program, quantile } from './support/beside.ts';
import { Watched } from './support/watch.ts';

const limits = { timeout: isWhole ? 900_000 : 110_000 };

describe('children that flood', limits, () => {
  for (const kind of ['notifications', 'no-lf', 'random'] as const)
    it(`C-04 a child floods its stdout (${kind}) for ${times(0.3, 60)} s: memory is bounded, and the others do not notice`, async () => {
      await using watched = await Watched.start({
        servers: { floods: program('floods', `sharing = "all"\nanswer_within = "10m"\n${all}`), calm },
      });
      const { daemon } = watched;
      await using beside = new Bystander(watched);
      const before = watched.rssMiB();
      const caller = new LegacyCaller('c', { url: daemon.url, server: 'floods', key: daemon.key });
      const deed = await caller.call(kind, { ms: times(300, 60_000) });
      assert.ok(['answered', 'failed'].includes(deed.end), `${deed.end} ${deed.said}`);
      const took = await beside.noticedNothing();
      await watched.rest();
      const grew = Math.round(watched.seen.rssMiB - before);
      figure('C-04', `${kind}: end`, `${deed.end} after ${Math.round((deed.to - deed.from) / 1000)} s`);
      figure('C-04', `${kind}: rss grew by MiB`, grew);
      figure('C-04', `${kind}: others p99 ms`, quantile(took, 0.99));
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
    const deed = await caller.call('stderr', { bytes });
    assert.equal(deed.end, 'answered', deed.said);
    assert.ok(Number(deed.said) >= bytes);
    // That is said with a later line, or when the child ends.
    await until('it is said how much was left out', async () => {
      await caller.call('stderr', { bytes: 1 });
      return /"suppressed":\d+/.test(daemon.log());
    });
    await beside.noticedNothing();
    await watched.rest();
    const dir = join(daemon.state, 'log');
    const sizes = readdirSync(dir).map((file) => statSync(join(dir, file)).size);
    assert.ok(sizes.length <= filesMax + 1, `${sizes.length} files`);
    assert.ok(
      sizes.reduce((sum, it) => sum + it, 0) <= (filesMax + 1) * (fileMax + 256 * 1024),
      String(sizes),
    );
    figure('C-05', 'MB', times(50, 1024));
    figure(
      'C-05',
      'log bytes',
      sizes.reduce((sum, it) => sum + it, 0),
    );
    figure('C-05', 'rss grew by MiB', Math.round(watched.seen.rssMiB - before));
    caller.hangUp();
    await endsWell(watched, 'C-05');
  });
});
