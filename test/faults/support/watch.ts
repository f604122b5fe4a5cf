/** A daemon that may be killed and started again, and somebody who watches every one of its lives from beside it. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  alive,
  parentOf,
  processes,
  projectRoot,
  childMark,
  readOr,
  TestDaemon,
  until,
  type DaemonOptions,
} from '../../support/daemon.ts';
import { figure } from '../../support/faults.ts';
import { probe, type Probed } from './prober.ts';
import type { Pulse } from './pulse.ts';

const pulse = join(projectRoot, 'test', 'faults', 'support', 'pulse.ts');
const tap = join(projectRoot, 'test', 'support', 'tap.ts');
const launcher = join(projectRoot, 'src', 'launch.cjs');
const lookEveryMs = 250;
/** A dead child that nobody has collected after so long is a zombie. */
const zombieMs = 3000;

/** The worst of everything that was seen, in all lives together. */
export type Seen = {
  lives: number;
  /** From the start of the process to the first answer that says it is ready. */
  readyMs: number;
  /** How late the event loop was at worst once the daemon was ready, and how much of it was its own work. */
  lateMs: number;
  ownMs: number;
  /** Of `/healthz`, asked from another thread. */
  healthMs: number;
  healthFailures: number;
  rssMiB: number;
  fds: number;
  threads: number;
  children: number;
  /** Processes of an earlier life that a later one did not end. */
  orphans: number;
  zombies: number;
};

export type WatchOptions = DaemonOptions & {
  /** How often the heap is collected, so that its size says what is held; absent: never. */
  readonly collectEveryMs?: number;
  /** Begins the command line: `['strace', …]`, `['nice', …]`. */
  readonly before?: readonly string[];
  /** Nobody asks for its health all the time. */
  readonly unprobed?: true;
};

export class Watched {
  readonly daemon: TestDaemon;
  readonly seen: Seen = {
    lives: 0,
    readyMs: 0,
    lateMs: 0,
    ownMs: 0,
    healthMs: 0,
    healthFailures: 0,
    rssMiB: 0,
    fds: 0,
    threads: 0,
    children: 0,
    orphans: 0,
    zombies: 0,
  };
  readonly #options: WatchOptions;
  #looker: NodeJS.Timeout | undefined;
  #stopProbing: (() => Promise<Probed>) | undefined;
  #readyAt = 0;

  private constructor(daemon: TestDaemon, options: WatchOptions) {
    this.daemon = daemon;
    this.#options = options;
  }

  static async start(options: WatchOptions): Promise<Watched> {
    const watched = new Watched(await TestDaemon.start({ ...options, boot: false }), options);
    try {
      if (options.boot !== false) await watched.boot();
      return watched;
    } catch (reason) {
      await watched[Symbol.asyncDispose]();
      throw reason;
    }
  }

  /** Starts the process, waits until it is ready, and gives the time that took in ms. */
  async boot(): Promise<number> {
    const { daemon } = this;
    daemon.canaries?.lookForAll('what the daemon printed', daemon.output);
    daemon.output = '';
    const { MCPD_TEST_TAP } = process.env;
    const tapped = MCPD_TEST_TAP === undefined ? [] : [`--import=${tap}`];
    const command = [...(this.#options.before ?? []), process.execPath, ...tapped, `--import=${pulse}`];
    const [program = '', ...args] = [...command, launcher, 'run', '--policies', daemon.policies];
    const from = performance.now();
    this.seen.lives++;
    const child = spawn(program, args, {
      env: {
        ...daemon.env,
        MCPD_TEST_PULSE: this.#pulseFile,
        MCPD_TEST_COLLECT_MS: String(this.#options.collectEveryMs ?? 0),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    daemon.child = child;
    child.stdout.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (daemon.output += chunk.toString()));
    await until(
      'the daemon is ready',
      () => {
        if (child.exitCode !== null) throw new Error(`mcpd exited with ${child.exitCode}:\n${daemon.output}`);
        return isReady(daemon);
      },
      600,
    );
    const readyMs = Math.round(performance.now() - from);
    this.#readyAt = readyMs;
    this.seen.readyMs = Math.max(this.seen.readyMs, readyMs);
    this.#looker = setInterval(() => this.#look(), lookEveryMs);
    if (this.#options.unprobed !== true) this.#stopProbing = probe(daemon.url);
    return readyMs;
  }

  /** Ends the process, and notes what was seen of this life. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    // The last look is before the end, because a process that is going answers nobody.
    await this.rest();
    return this.daemon.end(signal);
  }

  /** Stops looking, for now or for good; what is noted after this is not of this life. */
  async rest(): Promise<void> {
    clearInterval(this.#looker);
    if (alive(this.daemon.pid)) this.#look();
    const stop = this.#stopProbing;
    this.#stopProbing = undefined;
    const probed = await stop?.();
    this.seen.healthMs = Math.max(this.seen.healthMs, probed?.worstMs ?? 0);
    this.seen.healthFailures += probed?.failures ?? 0;
    for (const { at, lateMs, ownMs } of this.pulses()) {
      // What was still part of the start does not count.
      if (at < this.#readyAt + 500) continue;
      this.seen.lateMs = Math.max(this.seen.lateMs, lateMs);
      this.seen.ownMs = Math.max(this.seen.ownMs, ownMs);
    }
  }

  /** What this life has written down of itself so far. */
  pulses(): Pulse[] {
    return readOr(this.#pulseFile, '')
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as Pulse);
  }

  /** Every process that carries the mark of this state directory, whichever life started it. */
  marked(): number[] {
    const mark = childMark(this.daemon.state);
    if (mark === '') return [];
    const entry = `SUPERVISED_BY=${mark}`;
    return processes().filter(
      (pid) => alive(pid) && readOr(`/proc/${pid}/environ`, '').split('\0').includes(entry),
    );
  }

  /** Waits until none of some processes lives; those that stay are counted as orphans, and fail the test. */
  async gone(old: readonly number[]): Promise<void> {
    for (let tries = 0; tries < 200 && old.some(alive); tries++) await sleep(50);
    const left = old.filter(alive);
    this.seen.orphans += left.length;
    if (left.length > 0)
      throw new Error(
        `still there: ${left.map((pid) => `${pid} ${this.daemon.commandLine(pid)}`).join(', ')}`,
      );
  }

  /** Processor time that the daemon has used in this life, in ms. */
  cpuMs(): number {
    return cpuMsOf(this.daemon.pid);
  }

  rssMiB(): number {
    return statusOf(this.daemon.pid, 'VmRSS') / 1024;
  }

  fds(): number {
    return fdsOf(this.daemon.pid);
  }

  /** Puts what was seen on record under an id of the catalogue. */
  record(id: string): void {
    const { seen } = this;
    figure(id, 'event loop late max ms', seen.lateMs);
    figure(id, 'of it own work max ms', seen.ownMs);
    figure(id, 'health worst ms', seen.healthMs);
    figure(id, 'rss max MiB', Math.round(seen.rssMiB));
    figure(id, 'orphans', seen.orphans);
    figure(id, 'zombies', seen.zombies);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#looker);
    await this.#stopProbing?.();
    this.#stopProbing = undefined;
    await this.daemon[Symbol.asyncDispose]();
  }

  get #pulseFile(): string {
    return join(this.daemon.dir, `pulse-${this.seen.lives}.jsonl`);
  }

  #look(): void {
    const { pid } = this.daemon;
    const { seen } = this;
    const own = processes().filter((it) => parentOf(it) === pid);
    seen.rssMiB = Math.max(seen.rssMiB, statusOf(pid, 'VmHWM') / 1024);
    seen.threads = Math.max(seen.threads, statusOf(pid, 'Threads'));
    seen.fds = Math.max(seen.fds, fdsOf(pid));
    seen.children = Math.max(seen.children, own.length);
    // Whoever dies is a zombie for a moment; adopted ones are collected once a second.
    const now = performance.now();
    this.#dead = new Map(own.filter((it) => !alive(it)).map((it) => [it, this.#dead.get(it) ?? now]));
    const lasting = [...this.#dead.values()].filter((since) => now - since > zombieMs);
    seen.zombies = Math.max(seen.zombies, lasting.length);
  }

  /** Process → since when it has been seen dead. */
  #dead: ReadonlyMap<number, number> = new Map();
}

/** What the heap holds in MiB, right after a collection that began after this was asked; see `collectEveryMs`. */
export async function heapAfterCollection(watched: Watched): Promise<number> {
  const already = watched.pulses().length;
  const next = () =>
    watched
      .pulses()
      .slice(already)
      .findLast(({ collected }) => collected);
  await until('the heap is collected', () => next() !== undefined, 600);
  return next()?.heapMiB ?? 0;
}

export async function isReady(daemon: TestDaemon): Promise<boolean> {
  const told = await fetch(`${daemon.url}/readyz`, { headers: { authorization: `Bearer ${daemon.key}` } })
    .then((response) => response.json() as Promise<{ servers?: { state: string }[] }>)
    .catch(() => undefined);
  return told?.servers?.every(({ state }) => state !== 'starting') === true;
}

/** A number of /proc/PID/status; 0 for a process that is gone. */
function statusOf(pid: number, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readOr(`/proc/${pid}/status`, ''))?.[1] ?? 0);
}

function fdsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** Fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms (proc(5)). */
export function cpuMsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return 0;
  }
}
