// The same, with the real places of a Linux host: a Secret Service on a bus of its own, a credential of systemd, a passphrase.
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { rule, serving, TestDaemon, until } from '../support/daemon.ts';

const all = rule('allow', ['*']);
const using = (reference: string) =>
  serving('answers', `sharing = "all"\n[secrets]\nTOKEN = "${reference}"\n${all}`);
const has = (...programs: string[]) =>
  programs.every((program) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0);
const canary = () => `c4nary-${randomBytes(20).toString('base64url')}`;

/** What the child of a server was given. */
async function tokenOf(daemon: TestDaemon, server: string): Promise<string | undefined> {
  const { pid } = await daemon.status(server);
  const found = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  return found.find((it) => it.startsWith('TOKEN='))?.slice('TOKEN='.length);
}

const ready = (daemon: TestDaemon, server: string) =>
  until(`${server} is ready`, async () => (await daemon.status(server)).state === 'ready');

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth><policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
`;
const service = has('dbus-daemon', 'gnome-keyring-daemon');
it(
  'with a keychain that works, that is where a secret goes; locked, it is told so and waited for',
  { skip: !service && 'needs dbus-daemon and gnome-keyring-daemon (Debian packages dbus and gnome-keyring)' },
  async () => {
    const home = mkdtempSync(join(tmpdir(), 'mcpd-home-'));
    mkdirSync(join(home, 'run'), { mode: 0o700 });
    const address = `unix:path=${join(home, 'bus')}`;
    const env = {
      HOME: home,
      XDG_RUNTIME_DIR: join(home, 'run'),
      XDG_DATA_HOME: join(home, 'data'),
      XDG_CONFIG_HOME: join(home, 'config'),
      XDG_CACHE_HOME: join(home, 'cache'),
      DBUS_SESSION_BUS_ADDRESS: address,
    };
    const started: ChildProcess[] = [];
    const start = (program: string, args: string[], input?: string) => {
      const child = spawn(program, args, {
        env: { PATH: process.env['PATH'], ...env },
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      started.push(child);
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input ?? '');
      return child;
    };
    // A bus that starts nothing by itself: a second Secret Service would be in the way of ours.
    const config = join(home, 'bus.conf');
    writeFileSync(config, busConfig);
    start('dbus-daemon', [`--config-file=${config}`, '--nofork', `--address=${address}`]);
    const works = () =>
      spawnSync(
        'dbus-send',
        [
          '--session',
          '--dest=org.freedesktop.secrets',
          '--print-reply',
          '/org/freedesktop/secrets',
          'org.freedesktop.DBus.Peer.Ping',
        ],
        { env: { PATH: process.env['PATH'], ...env } },
      ).status === 0;
    const [first, second] = [canary(), canary()];
    let daemon: TestDaemon | undefined;
    try {
      // Its login keyring does not exist yet: nothing can be kept.
      start('gnome-keyring-daemon', ['--foreground', '--components=secrets']);
      await until('the Secret Service answers', works);
      daemon = await TestDaemon.start({ servers: { desk: using('keychain:desk') }, env });
      assert.match(
        (await daemon.status('desk')).because ?? '',
        /keychain cannot be used: its keyring is locked, or was never made; unlock it/,
      );
      const { stderr } = await daemon.mcpd(['secret', 'doctor']);
      assert.match(
        stderr,
        /^FAIL +keychain +the keychain cannot be used: its keyring is locked.*gnome-keyring-daemon --replace --unlock/m,
      );
      // As its hint says.
      start(
        'gnome-keyring-daemon',
        ['--foreground', '--replace', '--unlock', '--components=secrets'],
        'password',
      );
      const asked = daemon;
      await until(
        'the keychain works',
        async () =>
          /^FAIL +keychain +keychain:desk for desk TOKEN: the keychain holds no such secret; mcpd secret set desk$/m.test(
            await asked.mcpd(['secret', 'doctor']).then((ran) => ran.stdout + ran.stderr),
          ),
        30,
      );
      const set = await daemon.mcpd(['secret', 'set', 'desk', '--json'], first);
      assert.equal((JSON.parse(set.stdout) as { reference: string }).reference, 'keychain:desk');
      await ready(daemon, 'desk');
      assert.equal(await tokenOf(daemon, 'desk'), first);
      const rotated = await daemon.mcpd(['secret', 'rotate', 'desk', '--json'], second);
      assert.deepEqual((JSON.parse(rotated.stdout) as { restarted: string[] }).restarted, ['desk']);
      await ready(daemon, 'desk');
      assert.equal(await tokenOf(daemon, 'desk'), second);
      assert.equal((await daemon.mcpd(['secret', 'doctor'])).code, 0);
      assert.equal((await daemon.mcpd(['secret', 'get', 'desk', '--reveal'])).stdout, `${second}\n`);
      assert.match((await daemon.mcpd(['secret', 'rm', 'desk'])).stdout, /removed from the keychain/);
      for (const value of [first, second]) assert.ok(!daemon.log().includes(value));
    } finally {
      await daemon?.[Symbol.asyncDispose]();
      for (const child of started.toReversed()) child.kill('SIGKILL');
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    }
  },
);

it('credentials of systemd are a server’s secret and the key of the vault', async () => {
  const credentials = mkdtempSync(join(tmpdir(), 'mcpd-credentials-'));
  const [token, kept] = [canary(), canary()];
  writeFileSync(join(credentials, 'desk-token'), token, { mode: 0o400 });
  writeFileSync(join(credentials, 'vault-key'), `${randomBytes(32).toString('hex')}\n`, { mode: 0o400 });
  const daemon = await TestDaemon.start({
    servers: { desk: using('systemd:desk-token'), box: using('vault:box') },
    daemon: '[secrets.vault]\nkey = "systemd:vault-key"\n',
    env: { CREDENTIALS_DIRECTORY: credentials },
  });
  try {
    assert.equal(await tokenOf(daemon, 'desk'), token);
    assert.equal((await daemon.mcpd(['secret', 'set', 'box', '--in', 'vault'], kept)).code, 0);
    await ready(daemon, 'box');
    assert.equal(await tokenOf(daemon, 'box'), kept);
    const { stdout, code } = await daemon.mcpd(['secret', 'doctor']);
    assert.equal(code, 0);
    assert.match(stdout, /^ok +systemd +1 of the policy can be had$/m);
    assert.match(stdout, /^ok +vault +opens, 1 secret, key from systemd/m);
  } finally {
    await daemon[Symbol.asyncDispose]();
    rmSync(credentials, { recursive: true, force: true });
  }
});

it('a vault behind a passphrase that nobody can type keeps its servers waiting, and says so', async () => {
  const daemon = await TestDaemon.start({
    servers: { box: using('vault:box'), plain: serving('answers', all) },
    daemon: '[secrets.vault]\nkey = "passphrase"\n',
  });
  try {
    const { stderr, code } = await daemon.mcpd(['secret', 'set', 'box', '--in', 'vault'], 'hunter2-hunter2');
    assert.equal(code, 1);
    assert.match(stderr, /nobody is at a terminal to type it\n.*"file:PATH" or "systemd:NAME"/);
    assert.equal((await daemon.status('box')).state, 'lacks-secret');
    assert.equal((await daemon.status('plain')).state, 'ready');
  } finally {
    await daemon[Symbol.asyncDispose]();
  }
});

it('a damaged vault stops the servers that need it, is not taken for an empty one, and is never overwritten', async () => {
  const config = mkdtempSync(join(tmpdir(), 'mcpd-config-'));
  const daemon = await TestDaemon.start({
    servers: { box: using('vault:box'), plain: serving('answers', all) },
    env: { XDG_CONFIG_HOME: config },
  });
  try {
    await daemon.mcpd(['secret', 'set', 'box', '--in', 'vault'], canary());
    await ready(daemon, 'box');
    const path = join(daemon.state, 'vault.json');
    const whole = JSON.parse(readFileSync(path, 'utf8')) as { serial: number };
    const bad = JSON.stringify({ ...whole, serial: whole.serial + 1 });
    writeFileSync(path, bad);
    await daemon.ctl('restart', 'box');
    await until('it lacks its secret', async () => (await daemon.status('box')).state === 'lacks-secret');
    assert.match(
      (await daemon.status('box')).because ?? '',
      /was changed by somebody without the key, or is damaged; bring it back/,
    );
    const { stderr, code } = await daemon.mcpd(['secret', 'set', 'box', '--in', 'vault'], 'hunter2-hunter2');
    assert.equal(code, 78);
    assert.match(stderr, /start over: mv /);
    assert.equal(readFileSync(path, 'utf8'), bad);
    assert.match((await daemon.mcpd(['secret', 'doctor'])).stderr, /^FAIL +vault +the vault .* was changed/m);
    assert.equal((await daemon.status('plain')).state, 'ready');
  } finally {
    await daemon[Symbol.asyncDispose]();
    rmSync(config, { recursive: true, force: true });
  }
});
