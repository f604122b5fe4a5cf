import type { Clock } from '../domain/clock.ts';

/** Smaller steps are what time synchronisation and a machine that slept do. */
const jumpMsMin = 120_000;

/** Notices when the wall clock was set: records are in order by their numbers, and their times no longer say so. */
export class Jumps {
  readonly #clock: Clock;
  #aheadMs: number;
  #jumpedAtMs: number | undefined;
  #unsaidMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#aheadMs = this.#ahead();
  }

  /** By how much the wall clock has jumped since `said` was last called, in whole milliseconds; 0 where it did not. */
  look(): number {
    const ahead = this.#ahead();
    const jumpMs = Math.round(ahead - this.#aheadMs);
    this.#aheadMs = ahead;
    if (Math.abs(jumpMs) >= jumpMsMin) {
      this.#jumpedAtMs = this.#clock.steadyMs();
      this.#unsaidMs += jumpMs;
    }
    return this.#unsaidMs;
  }

  /** What `look` gave is on record. */
  said(): void {
    this.#unsaidMs = 0;
  }

  /** Whether the clock has jumped within so many milliseconds; also where nobody has looked since. */
  within(ms: number): boolean {
    this.look();
    return this.#jumpedAtMs !== undefined && this.#clock.steadyMs() - this.#jumpedAtMs < ms;
  }

  #ahead(): number {
    return this.#clock.wallMs() - this.#clock.steadyMs();
  }
}
