/**
 * The disk is full. Calls that cannot be recorded are refused and not made; the kill switch works, and says what a restart
 * would forget; when there is room again, everything comes back by itself, and no line is broken.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TestDaemon, textOf, until, type TestSession } from '../support/daemon.ts';
import { figure } from '../support/faults.ts';
import { SmallDisk, unmountable } from './support/disk.ts';
import { History, operate, recorded, went } from './support/history.ts';
import { boot, launch, readiness } from './support/launch.ts';
import { verified } from './support/verified.ts';
import { onlyWhole } from './support/whole.ts';

const skip = unmountable();
const auditUnavailable = 1510;

/** Calls until one is refused, and gives how often it went. Throws when nothing is ever refused. */
async function untilRefused(history: History, session: TestSession): Promise<number> {
  for (let tries = 0; tries < 2000; tries++) {
    const before = history.acknowledged.length;
    await history.call(session);
    if (history.acknowledged.length === before) return tries;
  }
  throw new Error('the journal never became full');
}

/** What holds while nothing can be recorded, however that came. */
async function nothingIsMade(daemon: TestDaemon, session: TestSession): Promise<void> {
  const made = daemon.raw().length;
  for (const attempt of [
    () => session.call('echo', { text: 'must not go out' }),
    () => session.call('list_dir'),
    () => session.request('tools/list'),
  ]) {
    const reply = await attempt();
    assert.equal(reply.status, 503);
    assert.equal(reply.body.error?.code, auditUnavailable);
    assert.ok(Number(reply.headers.get('retry-after')) >= 1);
  }
  await until('readiness is false', async () => (await readiness(daemon)).status === 503);
  const { reasons } = await readiness(daemon);
  assert.ok(reasons?.includes('journal'), `why it is not ready: ${reasons?.join(' ')}`);
  const bare = await fetch(`${daemon.url}/readyz`);
  assert.deepEqual(
    [bare.status, await bare.json()],
    [503, { status: 'unhealthy' }],
    'a stranger is not told',
  );
  assert.equal((await fetch(`${daemon.url}/healthz`)).status, 200);
  const status = await operate(daemon, 'status');
  assert.match(JSON.stringify(status['because']), /journal cannot be written/);
  // Whatever was asked for, also while it was found out how things stand: the child has read no call since.
  assert.doesNotMatch(daemon.raw().slice(made), /tools\/call/);
}

/** The switch works although it cannot be recorded, and whoever threw it is told. */
async function switchStillWorks(history: History): Promise<void> {
  const off = await history.switchTo('off');
  assert.equal(off['changed'], true);
  assert.match(JSON.stringify(off), /NOT (RECORDED|DURABLE)/);
  // What it says is what is so: `durable` is about the switch, and a restart may only forget what is not.
  history.switch = off['durable'] === true ? 'off' : 'unsure';
}

async function itComesBack(history: History, session: TestSession): Promise<void> {
  const { daemon } = history;
  await until('readiness is true', async () => (await readiness(daemon)).status === 200);
  await until('calls are made again', async () => {
    const before = history.acknowledged.length;
    await history.call(session);
    return history.acknowledged.length > before;
  });
  const reply = await session.call('list_dir');
  assert.equal(went(reply), false, 'the switch is in force');
  await until('the switch is on record', () =>
    daemon
      .journal()
      .some(({ command, args }) => command === 'disable-tool' && String(args).includes('fx/list_dir')),
  );
  history.checkRecords();
  await verified(daemon, 'after the disk was full');
}

/** It stops as it should, what was acknowledged is on record, and the journal is whole. */
async function endsWell(history: History): Promise<void> {
  assert.equal(await history.daemon.end(), 0);
  history.checkRecords();
  await verified(history.daemon, 'after the disk was full');
}

describe('the disk of the journal is full', () => {
  it(
    'C-12 on a disk of 64 KiB: calls are refused and not made, and all comes back by itself',
    { skip },
    async () => {
      let disk: SmallDisk | undefined;
      await using daemon = await TestDaemon.start({
        servers: { fx: recorded },
        prepare: ({ state }) => {
          disk = new SmallDisk(join(state, 'audit'), '64k');
        },
        cleanUp: () => disk?.unmount(),
      });
      const history = new History(daemon);
      const session = await daemon.session('fx');
      await history.call(session);
      disk?.fill();
      figure('C-12', 'calls until the disk was full', await untilRefused(history, session));
      await nothingIsMade(daemon, session);
      await switchStillWorks(history);
      disk?.empty();
      await itComesBack(history, session);
      await daemon.end('SIGKILL');
      await boot(daemon);
      await history.checkSwitch(await daemon.session('fx'));
      await endsWell(history);
    },
  );

  const noLimit =
    spawnSync('prlimit', ['--version']).status === 0 ? false : 'needs prlimit (Debian package util-linux)';
  it('C-12 files may not grow (ulimit -f): the same', { skip: noLimit }, async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: recorded },
      boot: false,
      daemon: '[log]\nlevel = "error"\n',
    });
    const history = new History(daemon);
    await boot(daemon, { before: ['prlimit', `--fsize=${256 * 1024}:unlimited`] });
    const session = await daemon.session('fx');
    await history.call(session);
    await untilRefused(history, session);
    await nothingIsMade(daemon, session);
    await switchStillWorks(history);
    execFileSync('prlimit', ['--pid', String(daemon.pid), '--fsize=unlimited']);
    await itComesBack(history, session);
    await endsWell(history);
  });

  it(
    'C-12 a journal on /dev/full is no journal: mcpd does not start, and says what to do',
    { skip: onlyWhole },
    async () => {
      await using daemon = await TestDaemon.start({
        servers: { fx: recorded },
        boot: false,
      });
      const first = await boot(daemon);
      await daemon.end();
      assert.equal(first.end?.code, 0);
      const [file = ''] = daemon.journalFiles().slice(-1);
      execFileSync('mv', [file, `${daemon.dir}/kept`]);
      symlinkSync('/dev/full', file);
      const end = await launch(daemon).finish(20_000);
      assert.equal(end.code, 78, daemon.output);
      assert.ok(daemon.output.includes(file), daemon.output);
    },
  );

  it(
    'C-12 the journal is replaced by a full device while mcpd runs: nothing is made',
    { skip: skip || onlyWhole },
    async () => {
      let unbind = () => undefined as void;
      await using daemon = await TestDaemon.start({
        servers: { fx: recorded },
        cleanUp: () => unbind(),
      });
      const history = new History(daemon);
      const session = await daemon.session('fx');
      await history.call(session);
      const [file = ''] = daemon.journalFiles().slice(-1);
      execFileSync('mount', ['--bind', '/dev/full', file]);
      unbind = () => void spawnSync('umount', ['-l', file], { stdio: 'ignore' });
      process.on('exit', unbind);
      await untilRefused(history, session);
      await nothingIsMade(daemon, session);
      unbind();
      process.removeListener('exit', unbind);
      await until(
        'calls are made again',
        async () => textOf(await session.call('echo', { text: 'a' })) === 'a',
      );
      await endsWell(history);
    },
  );
});

describe('the disk of the state is full', { skip }, () => {
  it('C-28 disable-tool is in force, says NOT DURABLE with another exit than 0, and becomes durable by itself', async () => {
    const disks: SmallDisk[] = [];
    await using daemon = await TestDaemon.start({
      servers: { fx: recorded },
      daemon: '[log]\nlevel = "error"\n',
      prepare: ({ state }) => {
        // The journal has a disk of its own, or no call could show whether the switch is in force.
        disks.push(new SmallDisk(state, '2m'), new SmallDisk(join(state, 'audit'), '4m'));
      },
      cleanUp: () => disks.toReversed().forEach((disk) => disk.unmount()),
    });
    const [disk] = disks;
    const history = new History(daemon);
    const session = await daemon.session('fx');
    await history.call(session);
    assert.equal(went(await session.call('list_dir')), true);
    disk?.fill();
    // The database has room of its own for some; whoever is told of one of these that it is kept, is told the truth.
    const kept: string[] = [];
    const reason = 'x'.repeat(500);
    for (let n = 0, durable = true; durable && n < 500; n++) {
      const { ok } = await operate(daemon, 'disable-tool', { tool: `fx/tool-${n}`, reason });
      durable = ok === true;
      if (durable) kept.push(`fx/tool-${n}`);
    }
    const ran = await daemon.mcpd(['ctl', 'disable-tool', 'fx/list_dir']);
    assert.notEqual(ran.code, 0, ran.stdout);
    assert.match(ran.stdout + ran.stderr, /NOT DURABLE/);
    assert.equal(went(await session.call('list_dir')), false, 'it is in force');
    await history.call(session);
    assert.ok(history.acknowledged.length > 1, 'other tools go on');
    assert.match(JSON.stringify((await operate(daemon, 'status'))['because']), /NOT DURABLE/);
    // What loosens is not done at all while it cannot be kept.
    const on = await operate(daemon, 'enable-tool', { tool: 'fx/list_dir' });
    assert.equal(on.ok, false);
    assert.equal(went(await session.call('list_dir')), false, 'it is still in force');
    disk?.empty();
    await until('it is durable without anybody asking', async () => {
      const { switches } = (await operate(daemon, 'status')) as unknown as { switches: { durable: boolean } };
      return switches.durable;
    });
    await daemon.end('SIGKILL');
    await boot(daemon);
    const after = await daemon.session('fx');
    assert.equal(went(await after.call('list_dir')), false, 'a restart did not forget it');
    const off = JSON.stringify((await operate(daemon, 'status'))['switches']);
    for (const tool of kept) assert.ok(off.includes(`"${tool}"`), `${tool} was said to be kept`);
    await endsWell(history);
  });
});
