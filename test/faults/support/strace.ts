/**
 * Faults at system calls, by strace (Debian package strace). Nothing is mocked: the kernel says EIO, or is told to end the
 * process, at the N-th call that touches one of the paths.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { readOr, until } from '../../support/daemon.ts';

/** Why nothing can be traced here; false when it can. */
export function untraceable(): string | false {
  if (process.platform !== 'linux') return 'needs strace, which is on Linux';
  const tried = spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=none', 'true']);
  if (tried.error !== undefined) return 'needs strace (Debian package strace)';
  return tried.status === 0 ? false : 'needs leave to trace, which this user or container does not have';
}

export type Injection = {
  /** Names of system calls, separated by commas. */
  readonly calls: string;
  /** What strace is to do: `error=EIO`, `signal=KILL:when=7`, `delay_enter=2000000` (µs); see strace(1). */
  readonly how: string;
};

export type Traced = {
  readonly before: readonly string[];
  /** What was traced so far, a line for each call, with the names of its files. */
  readonly told: () => string;
  /** How often the fault came. */
  readonly fired: () => number;
};

/**
 * Words to put in front of a command. The tracer is a grandchild (-D), so that the pid stays that of the daemon. Not with
 * --seccomp-bpf, which would be faster: strace 6.1 then sends no signal.
 */
export function traced(log: string, injections: readonly Injection[], paths: readonly string[]): Traced {
  const calls = injections.map((it) => it.calls).join(',');
  const before = [
    ...['strace', '-D', '-f', '-y', '-qq', '-s', '0', '-o', log, '-e', 'signal=none'],
    ...['-e', `trace=${calls}`],
    ...injections.flatMap((it) => ['-e', `inject=${it.calls}:${it.how}`]),
    ...paths.flatMap((path) => ['-P', path]),
  ];
  const told = () => readOr(log, '');
  return { before, told, fired: () => firedIn(told()) };
}

/** Everything by which bytes reach a file or a name changes. */
export const writing =
  'write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2,ftruncate,truncate,unlink,unlinkat,link,linkat';

/**
 * Each of these names by itself. strace counts the calls of each name apart: the N-th of `write,fsync` is the N-th write or the
 * N-th fsync, whichever comes first, so whoever asked for all of them together would die of the most frequent one alone.
 */
export function eachAlone(calls: string): readonly string[] {
  return calls.split(',');
}

/** A tracer on a process that runs already, with all its threads. `off` lets it go: from then on nothing is wrong. */
export class Attached {
  readonly #tracer: ChildProcess;
  readonly #pid: number;
  readonly #log: string;

  private constructor(tracer: ChildProcess, pid: number, log: string) {
    this.#tracer = tracer;
    this.#pid = pid;
    this.#log = log;
  }

  static async to(
    pid: number,
    log: string,
    injections: readonly Injection[],
    paths: readonly string[],
  ): Promise<Attached> {
    // What came before it is still in the log.
    const { before } = traced(`${log}.${++count}`, injections, paths);
    const options = before.slice(1).filter((word) => word !== '-D');
    const tracer = spawn('strace', [...options, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    tracer.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const attached = new Attached(tracer, pid, `${log}.${count}`);
    await until('every thread is traced', () => {
      if (tracer.exitCode !== null) throw new Error(`strace ended: ${said}`);
      return attached.#tracers().every((it) => it === tracer.pid);
    });
    return attached;
  }

  /** How often the fault came. */
  fired(): number {
    return firedIn(readOr(this.#log, ''));
  }

  /** Also of the dead. */
  async off(): Promise<void> {
    const { pid } = this.#tracer;
    if (this.#tracer.exitCode === null && this.#tracer.signalCode === null) this.#tracer.kill('SIGTERM');
    await until('nothing is traced', () => this.#tracers().every((it) => it !== pid), 1200);
  }

  #tracers(): number[] {
    try {
      return readdirSync(`/proc/${this.#pid}/task`).map((thread) =>
        Number(/^TracerPid:\s+(\d+)/m.exec(readOr(`/proc/${this.#pid}/task/${thread}/status`, ''))?.[1]),
      );
    } catch {
      return [];
    }
  }
}

let count = 0;

/** A call that was only held up is told when it is over. */
function firedIn(log: string): number {
  return log.match(/\((?:INJECTED|DELAYED)\)/g)?.length ?? 0;
}
