/**
 * File descriptors run out. What is open goes on: calls, journal, control socket and reload keep what they need, new
 * connections wait or are turned away, and when the crowd goes everything is as before.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { pressureOn } from '../load/flood.ts';
import { figure, times } from '../support/faults.ts';
import { History, operate, recorded } from './support/history.ts';
import { boot, readiness } from './support/launch.ts';
import { verified } from './support/verified.ts';
import { onlyWhole } from './support/whole.ts';

const skip =
  process.platform !== 'linux' || spawnSync('prlimit', ['--version']).status !== 0
    ? 'needs prlimit (Debian package util-linux)'
    : false;
const filesMax = 128;
/** The hard limit as well: Node lifts the soft one to it. */
const limited = ['prlimit', `--nofile=${filesMax}:${filesMax}`];
/** One child for all: a session needs no descriptor of its own. */
const shared = `sharing = "all"\n${recorded}`;

describe('C-15 file descriptors run out', { skip }, () => {
  it('C-15 300 connections to a daemon of 128 descriptors: it goes on, and is itself again afterwards', async () => {
    const children = times(6, 20);
    const others = Object.fromEntries(
      Array.from({ length: children }, (_, n) => [
        `other-${n}`,
        serving('answers', `sharing = "all"\n${rule('allow', ['*'])}`),
      ]),
    );
    await using daemon = await TestDaemon.start({
      servers: { fx: shared, ...others },
      canaries: false,
      boot: false,
    });
    await boot(daemon, { before: limited });
    const history = new History(daemon);
    const session = await daemon.session('fx');
    await history.call(session);
    const open = () => readdirSync(`/proc/${daemon.pid}/fd`).length;
    const before = open();

    const crowd = await gather(daemon.port, 300);
    try {
      figure('C-15', 'descriptors open at the worst', open());
      // The kernel holds it to the limit; what mcpd has to do is to turn away the rest, and to say so.
      const { turnedAway } = await pressureOn(daemon);
      assert.ok(
        (turnedAway['connections'] ?? 0) > 0,
        `nobody was turned away: ${JSON.stringify(turnedAway)}`,
      );
      figure('C-15', 'connections turned away', turnedAway['connections'] ?? 0);
      // Whoever operates it is not in the crowd.
      assert.equal((await operate(daemon, 'status')).ok, true);
      await history.switchTo('off');
      assert.equal(history.switch, 'off');
      daemon.write('servers/fx.toml', `${shared}\n# one more line\n`);
      const reloaded = await operate(daemon, 'reload');
      assert.equal(reloaded.ok, true, JSON.stringify(reloaded));
      const ran = await daemon.mcpd(['ctl', 'status']);
      assert.equal(ran.code, 0, ran.stderr);
      // Commands are on record: the journal takes records in the middle of it.
      assert.ok(daemon.journal().some(({ command }) => command === 'disable-tool'));
      assert.ok(daemon.pid > 0 && daemon.child?.exitCode === null);
    } finally {
      for (const socket of crowd) socket.destroy();
    }

    await until('the crowd is gone', () => open() <= before + 5);
    await until('readiness is true', async () => (await readiness(daemon)).status === 200);
    const later = await daemon.session('fx');
    await history.call(later);
    assert.equal(history.acknowledged.length, 2);
    await history.checkSwitch(later);
    for (const name of Object.keys(others)) assert.equal((await daemon.status(name)).state, 'ready', name);
    assert.equal(await daemon.end(), 0);
    history.checkRecords();
    await verified(daemon, 'after descriptors ran out');
  });

  it('C-15 under a low limit from the start (ulimit -n 128), servers start all the same', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: recorded }, canaries: false, boot: false });
    await boot(daemon, { before: limited });
    const { state, because } = await daemon.status('fx');
    assert.equal(state, 'ready', because ?? '');
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'under a low limit');
  });

  it(
    'C-15 a server that is started when no descriptor is left fails visibly, and starts later',
    { skip: onlyWhole },
    async () => {
      await using daemon = await TestDaemon.start({
        servers: { fx: recorded, late: serving('answers', rule('allow', ['*'])) },
        canaries: false,
        boot: false,
      });
      await boot(daemon, { before: limited });
      const crowd = await gather(daemon.port, 300);
      try {
        const { pid } = await daemon.status('late');
        process.kill(pid ?? 0, 'SIGKILL');
        await until('it is said what is wrong, or it runs again', async () => {
          const now = await daemon.status('late');
          return now.pid !== pid && (now.state === 'ready' || now.because !== null);
        });
      } finally {
        for (const socket of crowd) socket.destroy();
      }
      await operate(daemon, 'restart', { server: 'late' });
      await until('it runs', async () => (await daemon.status('late')).state === 'ready', 400);
      assert.equal(await daemon.end(), 0);
      await verified(daemon, 'after a start without descriptors');
    },
  );
});

/** Connections that say nothing, as many as are let in; resolves when no more come. */
async function gather(port: number, wanted: number): Promise<Socket[]> {
  const sockets = Array.from({ length: wanted }, () =>
    connect({ port, host: '127.0.0.1' }).on('error', () => undefined),
  );
  await until('everybody has knocked', () => sockets.every(({ connecting }) => !connecting));
  return sockets;
}
