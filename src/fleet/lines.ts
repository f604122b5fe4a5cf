const LF = 0x0a;
const CR = 0x0d;
const nothing = Buffer.alloc(0);

export type LineEars = {
  readonly line: (bytes: Buffer) => void;
  /** A line over the cap, thrown away up to its end; its first and last few bytes may say whose it was. */
  readonly overlong: (head: Buffer, tail: Buffer) => void;
};

/**
 * Cuts a byte stream at LF, and at LF only: readers that also cut at CR or U+2028 see other messages than were checked.
 * Keeps chunks in a list and looks for LF in new chunks only, so a line costs one pass however it is cut up; memory stays
 * below one cap.
 */
export class Lines {
  readonly #bytesMax: number;
  readonly #ears: LineEars;
  readonly #edgeBytes: number;
  #parts: Buffer[] = [];
  #length = 0;
  #overlong: { readonly head: Buffer; tail: Buffer } | undefined;

  constructor(bytesMax: number, ears: LineEars, edgeBytes = 64) {
    this.#bytesMax = bytesMax;
    this.#ears = ears;
    this.#edgeBytes = edgeBytes;
  }

  feed(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      this.#take(chunk.subarray(start, end));
      this.#finish();
      start = end + 1;
    }
    if (start < chunk.length) this.#take(chunk.subarray(start));
  }

  /** The stream is over: a last line without LF is a line. */
  end(): void {
    if (this.#length > 0 || this.#overlong !== undefined) this.#finish();
  }

  #take(part: Buffer): void {
    if (this.#overlong !== undefined) {
      this.#overlong.tail = Buffer.concat([this.#overlong.tail, part.subarray(-this.#edgeBytes)]).subarray(
        -this.#edgeBytes,
      );
      return;
    }
    // One byte more than the cap, because a CR at the end does not count.
    if (this.#length + part.length > this.#bytesMax + 1) {
      const head = Buffer.concat(
        [...this.#parts, part],
        Math.min(this.#length + part.length, this.#edgeBytes),
      );
      // A copy, so that these few bytes do not keep a whole chunk alive.
      this.#overlong = { head, tail: Buffer.from(part.subarray(-this.#edgeBytes)) };
      this.#parts = [];
      this.#length = 0;
      return;
    }
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#length += part.length;
  }

  #finish(): void {
    const { head, tail } = this.#overlong ?? {};
    this.#overlong = undefined;
    if (head !== undefined && tail !== undefined) {
      this.#ears.overlong(head, tail);
      return;
    }
    const parts = this.#parts;
    let line =
      parts.length === 1
        ? (parts[0] ?? nothing)
        : parts.length === 0
          ? nothing
          : Buffer.concat(parts, this.#length);
    this.#parts = [];
    this.#length = 0;
    if (line.length > 0 && line[line.length - 1] === CR) line = line.subarray(0, -1);
    if (line.length > this.#bytesMax)
      this.#ears.overlong(line.subarray(0, this.#edgeBytes), line.subarray(-this.#edgeBytes));
    else this.#ears.line(line);
  }
}
