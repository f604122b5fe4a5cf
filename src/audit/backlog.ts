/** A line that was said and not yet written. `kept`: it tells of something that happened, so it outlives a failed write. */
export type Line = { readonly text: string; readonly kept: boolean };

export type BacklogBounds = { readonly linesMax: number; readonly charsMax: number };

/** Lines that wait to be written, bounded. What did not fit is counted. */
export class Backlog {
  readonly #bounds: BacklogBounds;
  #lines: Line[] = [];
  #chars = 0;
  #lost = 0;

  constructor(bounds: BacklogBounds) {
    this.#bounds = bounds;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  get isFull(): boolean {
    return this.#lines.length > this.#bounds.linesMax || this.#chars > this.#bounds.charsMax;
  }

  /** How many were lost since the last `found`. */
  get lost(): number {
    return this.#lost;
  }

  hasRoomFor(text: string): boolean {
    const { linesMax, charsMax } = this.#bounds;
    return this.#lines.length < linesMax && this.#chars + text.length <= charsMax;
  }

  add(line: Line): void {
    this.#lines.push(line);
    this.#chars += line.text.length;
  }

  lose(): void {
    this.#lost++;
  }

  /** All of them, oldest first; the backlog is empty afterwards. */
  take(): readonly Line[] {
    const lines = this.#lines;
    this.#lines = [];
    this.#chars = 0;
    return lines;
  }

  /** Puts lines back in front of what was said meanwhile. */
  putBack(lines: readonly Line[]): void {
    this.#lines = [...lines, ...this.#lines];
    this.#chars = this.#lines.reduce((sum, { text }) => sum + text.length, 0);
  }

  /** So many of the lost ones are on record now. */
  found(lost: number): void {
    this.#lost -= lost;
  }
}
