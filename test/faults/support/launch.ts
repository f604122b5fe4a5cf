/**
 * Starts the daemon of a test inside something that makes the world go wrong: a tracer that fails or kills at one system call,
 * a limit, a false clock. The daemon itself knows nothing of it; there are no switches for tests in `src/`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask } from '../../../src/control/client.ts';
import { projectRoot, type TestDaemon } from '../../support/daemon.ts';

const launcher = join(projectRoot, 'src', 'launch.cjs');

/** What a daemon is started in. */
export type World = {
  /** Words in front of the command, such as `strace …`; they must become the daemon, so that its pid stays the first. */
  readonly before?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `closed`: whoever read stdout and stderr is gone before the first byte. */
  readonly output?: 'read' | 'closed';
};

export type End = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** A daemon on its way up, and how it ended. */
export class Launched {
  readonly child: ChildProcess;
  readonly #ended: Promise<End>;
  end: End | undefined;

  constructor(child: ChildProcess) {
    this.child = child;
    this.#ended = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        this.end = { code, signal };
        resolve(this.end);
      });
    });
  }

  /** How it ended. A daemon that does not is killed, and that is an error. */
  async finish(withinMs = 60_000): Promise<End> {
    const ended = await Promise.race([this.#ended, sleep(withinMs, undefined, { ref: false })]);
    if (ended !== undefined) return ended;
    this.child.kill('SIGKILL');
    await this.#ended;
    throw new Error('mcpd was to end, and ran on');
  }
}

/** Starts the process. The daemon must have been prepared with `boot: false`, or have ended. */
export function launch(daemon: TestDaemon, world: World = {}): Launched {
  const { MCPD_TEST_TAP } = daemon.env;
  const tap = join(projectRoot, 'test', 'support', 'tap.ts');
  const words = [
    ...(world.before ?? []),
    process.execPath,
    ...(MCPD_TEST_TAP === undefined ? [] : [`--import=${tap}`]),
    launcher,
    'run',
    '--policies',
    daemon.policies,
  ];
  const child = spawn(words[0] ?? '', words.slice(1), {
    env: { ...daemon.env, ...world.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  daemon.child = child;
  daemon.output = '';
  const { stdout, stderr } = child;
  for (const stream of [stdout, stderr])
    if (world.output === 'closed') stream.destroy();
    else stream.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
  return new Launched(child);
}

/** Starts the process and waits until its servers have settled. Throws when it ends before that. */
export async function boot(daemon: TestDaemon, world: World = {}): Promise<Launched> {
  const { launched, ready } = await tryBoot(daemon, world);
  if (!ready) throw new Error(`mcpd ended with ${JSON.stringify(launched.end)}:\n${daemon.output}`);
  return launched;
}

/** The same for a daemon that may not come up. */
export async function tryBoot(
  daemon: TestDaemon,
  world: World = {},
): Promise<{ readonly launched: Launched; readonly ready: boolean }> {
  const launched = launch(daemon, world);
  return { launched, ready: await isUp(daemon, launched) };
}

async function isUp(daemon: TestDaemon, launched: Launched): Promise<boolean> {
  for (let tries = 0; tries < 1500; tries++) {
    if (launched.end !== undefined) return false;
    if (await isSettled(daemon)) return true;
    await sleep(20);
  }
  throw new Error(`mcpd came neither up nor down:\n${daemon.output}`);
}

/** The operator is asked: the front may listen a moment before the first server is on the list. */
async function isSettled(daemon: TestDaemon): Promise<boolean> {
  try {
    const status = await ask(
      join(daemon.state, 'control', 'mcpd.sock'),
      'status',
      {},
      { answerWithinMs: 5000 },
    );
    const servers = status['servers'] as { readonly state: string }[] | undefined;
    return status.ok && servers?.every(({ state }) => state !== 'starting') === true;
  } catch {
    return false;
  }
}

/** What `/readyz` says to a caller; status 0 when nobody answers. `reasons`: in words for programs. */
export async function readiness(daemon: TestDaemon): Promise<{
  readonly status: number;
  readonly text: string;
  readonly servers: readonly { readonly name: string; readonly state: string }[] | undefined;
  readonly reasons: readonly string[] | undefined;
}> {
  try {
    const headers = { authorization: `Bearer ${daemon.key}`, connection: 'close' };
    const response = await fetch(`${daemon.url}/readyz`, { headers, signal: AbortSignal.timeout(5000) });
    const text = await response.text();
    const { servers, reasons } = JSON.parse(text) as {
      servers?: { name: string; state: string }[];
      reasons?: string[];
    };
    return { status: response.status, text, servers, reasons };
  } catch {
    return { status: 0, text: '', servers: undefined, reasons: undefined };
  }
}
