// What a server may use is bounded: by the kernel where it counts for one child, and else by the daemon, which stops it.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { lacking, Target, type Profile } from '../support/hostile.ts';

const walled: Profile = process.getuid?.() === 0 ? 'root, own user' : 'ordinary user';
const noWall = lacking(walled) ?? false;
const noLimits = process.platform === 'linux' ? false : 'there is no /proc and no prlimit to limit with';

/** Waits until the log says it, for at most half a minute. */
async function logged(target: Target, what: RegExp): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (what.test(target.daemon.log())) return;
    await sleep(100);
  }
  assert.fail(`${String(what)} is not in the log:\n${target.daemon.log().slice(-2000)}`);
}

describe('behind the wall', { skip: noWall }, () => {
  it('processes, open files and the temporary folder come to an end, and the server goes on', async () => {
    const resources = 'processes_max = 64\nopen_files_max = 128\ntmp_max = "2MiB"';
    await using target = await Target.start(walled, '', resources);
    assert.equal(await target.tries('start processes', 200), 'stopped: EAGAIN');
    assert.equal(await target.tries('fill its temporary folder', 8), 'stopped: ENOSPC');
    assert.equal(await target.tries('open files', 500), 'stopped: EMFILE');
    assert.match((await target.about()).home, /homes/);
    assert.doesNotMatch(target.daemon.log(), /stopped because it takes too much/);
  });
});

for (const profile of ['off', walled] as const) {
  const skip = profile === 'off' ? noLimits : noWall;
  describe(profile === 'off' ? 'without a wall' : 'behind the wall', { skip }, () => {
    it('a server that holds too much memory is stopped, and that is the reason given', async () => {
      await using target = await Target.start(profile, '', 'memory_max = "256MiB"');
      void target.tries('take memory', 20).catch(() => undefined);
      await logged(target, /used \d+ MiB of memory, and may use 256 MiB \(memory_max\)/);
    });

    it('a server that writes too much is stopped', async () => {
      await using target = await Target.start(profile, '', 'output_max = "1MiB/min"');
      void target.tries('write a lot', 4096).catch(() => undefined);
      await logged(target, /wrote more than 1048576 bytes in \d+ ms \(output_max\)/);
    });

    it('a server that computes for too long is stopped', async () => {
      await using target = await Target.start(profile, '', 'cpu_max = "2s"');
      void target.tries('use the processor', 30_000).catch(() => undefined);
      await logged(target, /was killed by SIGXCPU|\(cpu_max\)/);
    });

    it('open files come to an end', async () => {
      await using target = await Target.start(profile, '', 'open_files_max = 128');
      assert.equal(await target.tries('open files', 500), 'stopped: EMFILE');
    });
  });
}

describe('without a wall', { skip: noLimits }, () => {
  it('a server that starts too many processes is stopped, and they go with it', async () => {
    await using target = await Target.start('off', '', 'processes_max = 64');
    void target.tries('start processes', 100).catch(() => undefined);
    await logged(target, /ran \d+ processes and threads, and may run 64 \(processes_max\)/);
  });
});
