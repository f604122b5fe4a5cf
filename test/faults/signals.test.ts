/**
 * Signals and pipes. Whatever a process of the same user may send, no socket listens that the configuration does not name; what
 * ends mcpd is listed in docs/operators.md, and leaves a journal that verifies. A log pipe that is gone changes nothing.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot, readOr, TestDaemon, until } from '../support/daemon.ts';
import { figure, isWhole } from '../support/faults.ts';
import { History, recorded } from './support/history.ts';
import { boot, launch } from './support/launch.ts';
import { verified } from './support/verified.ts';
import { onlyWhole } from './support/whole.ts';

const linux = process.platform === 'linux' ? false : 'it is looked at with ss, which is on Linux';
const hasSs = spawnSync('ss', ['-V']).status === 0;

/** What listens on TCP, as ss(8) has it, with the process. */
function listening(pid: number): string[] {
  const { stdout } = spawnSync('ss', ['-Hltnp'], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((line) => line.includes(`pid=${pid},`))
    .map((line) => line.trim().split(/\s+/)[3] ?? '')
    .sort();
}

/** Some have two names. */
const numberOf = (name: string): number => constants.signals[name as NodeJS.Signals];
/** No program can catch them (signal(7)), or they say that the program itself is broken. */
const fatal = ['SIGKILL', 'SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGABRT'];
const stopping = ['SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const;
const drains = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGXCPU', 'SIGPWR'];
/** Real-time signals have no default but the end, and Node cannot hear them. */
const realTime = Array.from({ length: 31 }, (_, n) => 34 + n);

describe('signals of the same user', { skip: linux }, () => {
  it('C-24 what does not mean the end: alive, no new socket, SIGHUP reads the policy again', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: recorded } });
    const history = new History(daemon);
    const session = await daemon.session('fx');
    if (isWhole) assert.ok(hasSs, 'needs ss (Debian package iproute2), or nobody looks for sockets');
    const before = hasSs ? listening(daemon.pid) : [];
    if (hasSs) assert.deepEqual(before, [`127.0.0.1:${daemon.port}`]);
    const tried: string[] = [];
    const others = new Set([...fatal, ...stopping, ...drains].map(numberOf));
    for (const [name, number] of Object.entries(constants.signals)) {
      if (others.has(number)) continue;
      for (let twice = 0; twice < 2; twice++) process.kill(daemon.pid, number);
      await history.call(session);
      assert.equal(history.acknowledged.length, tried.push(name), `${name}: a call is lost`);
      if (hasSs) assert.deepEqual(listening(daemon.pid), before, `${name} opened a socket`);
    }
    assert.ok(
      tried.includes('SIGUSR1') && tried.includes('SIGHUP') && tried.includes('SIGPIPE'),
      tried.join(' '),
    );
    figure('C-24', 'signals that change nothing', tried.length);
    // SIGHUP means something: the policy is read again, and a bad one changes nothing.
    daemon.write('servers/fx.toml', `${recorded}\n# another line\n`);
    process.kill(daemon.pid, 'SIGHUP');
    await until('the policy was read again', () => daemon.log().includes('a new policy is in force'));
    // Stopped and gone on with, as a shell's job control does.
    for (const [n, name] of stopping.entries()) {
      process.kill(daemon.pid, name);
      // The others stop nobody who has no terminal.
      if (name === 'SIGSTOP')
        await until('it stands', () => /^State:\s+T/m.test(readOr(`/proc/${daemon.pid}/status`, '')));
      process.kill(daemon.pid, 'SIGCONT');
      await history.call(await daemon.session('fx'));
      assert.equal(history.acknowledged.length, tried.length + n + 1, `${name}: a call is lost`);
      if (hasSs) assert.deepEqual(listening(daemon.pid), before, `${name} opened a socket`);
    }
    assert.equal(await daemon.end(), 0);
    history.checkRecords();
    await verified(daemon, 'after all signals');
  });

  it(
    'C-24 what means the end ends it whole, and what cannot be caught leaves a journal that verifies',
    { timeout: 600_000 },
    async () => {
      const manual = readFileSync(join(projectRoot, 'docs', 'operators.md'), 'utf8');
      await using daemon = await TestDaemon.start({
        servers: { fx: recorded },
        boot: false,
      });
      const history = new History(daemon);
      const all = [...drains, ...fatal, ...realTime];
      for (const which of isWhole ? all : ['SIGQUIT', 34]) {
        const launched = await boot(daemon);
        await history.call(await daemon.session('fx'));
        // Node refuses numbers that it has no name for.
        const number = typeof which === 'number' ? which : numberOf(which);
        spawnSync('sh', ['-c', `kill -${number} ${daemon.pid}`]);
        const end = await launched.finish();
        if (drains.includes(String(which))) assert.equal(end.code, 0, `${which} is no clean end`);
        if (fatal.includes(String(which))) assert.equal(numberOf(end.signal ?? ''), number);
        history.checkRecords();
        assert.ok(
          manual.includes(typeof which === 'number' ? 'real-time' : which),
          `${which}: not in the manual`,
        );
      }
      await boot(daemon);
      await history.call(await daemon.session('fx'));
      assert.equal(await daemon.end(), 0);
      history.checkRecords();
      await verified(daemon, 'after the last');
    },
  );
});

const isAlive = (daemon: TestDaemon): Promise<boolean> =>
  fetch(`${daemon.url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );

describe('stdout and stderr', () => {
  for (const level of isWhole ? ['debug', 'info'] : ['info'])
    it(`C-24 whoever read them is gone before the first byte (log level ${level})`, async () => {
      await using daemon = await TestDaemon.start({
        servers: { fx: recorded },
        boot: false,
        daemon: `[log]\nlevel = "${level}"\n`,
      });
      await boot(daemon, { output: 'closed' });
      await works(daemon);
    });

  it('C-24 whoever read them goes while it works', { skip: onlyWhole }, async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: recorded }, boot: false });
    await boot(daemon);
    daemon.child?.stdout?.destroy();
    daemon.child?.stderr?.destroy();
    await works(daemon);
  });

  it('C-24 they are closed altogether, as by `>&- 2>&-`', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: recorded }, boot: false });
    const launched = launch(daemon, { before: ['sh', '-c', 'exec "$@" >&- 2>&- <&-', 'sh'] });
    await until(
      'it answers, or has ended',
      async () => launched.end !== undefined || (await isAlive(daemon)),
    );
    // Node opens /dev/null in their place; a file of ours must never get one of these numbers.
    assert.equal(launched.end, undefined, 'it ended');
    await until('its server is ready', async () => (await daemon.status('fx')).state === 'ready');
    await works(daemon);
  });
});

async function works(daemon: TestDaemon): Promise<void> {
  const history = new History(daemon);
  const session = await daemon.session('fx');
  for (let n = 0; n < 3; n++) await history.call(session);
  daemon.write('servers/fx.toml', `${recorded}\n# another line\n`);
  process.kill(daemon.pid, 'SIGHUP');
  await until('the policy was read again', () => daemon.log().includes('a new policy is in force'));
  await history.call(session);
  assert.equal(history.acknowledged.length, 4);
  assert.equal(await daemon.end(), 0);
  history.checkRecords();
  await verified(daemon, 'without anybody who reads what it prints');
}
