import type { Clock } from '../domain/clock.ts';

/** Smaller steps are what time synchronisation and a machine that slept do. */
const jumpMsMin = 120_000;

/** Notices when the wall clock was set: records are in order by their numbers, and their times no longer say so. */
export class Jumps {
  readonly #clock: Clock;
  #aheadMs: number;
  #jumpedAtMs: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#aheadMs = this.#ahead();
  }

  /** By how much the wall clock has jumped since the last look, in whole milliseconds; 0 where it did not. */
  look(): number {
    const ahead = this.#ahead();
    const jumpMs = Math.round(ahead - this.#aheadMs);
    this.#aheadMs = ahead;
    if (Math.abs(jumpMs) < jumpMsMin) return 0;
    this.#jumpedAtMs = this.#clock.steadyMs();
    return jumpMs;
  }

  /** Whether a jump was seen within so many milliseconds. */
  within(ms: number): boolean {
    return this.#jumpedAtMs !== undefined && this.#clock.steadyMs() - this.#jumpedAtMs < ms;
  }

  #ahead(): number {
    return this.#clock.wallMs() - this.#clock.steadyMs();
  }
}
