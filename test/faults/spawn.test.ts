/**
 * A server cannot be started: no program, no leave, no folder, no secret, no process, no descriptor. It is shown with the
 * reason, everything else runs, and no pipe stays half open.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { rule, serving, TestDaemon, textOf, until } from '../support/daemon.ts';
import { boot } from './support/launch.ts';
import { verified } from './support/verified.ts';
import { onlyWhole } from './support/whole.ts';

const all = rule('allow', ['*']);
const plain = serving('answers', `sharing = "all"\n${all}`);

const servers: Readonly<Record<string, string>> = {
  plain,
  // As long as the files are there it is a valid policy; they go while mcpd runs.
  'no-program': `command = "$DIR/program"\n${all}`,
  'no-leave': `command = "$DIR/no-leave"\n${all}`,
  'no-folder': serving('answers', `cwd = "$DIR/folder"\n${all}`),
  'no-secret': serving('answers', `[secrets]\nTOKEN = "file:$DIR/token"\n${all}`),
};

describe('C-16 a server that cannot be started', () => {
  it('C-16 no program, no folder, no secret: each is shown with its reason, and the others run', async () => {
    await using daemon = await TestDaemon.start({
      servers,
      prepare: ({ dir }) => {
        mkdirSync(join(dir, 'folder'));
        for (const name of ['program', 'no-leave'])
          writeFileSync(join(dir, name), '#!/bin/sh\nexit 3\n', { mode: 0o700 });
      },
      boot: false,
    });
    // What a policy names must be there when it is read, so that a typing error is found; see docs/policy.md.
    await boot(daemon);
    rmSync(join(daemon.dir, 'folder'), { recursive: true });
    rmSync(join(daemon.dir, 'program'));
    chmodSync(join(daemon.dir, 'no-leave'), 0o600);
    for (const [name, why] of [
      ['no-program', /\/program.*(?:ENOENT|No such file)/],
      ['no-leave', /\/no-leave.*(?:EACCES|Permission denied)/],
      ['no-folder', /ENOENT.*folder/],
    ] as const) {
      await daemon.ctl('restart', name);
      await until(`${name} has failed, and it is said why`, async () => {
        const { state, because } = await daemon.status(name);
        return state !== 'ready' && state !== 'starting' && why.test(because ?? '');
      });
    }
    const { state, because } = await daemon.status('no-secret');
    assert.equal(state, 'lacks-secret');
    assert.match(because ?? '', /token/);
    const session = await daemon.session('plain');
    assert.equal(textOf(await session.call('echo', { text: 'hello' })), 'hello');
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'beside servers that cannot be started');
  });

  const asOther = process.getuid?.() === 0 && spawnSync('prlimit', ['--version']).status === 0;
  it(
    'C-16 no descriptor is left for its pipes: it fails, mcpd goes on, and no pipe stays open',
    { skip: !asOther ? 'needs root and prlimit (Debian package util-linux)' : onlyWhole },
    async () => {
      await using daemon = await TestDaemon.start({ servers: { plain }, canaries: false, boot: false });
      await boot(daemon);
      const before = pipesOf(daemon.pid);
      const { pid } = await daemon.status('plain');
      // Fewer than it has open, so that what it gives back meanwhile is nothing that it could have again. The hard limit stays,
      // or it could not be taken back.
      execFileSync('prlimit', ['--pid', String(daemon.pid), '--nofile=8:']);
      process.kill(pid ?? 0, 'SIGKILL');
      // Nobody can ask it anything now; the log is open already.
      await until('it could not be started', () =>
        /plain.*(?:EMFILE|too many open files)/.test(daemon.log()),
      );
      execFileSync('prlimit', ['--pid', String(daemon.pid), '--nofile=4096:']);
      assert.equal((await fetch(`${daemon.url}/healthz`)).status, 200);
      await daemon.ctl('restart', 'plain');
      await until('it runs', async () => (await daemon.status('plain')).state === 'ready', 400);
      await until(
        `no pipe is left over: ${before.join(' ')}`,
        () => pipesOf(daemon.pid).length <= before.length,
      );
      assert.equal(await daemon.end(), 0);
      await verified(daemon, 'after descriptors ran out');
    },
  );
});

/** Node's pipes to children are pairs of Unix sockets; connections of clients are TCP, and do not count. */
function pipesOf(pid: number): readonly string[] {
  const unix = new Set(
    readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/)[6] ?? ''),
  );
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      const to = readlinkSync(`/proc/${pid}/fd/${fd}`);
      return to.startsWith('pipe:') || unix.has(/^socket:\[(\d+)\]$/.exec(to)?.[1] ?? '-');
    } catch {
      return false;
    }
  });
}
