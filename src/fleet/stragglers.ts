import type { Log } from './deps.ts';
import { sweepMarks } from './sweep.ts';

/** Children that end at nearly the same time are looked after together. */
const gatherMs = 100;
/** With a thousand processes a look around takes some 20 ms, in which nobody is served. */
const restPerLook = 20;

/**
 * Ends what children left behind in other process groups when they ended. To find them every process of the machine is asked
 * for its environment, so it is done for many children at once, a moment later.
 */
export class Stragglers {
  readonly #log: Log;
  #marks = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #restUntil = 0;
  #stopped = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** The child with this mark is gone. */
  of(mark: string): void {
    if (this.#stopped) return;
    this.#marks.add(mark);
    const inMs = Math.max(gatherMs, this.#restUntil - performance.now());
    this.#timer ??= setTimeout(() => this.#look(), inMs).unref();
  }

  /** Looks no more: whoever stops the fleet looks for all of them. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    const marks = this.#marks;
    this.#marks = new Set();
    const from = performance.now();
    const pids = sweepMarks(marks);
    const to = performance.now();
    this.#restUntil = to + (to - from) * restPerLook;
    if (pids.length > 0)
      this.#log('warn', { pids }, 'ended processes that had left the group of their child');
  }
}
