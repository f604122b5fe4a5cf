import type { Clock } from '../domain/clock.ts';
import { printableJson } from '../domain/printable.ts';
import { outsideText, type Outside, type Redact } from './outside.ts';

/** Makes finished lines. */
export class Pen {
  readonly outside: Outside;
  readonly #note: (line: string) => void;
  readonly #clock: Clock;
  readonly #redact: Redact;
  #timeMs = Number.NaN;
  #time = '';

  constructor({ clock, redact, note }: { clock: Clock; redact: Redact; note: (line: string) => void }) {
    this.#note = note;
    this.#clock = clock;
    this.#redact = redact;
    this.outside = outsideText(redact);
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

  /** Redacted, one line, and nothing in it that a terminal or a line splitter would obey (log injection, CWE-117). */
  finish(line: string, redacted = ''): string {
    const clean = this.#redact(line);
    return printableJson(redacted === '' ? clean : `${clean.slice(0, -1)}${redacted}}`);
  }

  note(line: string, redacted = ''): void {
    this.#note(this.finish(line, redacted));
  }
}
