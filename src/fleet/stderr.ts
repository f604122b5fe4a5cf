import type { Clock } from '../domain/clock.ts';
import type { Redacted } from '../domain/redacted.ts';
import { Lines } from './lines.ts';

const lineCharsMax = 4096;
const linesPerSecondMax = 50;
const tailLines = 10;
const tailLineChars = 500;

export type StderrWork = {
  readonly clock: Clock;
  /** The child may print its own token: every line is cleaned before anyone sees it. */
  readonly clean: (text: string) => Redacted;
  readonly say: (line: Redacted) => void;
  readonly suppressed: (count: number) => void;
};

/**
 * Reads a child's stderr to the end, because a full pipe would stop the child. At most 50 lines a second are passed on, so
 * that a flood fills neither the disk nor the log's queue; the rest is counted. Writing to stderr is not an error.
 */
export class Stderr {
  readonly #work: StderrWork;
  readonly #lines: Lines;
  #second = Number.NEGATIVE_INFINITY;
  #said = 0;
  #suppressed = 0;
  /** A flood may be followed by silence; that lines were left out is said all the same. */
  #soon: NodeJS.Timeout | undefined;
  #tail: Redacted[] = [];

  constructor(work: StderrWork) {
    this.#work = work;
    // Twice what is shown: a secret that straddles the cut must be whole when the redactor looks for it.
    const bytesMax = 2 * lineCharsMax;
    const line = (bytes: Buffer) => this.#line(bytes);
    this.#lines = new Lines(bytesMax, { line, overlong: line }, bytesMax);
  }

  /** The last lines that were passed on, for the operator who asks why a child died. */
  get tail(): readonly Redacted[] {
    return this.#tail;
  }

  feed(chunk: Buffer): void {
    this.#lines.feed(chunk);
  }

  end(): void {
    this.#lines.end();
    this.#report();
  }

  #line(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const now = this.#work.clock.steadyMs();
    if (now - this.#second >= 1000) {
      this.#report();
      this.#second = now;
      this.#said = 0;
    }
    if (++this.#said > linesPerSecondMax) {
      this.#suppressed++;
      this.#soon ??= setTimeout(() => this.#report(), 1000).unref();
      return;
    }
    const line = this.#work.clean(bytes.toString('utf8')).slice(0, lineCharsMax) as Redacted; // A part of clean text is clean.
    this.#tail.push(line.slice(0, tailLineChars) as Redacted);
    if (this.#tail.length > tailLines) this.#tail.shift();
    this.#work.say(line);
  }

  #report(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    if (this.#suppressed === 0) return;
    this.#work.suppressed(this.#suppressed);
    this.#suppressed = 0;
  }
}
