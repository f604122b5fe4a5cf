/** A daemon, and servers behind walls that were taken over: whoever speaks in them knows all of mcpd's source code. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, type Answer } from '../../src/control/client.ts';
import type { Json } from '../../src/domain/message.ts';
import { fixture, projectRoot, rule, TestDaemon, type TestSession } from '../support/daemon.ts';

const isRoot = process.getuid?.() === 0;
/** An ordinary user that nobody has, for the daemon of a root that runs the tests. */
export const someUid = 59_998;

export type Came = { readonly code: number | string; readonly out: string; readonly err: string };

export type Scene = {
  /** Server → the lines of its file, before its tables; `$DIR/NAME` is its own folder. The program is filled in. */
  readonly servers: Readonly<Record<string, string>>;
  /** Server → tables of its file. */
  readonly tables?: Readonly<Record<string, string>>;
  /** True: the daemon runs as root where the tests do. Otherwise as an ordinary user. */
  readonly asRoot?: boolean;
  readonly daemon?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly prepare?: (daemon: TestDaemon) => void;
};

export class TakenOver {
  readonly daemon: TestDaemon;
  readonly #scene: Scene;
  readonly #sessions = new Map<string, TestSession>();

  private constructor(daemon: TestDaemon, scene: Scene) {
    this.daemon = daemon;
    this.#scene = scene;
  }

  static async start(scene: Scene): Promise<TakenOver> {
    const names = Object.keys(scene.servers);
    const daemon = await TestDaemon.start({
      boot: false,
      canaries: false,
      ...(scene.daemon === undefined ? {} : { daemon: scene.daemon }),
      env: scene.env ?? {},
      servers: Object.fromEntries(
        names.map((name) => [
          name,
          `command = "$NODE"\nargs = ["$DIR/${name}/obeys.ts"]\ncwd = "$DIR/${name}"\nsharing = "all"\nprotocol = "legacy"\n` +
            `${/^sandbox/m.test(scene.servers[name] ?? '') ? '' : 'sandbox = "auto"\n'}${scene.servers[name]}\n` +
            `${scene.tables?.[name] ?? ''}\n${rule('allow', ['sh', 'js'])}`,
        ]),
      ),
      prepare: ({ dir }) => {
        for (const name of names) {
          mkdirSync(join(dir, name), { mode: 0o755 });
          copyFileSync(fixture('obeys'), join(dir, name, 'obeys.ts'));
        }
        chmodSync(dir, 0o755);
      },
    });
    const scened = new TakenOver(daemon, scene);
    try {
      scene.prepare?.(daemon);
      await scened.boot();
      return scened;
    } catch (reason) {
      await scened[Symbol.asyncDispose]();
      throw reason;
    }
  }

  at(...names: string[]): string {
    return join(this.daemon.dir, ...names);
  }

  /** Starts the daemon, as somebody else where the scene wants that. */
  async boot(): Promise<void> {
    this.#sessions.clear();
    if (this.#scene.asRoot === true) return this.daemon.boot();
    const { daemon } = this;
    if (isRoot) spawnSync('chown', ['-R', '-h', `${someUid}:${someUid}`, daemon.dir]);
    const flags = [
      ...[`--reuid=${someUid}`, `--regid=${someUid}`, '--clear-groups'],
      ...['--inh-caps=-all', '--bounding-set=-all'],
    ];
    const launcher = join(projectRoot, 'src', 'launch.cjs');
    const command = [process.execPath, launcher, 'run', '--policies', daemon.policies];
    const [program = '', ...args] = isRoot ? ['/usr/bin/setpriv', ...flags, '--', ...command] : command;
    const child = spawn(program, args, {
      env: { ...daemon.env, HOME: join(daemon.dir, 'home'), MCPD_TEST_TAP: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    daemon.child = child;
    daemon.output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
    for (let tries = 0; tries < 300; tries++) {
      if (child.exitCode !== null) throw new Error(`mcpd exited with ${child.exitCode}:\n${daemon.output}`);
      const ready = await fetch(`${daemon.url}/readyz`, {
        headers: { authorization: `Bearer ${daemon.key}` },
      })
        .then((response) => response.json() as Promise<{ servers?: { state: string }[] }>)
        .catch(() => undefined);
      if (ready?.servers?.every(({ state }) => state !== 'starting') === true) return;
      await sleep(50);
    }
    throw new Error(`mcpd did not become ready:\n${daemon.output}\n${daemon.log()}`);
  }

  /** Runs a line in the shell of a server. */
  sh(server: string, line: string): Promise<Came> {
    return this.#runs(server, 'sh', line);
  }

  /** Runs a script in a node of a server. */
  js(server: string, line: string): Promise<Came> {
    return this.#runs(server, 'js', line);
  }

  /** What an operator asks. */
  order(command: string, args: Readonly<Record<string, Json>> = {}): Promise<Answer> {
    return ask(join(this.daemon.state, 'control', 'mcpd.sock'), command, args, { operator: 'tester' });
  }

  /** Starts a server anew, so that its wall is built once more. */
  async again(server: string): Promise<void> {
    await this.order('restart', { server });
    this.#sessions.clear();
    for (let tries = 0; tries < 200; tries++) {
      const { servers } = (await this.order('status')) as unknown as {
        servers: { name: string; state: string }[];
      };
      const found = servers.find(({ name }) => name === server);
      if (found?.state === 'ready' || found?.state === 'refused') return;
      await sleep(50);
    }
  }

  async #runs(server: string, tool: string, line: string): Promise<Came> {
    let session = this.#sessions.get(server);
    session ??= await this.daemon.session(server);
    this.#sessions.set(server, session);
    const text = await session.text(tool, { line });
    try {
      return JSON.parse(text) as Came;
    } catch {
      throw new Error(`${server}: ${text}\n${this.daemon.log().slice(-3000)}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What belongs to somebody else is looked after as root again.
    if (isRoot) chownSync(this.daemon.dir, 0, 0);
    await this.daemon[Symbol.asyncDispose]();
  }
}
