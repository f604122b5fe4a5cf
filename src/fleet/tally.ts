import type { Clock } from '../domain/clock.ts';

const windowMs = 10_000;
const samplesPerWindow = 5;
/** More than is shown, so that a secret which straddles the cut is whole when the redactor looks for it. */
const sampleBytes = 2048;

/** How much nonsense a child may write in ten seconds before it counts as faulty. */
export const nonsenseMax = { garbage: 1_000, stray: 20_000 } as const;
/**
 * What each answer that somebody waited for leaves a child to say besides. A shared child that answers 10 000 calls a second
 * and logs a line for every fourth is busy, not faulty; the bound alone once ended such a child with all its callers.
 */
const straysPerAnswer = 4;

export type TallyWork = {
  readonly clock: Clock;
  /** A few dropped lines in each window are shown to the operator, shortened. */
  readonly say: (why: string, sample: string | undefined) => void;
  readonly faulty: (why: string) => void;
};

/**
 * Counts what a child wrote in vain. *Garbage* is no message at all. A *stray* is a proper message that belongs to nothing,
 * for example an answer that came after its call was cancelled; honest servers send those, so far more are forgiven.
 */
export class Tally {
  readonly #work: TallyWork;
  #windowEnds = Number.NEGATIVE_INFINITY;
  #inWindow = { garbage: 0, stray: 0 };
  #answers = 0;
  #answeredBytes = 0;
  #samples = 0;
  #dropped = 0;
  #faulty = false;

  constructor(work: TallyWork) {
    this.#work = work;
  }

  /** Bytes of the answers that somebody waited for, in all. */
  get answeredBytes(): number {
    return this.#answeredBytes;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** `dropped`: nothing is wrong with it, there is only too much of it. */
  drop(kind: 'garbage' | 'stray' | 'dropped', why: string, sample?: Buffer): void {
    this.#dropped++;
    if (kind === 'dropped') return;
    this.#count(kind, why);
    if (!this.#faulty && ++this.#samples <= samplesPerWindow)
      this.#work.say(why, sample?.toString('utf8', 0, sampleBytes));
  }

  /** A notification is cheap to send and dear to carry, so a flood of them is nonsense, too. */
  notice(): void {
    this.#count('stray', 'notifications');
  }

  /** An answer that somebody waited for. */
  answered(bytes: number): void {
    this.#answers++;
    this.#answeredBytes += bytes;
  }

  #count(kind: 'garbage' | 'stray', why: string): void {
    if (this.#faulty) return;
    const now = this.#work.clock.steadyMs();
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + windowMs;
      this.#inWindow = { garbage: 0, stray: 0 };
      this.#answers = 0;
      this.#samples = 0;
    }
    const max = nonsenseMax[kind] + (kind === 'stray' ? straysPerAnswer * this.#answers : 0);
    if (++this.#inWindow[kind] <= max) return;
    this.#faulty = true;
    this.#work.faulty(`wrote more than ${max} useless lines in ${windowMs / 1000} s (${why})`);
  }
}
