import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { ending, refuseOpenNode, unheeded } from '../../src/harden.ts';
import { isAvailable } from '../../src/native.ts';
import { projectRoot, rule, serving, TestDaemon, until } from '../support/daemon.ts';

const launcher = join(projectRoot, 'src', 'launch.cjs');
const linux = process.platform === 'linux';
const servers = { fx: serving('answers') + rule('allow', ['*']) };

/** The TCP ports on which a process listens, from what the kernel says. */
function listening(pid: number): string[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((name) =>
    readFileSync(`/proc/net/${name}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((row) => row[3] === '0A' && inodes.has(row[9] ?? ''))
      .map((row) => row[1] ?? ''),
  );
}

const alive = async (daemon: TestDaemon): Promise<void> => {
  assert.equal((await fetch(`${daemon.url}/healthz`)).status, 200);
};

describe('a signal', { skip: linux ? false : 'it is looked at through /proc' }, () => {
  test('that means nothing ends nothing, opens no inspector and no port, and writes no report', async () => {
    await using daemon = await TestDaemon.start({ servers });
    const ports = listening(daemon.pid);
    assert.ok(ports.length > 0);
    const before = readdirSync(process.cwd());
    const signals: NodeJS.Signals[] = [
      ...unheeded,
      'SIGPIPE',
      'SIGCHLD',
      'SIGWINCH',
      'SIGURG',
      'SIGCONT',
      'SIGHUP',
    ];
    for (const signal of signals) {
      process.kill(daemon.pid, signal);
      await alive(daemon);
    }
    assert.deepEqual(listening(daemon.pid), ports);
    assert.deepEqual(readdirSync(process.cwd()), before);
    assert.equal((await daemon.ctl('status'))['ok'], true);
  });

  for (const signal of [...ending, 'SIGINT', 'SIGTERM'] as const)
    test(`${signal} is a clean end: everything is on the journal, and the socket is gone`, async () => {
      await using daemon = await TestDaemon.start({ servers });
      const session = await daemon.session('fx');
      await session.request('tools/list');
      assert.equal(await daemon.end(signal), 0);
      assert.deepEqual(readdirSync(join(daemon.state, 'control')).sort(), ['control.lock', 'journal.lock']);
      assert.ok(daemon.journal().length > 0);
    });

  for (const signal of ['SIGSEGV', 'SIGABRT', 'SIGKILL'] as const)
    test(`${signal} ends it like a crash: no core file, a whole journal, and the next one starts`, async () => {
      await using daemon = await TestDaemon.start({ servers });
      if (isAvailable())
        assert.match(readFileSync(`/proc/${daemon.pid}/limits`, 'utf8'), /^Max core file size\s+0\s+0\s/m);
      await (await daemon.session('fx')).request('tools/list');
      await daemon.end(signal);
      assert.deepEqual(
        readdirSync(process.cwd()).filter((it) => /^core|^report/.test(it)),
        [],
      );
      daemon.journal();
      await daemon.boot();
      await alive(daemon);
    });
});

describe('a Node that would tell', () => {
  const inherited = [
    '--inspect',
    '--inspect=127.0.0.1:0',
    '--inspect-brk',
    '--inspect_port=0 --inspect',
    '--require /tmp/x.js',
    '-r /tmp/x.js',
    '--import=/tmp/x.mjs',
    '"--import=/tmp/x.mjs"',
    '--experimental-loader /tmp/x.mjs',
    '--report-on-signal',
    '--report-uncaught-exception',
    '--heapsnapshot-signal=SIGUSR2',
    '--heapsnapshot-near-heap-limit=1',
    '--cpu-prof',
    '--heap-prof',
    '--tls-keylog=/tmp/k',
    '--trace-event-categories=node.http',
    '--diagnostic-dir=/tmp',
  ];
  for (const options of inherited)
    test(`NODE_OPTIONS=${options} is refused`, () => {
      assert.throws(() => refuseOpenNode({ NODE_OPTIONS: options }, [], undefined), {
        code: 'CONFIG_INVALID',
        hint: /unset NODE_OPTIONS/,
      });
    });

  test('is refused with the option on the command line, or a debugger that is there already', () => {
    for (const option of [
      '--inspect',
      '--inspect_brk=0',
      '--cpu-prof',
      '--tls-keylog=/tmp/k',
      '--report-on-fatalerror',
    ])
      assert.throws(() => refuseOpenNode({}, [option], undefined), { hint: /start mcpd without/ });
    assert.throws(() => refuseOpenNode({}, [], 'ws://127.0.0.1:9229/x'), { detail: /debugger/ });
    for (const name of ['NODE_DEBUG', 'NODE_DEBUG_NATIVE'])
      assert.throws(() => refuseOpenNode({ [name]: 'http' }, [], undefined), {
        hint: new RegExp(`unset ${name}`),
      });
  });

  test('is not one that has more memory, fewer warnings or code that was typed for it', () => {
    for (const options of ['', '--max-old-space-size=512', '--no-warnings --dns-result-order=ipv4first'])
      refuseOpenNode({ NODE_OPTIONS: options, NODE_DEBUG: '' }, ['--import=/tmp/x.mjs'], undefined);
  });

  test('is refused before anything is opened, with 78', async () => {
    for (const env of [{ NODE_OPTIONS: '--inspect=127.0.0.1:0' }, { NODE_DEBUG: 'http' }]) {
      await using daemon = await TestDaemon.start({ servers, boot: false });
      const made = readdirSync(daemon.state);
      const { status, stderr } = spawnSync(
        process.execPath,
        [launcher, 'run', '--policies', daemon.policies],
        { env: { ...daemon.env, ...env }, encoding: 'utf8' },
      );
      assert.equal(status, 78, stderr);
      assert.match(stderr, /NODE_OPTIONS holds --inspect|NODE_DEBUG is set/);
      assert.deepEqual(readdirSync(daemon.state), made);
    }
  });
});

const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
const cannot = (): string | false => {
  if (!linux || process.getuid?.() !== 0) return 'only root on Linux can run it as another user';
  if (!isAvailable()) return 'koffi is not installed';
  const tried = spawnSync('setpriv', [...nobody, process.execPath, launcher, '--version'], {
    cwd: '/',
    env: {},
  });
  return tried.status === 0 ? false : 'another user cannot run mcpd from here, or setpriv is not installed';
};

describe('another process of the same user', { skip: cannot() }, () => {
  test("reads neither the daemon's environment nor its memory, and cannot attach to it", async () => {
    await using daemon = await TestDaemon.start({
      servers,
      boot: false,
      canaries: false,
      env: { HOME: '/nonexistent', LEFT_BEHIND: 'hunter2' },
    });
    execFileSync('chown', ['-R', '65534:65534', daemon.dir]);
    const child = spawn(
      'setpriv',
      [...nobody, process.execPath, launcher, 'run', '--policies', daemon.policies],
      {
        env: daemon.env,
        cwd: '/',
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    daemon.child = child;
    child.stdout.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
    await until('it runs', async () => {
      assert.equal(child.exitCode, null, daemon.output);
      return await fetch(`${daemon.url}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    const look = (name: string) =>
      spawnSync('setpriv', [...nobody, 'head', '-c', '1', `/proc/${daemon.pid}/${name}`], {
        cwd: '/',
        encoding: 'utf8',
      });
    for (const name of ['environ', 'mem', 'maps', 'auxv', 'cwd/.', 'root/etc/hostname'])
      assert.match(look(name).stderr, /Permission denied/, name);
    assert.match(
      readFileSync(`/proc/${daemon.pid}/environ`, 'latin1'),
      /LEFT_BEHIND=hunter2/,
      'root still sees it',
    );
    // What is open to the world can still be read, or the process could not be found at all.
    assert.equal(look('stat').status, 0);
  });
});
