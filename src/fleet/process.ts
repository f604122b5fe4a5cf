import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as system } from 'node:os';
import path from 'node:path';
import { Fault } from '../domain/faults.ts';
import type { Ran } from '../domain/wall.ts';
import { childrenOf } from './tree.ts';

export type LaunchOrder = {
  /** Absolute path of the program. */
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** The process is a wall, which dies of signals and takes all inside along; who is to hear one is inside. */
  readonly walled?: boolean;
  readonly stopStepMs: number;
  readonly drainMs: number;
};

export type ProcessEars = {
  readonly out: (chunk: Buffer) => void;
  readonly err: (chunk: Buffer) => void;
  /** Stdin can take more, after `write` said no. */
  readonly drained: () => void;
  /** The child closed its stdin or is gone; what was written may not have been read. */
  readonly deaf: (why: string) => void;
  /** Just before a signal that may end it: the last moment in which its family can be seen together. */
  readonly leaving?: () => void;
  /** Once: the process is gone, or never came to be, and its pipes said all they will say. */
  readonly ended: (why: string) => void;
};

/** The processes that this one has started and that are not collected yet. */
const started = new Set<number>();

export function isStartedHere(pid: number): boolean {
  return started.has(pid);
}

/** One child process in a group of its own. Ends once. The only door to processes. */
export class Child {
  readonly #order: LaunchOrder;
  readonly #ears: ProcessEars;
  readonly #process: ChildProcess | undefined;
  #why: string | undefined;
  #ended = false;
  #stopping = false;
  #timer: NodeJS.Timeout | undefined;

  /** Starts a program with no shell. What cannot start ends with a reason, asynchronously like everything else. */
  constructor(order: LaunchOrder, ears: ProcessEars) {
    this.#order = order;
    this.#ears = ears;
    // A relative name would be looked up along PATH, where somebody else may have put a program first.
    if (!path.isAbsolute(order.command)) {
      throw new Fault('CONFIG_INVALID', { detail: `the command ${order.command} is not an absolute path` });
    }
    try {
      this.#process = this.#launch();
    } catch (reason) {
      // For example EMFILE, or a NUL byte in an argument.
      const error = reason instanceof Error ? reason : new Error(String(reason));
      process.nextTick(() => this.#end(`could not start: ${whyNot(error, order.cwd)}`));
    }
  }

  get pid(): number | undefined {
    return this.#ended ? undefined : this.#process?.pid;
  }

  /** Hands text to stdin. False: wait for `drained` before the next. */
  write(text: string): boolean {
    return this.#process?.stdin?.write(text, 'utf8') ?? true;
  }

  /**
   * Closes stdin, then SIGTERM, then SIGKILL to the whole group, a step apart. `ended` tells when it worked. One that hangs
   * would not notice its stdin, so no time is given to that.
   */
  stop(hangs = false): void {
    if (this.#stopping || this.#ended) return;
    this.#stopping = true;
    if (hangs) this.#process?.stdin?.end();
    this.#escalate([
      ...(hangs ? [] : [() => this.#process?.stdin?.end()]),
      () => this.#signal('SIGTERM'),
      () => this.#signal('SIGKILL'),
      // Uninterruptible sleep, as on a dead network mount. Waiting longer would hang the daemon's own stop.
      () => this.#end('did not end, not even by SIGKILL'),
    ]);
  }

  #launch(): ChildProcess {
    const { command, args, cwd, env } = this.#order;
    // `detached` makes the child the leader of its own process group, so that one signal reaches all its descendants.
    const child = spawn(command, args, {
      cwd,
      env: { ...env },
      shell: false,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.on('error', (error) => {
      if (child.pid === undefined) this.#end(`could not start: ${whyNot(error, cwd)}`);
    });
    const { pid } = child;
    if (pid !== undefined) started.add(pid);
    child.on('exit', (code, signal) => {
      if (pid !== undefined) started.delete(pid);
      this.#exited(signal === null ? endOf(code, this.#order.walled === true) : `was killed by ${signal}`);
    });
    child.on('close', () => this.#end(this.#why ?? 'closed its pipes'));
    // When the descriptors have run out there is a process object without pipes.
    child.stdin?.on('drain', this.#ears.drained);
    child.stdin?.on('error', (error) => this.#ears.deaf(error.message));
    child.stdout?.on('data', this.#ears.out);
    child.stderr?.on('data', this.#ears.err);
    // A read error is followed by `close`, which is what we act on.
    child.stdout?.on('error', () => undefined);
    child.stderr?.on('error', () => undefined);
    return child;
  }

  #exited(why: string): void {
    this.#why = why;
    clearTimeout(this.#timer);
    // The leader is gone; what it left behind in its group serves nobody and would hold our pipes open.
    this.#signal('SIGKILL');
    // `close` comes when the last holder of the pipes is gone, which may be a grandchild in another group, so never.
    this.#timer = setTimeout(() => this.#end(why), this.#order.drainMs);
  }

  #escalate(steps: readonly (() => void)[]): void {
    const [step, ...rest] = steps;
    if (step === undefined || this.#ended || this.#why !== undefined) return;
    step();
    this.#timer = setTimeout(() => this.#escalate(rest), this.#order.stopStepMs);
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    if (this.#why === undefined) this.#ears.leaving?.();
    // Behind a wall the first process leads a group of its own and hears nothing but SIGKILL; the server is in that group.
    const inside = this.#order.walled === true ? childrenOf('/proc', pid) : [];
    for (const leader of inside) signalGroup(leader, signal);
    // The wall itself ends at once of SIGTERM, and then nobody inside would have time to leave.
    if (signal === 'SIGKILL' || inside.length === 0) signalGroup(pid, signal);
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#process?.stdin?.destroy();
    this.#process?.stdout?.destroy();
    this.#process?.stderr?.destroy();
    this.#process?.unref();
    this.#ears.ended(why);
  }
}

/** The system says of a missing folder that the program is missing. */
function whyNot(error: NodeJS.ErrnoException, cwd: string): string {
  if (error.code !== 'ENOENT' && error.code !== 'EACCES' && error.code !== 'ENOTDIR') return error.message;
  try {
    accessSync(`${cwd}/.`, constants.X_OK);
    return error.message;
  } catch (reason) {
    return `${(reason as NodeJS.ErrnoException).code ?? 'error'}: its folder ${cwd} cannot be entered`;
  }
}

function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch {
    // ESRCH: everybody in the group is gone already, which is what was wanted.
  }
}

/** A wall exits as shells do, with 128 and the number of the signal that ended what was inside. */
function endOf(code: number | null, walled: boolean): string {
  const signal = walled && code !== null && code > 128 ? signalNames.get(code - 128) : undefined;
  return signal === undefined ? `exited with code ${code}` : `was killed by ${signal}`;
}

const signalNames: ReadonlyMap<number, string> = new Map(
  Object.entries(system.signals).map(([name, number]) => [number, name]),
);

/** Of what a program says when it is run to its end. */
const saidBytesMax = 64 * 1024;

/**
 * Runs a program to its end, or until the time is over, with nothing of the daemon's environment. Never rejects; `code` is
 * undefined where it could not start or did not end by itself.
 */
export function runOnce(command: string, args: readonly string[], withinMs: number): Promise<Ran> {
  return new Promise((resolve) => {
    const said = { out: '', err: '' };
    const hear = (to: keyof typeof said) => (chunk: Buffer) => {
      said[to] = (said[to] + chunk.toString('utf8')).slice(0, saidBytesMax);
    };
    const order = { command, args, cwd: '/', env: { PATH: '/usr/bin:/bin' }, stopStepMs: 100, drainMs: 100 };
    const child = new Child(order, {
      out: hear('out'),
      err: hear('err'),
      drained: () => undefined,
      deaf: () => undefined,
      ended: (why) => {
        clearTimeout(timer);
        const code = /^exited with code (\d+)$/.exec(why)?.[1];
        resolve({
          ...said,
          code: code === undefined ? undefined : Number(code),
          err: code === undefined ? said.err || why : said.err,
        });
      },
    });
    const timer = setTimeout(() => child.stop(), withinMs);
  });
}
