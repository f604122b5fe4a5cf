import { memoryMbOf } from './process-tree.ts';

const everyMs = 200;
// Reading the memory of many processes takes a while. It may have a fiftieth of one core and no more.
const restPerMsOfWork = 50;

/** Watches the memory of a process tree, and keeps the most it saw. */
export class MemoryWatch {
  /** The first process of the tree. */
  readonly pid: number;
  #timer: NodeJS.Timeout | undefined;
  #peakMb: number | undefined;

  constructor(pid: number) {
    this.pid = pid;
  }

  get peakMb(): number | undefined {
    return this.#peakMb;
  }

  start(): void {
    this.#timer = setTimeout(() => this.#look(), everyMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const begin = performance.now();
    const seen = memoryMbOf(this.pid);
    if (seen !== undefined) this.#peakMb = Math.max(this.#peakMb ?? 0, seen);
    const took = performance.now() - begin;
    this.#timer = setTimeout(() => this.#look(), Math.max(everyMs, took * restPerMsOfWork));
  }
}
