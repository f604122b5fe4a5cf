/** A Secret Service of a test's own, in a home of its own (Debian packages dbus and gnome-keyring): no keyring of a person is touched. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../support/daemon.ts';

const programs = ['dbus-daemon', 'dbus-send', 'gnome-keyring-daemon'];

/** Why there is no keyring here; false when there is. */
export const unkept: string | false =
  process.platform === 'linux' &&
  programs.every((it) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', it]).status === 0)
    ? false
    : 'needs dbus-daemon and gnome-keyring-daemon (Debian packages dbus and gnome-keyring)';

// It starts nothing by itself: a second Secret Service would be in the way of ours.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><auth>EXTERNAL</auth><policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
`;

export class Keyring {
  readonly #home = mkdtempSync(join(tmpdir(), 'mcpd-keyring-'));
  readonly #socket = join(this.#home, 'bus');
  #bus: ChildProcess | undefined;
  #service: ChildProcess | undefined;

  constructor() {
    mkdirSync(join(this.#home, 'run'), { mode: 0o700 });
    writeFileSync(join(this.#home, 'bus.conf'), busConfig);
  }

  /** For a daemon that is to use this keyring; whatever of it runs or not. */
  get env(): Record<string, string> {
    return {
      HOME: this.#home,
      XDG_RUNTIME_DIR: join(this.#home, 'run'),
      XDG_DATA_HOME: join(this.#home, 'data'),
      XDG_CONFIG_HOME: join(this.#home, 'config'),
      XDG_CACHE_HOME: join(this.#home, 'cache'),
      DBUS_SESSION_BUS_ADDRESS: `unix:path=${this.#socket}`,
    };
  }

  async startBus(): Promise<void> {
    const config = `--config-file=${join(this.#home, 'bus.conf')}`;
    this.#bus = this.#start('dbus-daemon', [config, '--nofork', `--address=unix:path=${this.#socket}`]);
    await until('there is a bus', () => existsSync(this.#socket));
  }

  /** Locked: its login keyring was never made, so nothing can be read. */
  async startLocked(): Promise<void> {
    this.#service = this.#start('gnome-keyring-daemon', ['--foreground', '--components=secrets']);
    await until('the Secret Service answers', () => this.#answers());
  }

  /** In the place of whichever runs. */
  async unlock(): Promise<void> {
    const before = this.#service;
    const words = ['--foreground', '--replace', '--unlock', '--components=secrets'];
    this.#service = this.#start('gnome-keyring-daemon', words, 'password');
    if (before !== undefined)
      await until('the old one is gone', () => before.exitCode !== null || before.signalCode !== null);
    await until('it is open', () => this.#isOpen());
  }

  /** It hangs, in the middle of whatever it does, or goes on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#service?.kill(signal);
  }

  close(): void {
    for (const it of [this.#service, this.#bus]) it?.kill('SIGKILL');
    rmSync(this.#home, { recursive: true, force: true, maxRetries: 5 });
  }

  #env(): NodeJS.ProcessEnv {
    return { PATH: process.env['PATH'], ...this.env };
  }

  #start(program: string, args: readonly string[], input = ''): ChildProcess {
    const child = spawn(program, args, { env: this.#env(), stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    return child;
  }

  #answers(): boolean {
    return this.#send('/org/freedesktop/secrets', 'org.freedesktop.DBus.Peer.Ping').status === 0;
  }

  #isOpen(): boolean {
    const login = '/org/freedesktop/secrets/collection/login';
    const property = ['string:org.freedesktop.Secret.Collection', 'string:Locked'];
    const { stdout } = this.#send(login, 'org.freedesktop.DBus.Properties.Get', ...property);
    return stdout.includes('boolean false');
  }

  #send(path: string, ...more: readonly string[]) {
    const fixed = ['--session', '--dest=org.freedesktop.secrets', '--print-reply', '--reply-timeout=2000'];
    return spawnSync('dbus-send', [...fixed, path, ...more], { env: this.#env(), encoding: 'utf8' });
  }
}
