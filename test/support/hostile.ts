/** A daemon with a server that attacks it, and everything that such a server could want. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fixture, projectRoot, rule, TestDaemon, type TestSession } from './daemon.ts';

/** Whose the attacker is. `root, shared`: root's daemon, and a folder that no other user may write. */
export type Profile = 'off' | 'root, own user' | 'root, shared' | 'ordinary user';

const isRoot = process.getuid?.() === 0;
/** An ordinary user that nobody has, for the daemon of a root that runs the tests. */
const someUid = 59_999;

/** Why this profile cannot be tried here; undefined where it can. */
export function lacking(profile: Profile): string | undefined {
  if (profile === 'off') return undefined;
  if (process.platform !== 'linux') return 'bubblewrap is for Linux';
  if (!existsSync('/usr/bin/bwrap')) return 'bubblewrap is not installed: apt install bubblewrap';
  const probe = spawnSync('/usr/bin/bwrap', [
    '--unshare-user',
    '--unshare-pid',
    '--ro-bind',
    '/',
    '/',
    '--proc',
    '/proc',
    '/bin/true',
  ]);
  if (probe.status !== 0) return `this machine builds no walls: ${String(probe.stderr).trim()}`;
  if (profile.startsWith('root') && !isRoot) return 'only root has users to give';
  return undefined;
}

export const siblingSecret = 'the-secret-of-the-sibling';

export class Target {
  readonly daemon: TestDaemon;
  /** On the machine's own network: a port, and an abstract socket. */
  readonly port: number;
  readonly abstract: string;
  readonly #servers: readonly Server[];
  /** A session bus, as keychains are reached over; undefined where there is no dbus-daemon to start. */
  #bus: ChildProcess | undefined;
  #session: TestSession | undefined;

  private constructor(daemon: TestDaemon, port: number, abstract: string, servers: readonly Server[]) {
    this.daemon = daemon;
    this.port = port;
    this.abstract = abstract;
    this.#servers = servers;
  }

  /** `more` is said in the server file, `resources` under [resources]. */
  static async start(
    profile: Profile,
    more = '',
    resources = '',
    env: Readonly<Record<string, string>> = {},
  ): Promise<Target> {
    const policy = (sandbox: string, lines: string) =>
      `command = "$NODE"\nargs = ["$DIR/server/hostile.ts"]\ncwd = "$DIR/server"\nsharing = "all"\nprotocol = "legacy"\nsandbox = "${sandbox}"\n${lines}\n`;
    const sandbox = profile === 'off' ? 'off' : 'auto';
    const daemon = await TestDaemon.start({
      boot: false,
      canaries: false,
      env,
      servers: {
        hostile: `${policy(sandbox, `write = ["$DIR/declared"]\n${more}`)}${resources === '' ? '' : `[resources]\n${resources}\n`}${rule('allow', ['try', 'about'])}`,
        // It has something in its environment, and is never asked anything.
        sibling: `${policy(sandbox, '')}[env]\nSIBLING = "${siblingSecret}"\n${rule('allow', ['about'])}`,
      },
      prepare: ({ dir }) => {
        for (const name of ['server', 'declared', 'elsewhere']) mkdirSync(join(dir, name));
        copyFileSync(fixture('hostile'), join(dir, 'server', 'hostile.ts'));
        writeFileSync(join(dir, 'elsewhere', 'private'), 'private');
        writeFileSync(join(dir, 'declared', 'shared'), 'shared');
        symlinkSync(join(dir, 'elsewhere', 'private'), join(dir, 'declared', 'way-out'));
        for (const name of ['server', 'elsewhere']) chmodSync(join(dir, name), 0o755);
        const others = profile === 'root, own user';
        chmodSync(join(dir, 'declared'), others ? 0o777 : 0o755);
        chmodSync(join(dir, 'declared', 'shared'), others ? 0o666 : 0o644);
        chmodSync(dir, 0o755);
      },
    });
    const abstract = `mcpd-test-${process.pid}-${daemon.port}`;
    const [tcp, other] = [createServer(), createServer()];
    for (const server of [tcp, other]) server.on('connection', (socket) => socket.destroy());
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => other.listen({ path: `\0${abstract}` }, resolve));
    const address = tcp.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const target = new Target(daemon, port, abstract, [tcp, other]);
    try {
      await target.#startBus();
      if (profile === 'ordinary user' && isRoot) await target.#bootAsSomebody();
      else await daemon.boot();
      // Where it is kept; nothing here needs a secret of it.
      writeFileSync(join(daemon.state, 'vault.json'), 'vault', { mode: 0o600 });
      if (profile === 'ordinary user' && isRoot)
        chownSync(join(daemon.state, 'vault.json'), someUid, someUid);
      return target;
    } catch (reason) {
      await target[Symbol.asyncDispose]();
      throw reason;
    }
  }

  /** What comes of one attempt: "got" or "stopped: …". */
  async tries(what: string, at: string | number = ''): Promise<string> {
    return this.#asks('try', { what, at: String(at) });
  }

  async about(): Promise<{
    env: string[];
    home: string;
    pid: number;
    uid: number;
    path: string;
    umask: number;
  }> {
    return JSON.parse(await this.#asks('about', {})) as Awaited<ReturnType<Target['about']>>;
  }

  async #asks(name: string, args: object): Promise<string> {
    this.#session ??= await this.daemon.session('hostile');
    const { body } = await this.#session.call(name, args);
    const content = body.result?.['content'] as { text: string }[] | undefined;
    return content?.[0]?.text ?? `error: ${body.error?.message ?? 'none'}`;
  }

  /** Where the session bus listens. */
  get busPath(): string {
    return join(this.daemon.dir, 'elsewhere', 'bus');
  }

  get hasBus(): boolean {
    return this.#bus !== undefined;
  }

  async #startBus(): Promise<void> {
    if (!existsSync('/usr/bin/dbus-daemon')) return;
    const bus = spawn(
      '/usr/bin/dbus-daemon',
      ['--session', '--nofork', `--address=unix:path=${this.busPath}`],
      {
        stdio: 'ignore',
      },
    );
    for (let tries = 0; tries < 100 && bus.exitCode === null && !existsSync(this.busPath); tries++)
      await sleep(50);
    this.#bus = existsSync(this.busPath) ? bus : undefined;
  }

  async #bootAsSomebody(): Promise<void> {
    const { daemon } = this;
    spawnSync('chown', ['-R', `${someUid}:${someUid}`, daemon.dir]);
    const flags = [
      `--reuid=${someUid}`,
      `--regid=${someUid}`,
      '--clear-groups',
      '--inh-caps=-all',
      '--bounding-set=-all',
    ];
    const launcher = join(projectRoot, 'src', 'launch.cjs');
    const command = [process.execPath, launcher, 'run', '--policies', daemon.policies];
    const child = spawn('/usr/bin/setpriv', [...flags, '--', ...command], {
      env: { ...daemon.env, HOME: daemon.dir, MCPD_TEST_TAP: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    daemon.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
    for (let tries = 0; tries < 300; tries++) {
      if (child.exitCode !== null) throw new Error(`mcpd exited with ${child.exitCode}:\n${daemon.output}`);
      const ready = await fetch(`${daemon.url}/readyz`, {
        headers: { authorization: `Bearer ${daemon.key}` },
      })
        .then((response) => response.json() as Promise<{ servers?: { state: string }[] }>)
        .catch(() => undefined);
      if (ready?.servers?.every(({ state }) => state === 'ready') === true) return;
      await sleep(50);
    }
    throw new Error(`mcpd did not become ready:\n${daemon.output}\n${daemon.log()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
    this.#bus?.kill('SIGKILL');
    // What belongs to somebody else is looked after as root again.
    if (isRoot) chownSync(this.daemon.dir, 0, 0);
    await this.daemon[Symbol.asyncDispose]();
  }
}
