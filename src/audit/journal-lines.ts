import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** A line of a journal longer than this is not one of ours. */
const lineBytesMax = 64 * 1024 * 1024;
const chunkBytes = 1024 * 1024;
const lf = 0x0a;

/** Reads one file of a journal line by line, and goes on where it stopped when the file has grown meanwhile. */
export class LineReader {
  readonly #fd: number;
  #room = Buffer.allocUnsafeSlow(chunkBytes);
  /** What is read and not yet given: from `#from` to `#to`. */
  #from = 0;
  #to = 0;
  #line = 0;

  /** Throws what the disk says; a link is not followed. */
  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if (fstatSync(this.#fd).isFile()) return;
    closeSync(this.#fd);
    throw new Error(`${path} is not a plain file`);
  }

  /** Bytes behind the last line feed. */
  get tornBytes(): number {
    return this.#to - this.#from;
  }

  /** The number of the line that was given last, from 1. */
  get line(): number {
    return this.#line;
  }

  /**
   * Gives every whole line there is now, without its line feed; the bytes are good until the next one. Synchronous, because
   * a journal is read by a command that does nothing else. Throws what the disk says.
   */
  each(see: (line: Buffer) => void): void {
    for (;;) {
      this.#give(see);
      if (!this.#fill()) return;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  #give(see: (line: Buffer) => void): void {
    for (;;) {
      const end = this.#room.indexOf(lf, this.#from);
      if (end < 0 || end >= this.#to) return;
      this.#line++;
      const from = this.#from;
      this.#from = end + 1;
      see(this.#room.subarray(from, end));
    }
  }

  /** False at the end of what there is. */
  #fill(): boolean {
    this.#makeRoom();
    const read = readSync(this.#fd, this.#room, this.#to, this.#room.length - this.#to, null);
    this.#to += read;
    return read > 0;
  }

  /** What is left moves to the front; a line that fills everything gets twice the room. */
  #makeRoom(): void {
    const left = this.#to - this.#from;
    if (left >= this.#room.length) {
      if (left >= lineBytesMax)
        throw new Error(`line ${this.#line + 1} is longer than ${lineBytesMax} bytes`);
      const wider = Buffer.allocUnsafeSlow(this.#room.length * 2);
      this.#room.copy(wider, 0, this.#from, this.#to);
      this.#room = wider;
    } else if (this.#from > 0) this.#room.copyWithin(0, this.#from, this.#to);
    this.#from = 0;
    this.#to = left;
  }
}
