import type { Clock } from '../domain/clock.ts';
import { printableJson } from '../domain/printable.ts';
import { outsideText, type Outside, type OutsideParts } from './outside.ts';

export type PenParts = OutsideParts & {
  readonly clock: Clock;
  readonly note: (line: string) => void;
};

/** Makes finished lines. */
export class Pen {
  readonly outside: Outside;
  readonly #note: (line: string) => void;
  readonly #clock: Clock;
  readonly #redact: OutsideParts['redact'];
  #timeMs = Number.NaN;
  #time = '';

  constructor(parts: PenParts) {
    this.#note = parts.note;
    this.#clock = parts.clock;
    this.#redact = parts.redact;
    this.outside = outsideText(parts);
  }

  /** Now. Many records share a millisecond, and wording one costs a tenth of a record. */
  time(): string {
    const now = this.#clock.wallMs();
    if (now !== this.#timeMs) {
      this.#timeMs = now;
      this.#time = new Date(now).toISOString();
    }
    return this.#time;
  }

  /** JSON text from outside, whole and without secrets. */
  payload(text: string): string {
    return this.#redact(text);
  }

  /**
   * One line, and nothing in it that a terminal or a line splitter would obey (log injection, CWE-117). All that is not ours in
   * it went through `outside` or `payload`.
   */
  finish(line: string): string {
    return printableJson(line);
  }

  note(line: string): void {
    this.#note(this.finish(line));
  }
}
