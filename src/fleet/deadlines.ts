import type { Clock } from '../domain/clock.ts';

const timerMsMax = 2 ** 31 - 1;

/**
 * One timer for many waits. A timer for each call would be the dearest thing about a call; this one is touched only when
 * a wait ends sooner than all others, and otherwise wakes once in the length of a wait to look around.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #sweep: (now: number) => number;
  #timer: NodeJS.Timeout | undefined;
  #armedFor = Number.POSITIVE_INFINITY;

  /** `sweep` ends what is due at `now` and gives the next deadline, or Infinity. */
  constructor(clock: Clock, sweep: (now: number) => number) {
    this.#clock = clock;
    this.#sweep = sweep;
  }

  /** Sees to it that `sweep` runs at this steady time, or soon after. */
  by(dueAt: number): void {
    if (dueAt >= this.#armedFor) return;
    clearTimeout(this.#timer);
    this.#armedFor = dueAt;
    const inMs = Math.min(timerMsMax, Math.max(1, Math.ceil(dueAt - this.#clock.steadyMs())));
    this.#timer = setTimeout(() => this.#wake(), inMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    // Nothing is due before minus infinity: a late `by` arms no timer.
    this.#armedFor = Number.NEGATIVE_INFINITY;
  }

  #wake(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.by(this.#sweep(this.#clock.steadyMs()));
  }
}
