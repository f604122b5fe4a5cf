import { hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { journalNumbers, pathOf } from './journal-files.ts';

/** A line of the journal: where it begins, counted over all files, and its bytes without the line feed. */
export type Line = { readonly at: number; readonly length: number; readonly text: string };

/** One file of the journal, as it is now. Another `inode` or `changed` is another content. */
export type FileState = {
  readonly number: number;
  readonly bytes: number;
  readonly inode: string;
  /** When anything about the file changed last: nobody can set that back as they can the time of the last write. */
  readonly changed: string;
};

/** Places of one file are this far from those of the next: 2^20 files fit below the largest exact integer. */
const fileSpan = 2 ** 32;
const chunkBytes = 1024 * 1024;
const tailBytes = 1024;
const openFilesMax = 64;
/** A line longer than this is not a record of ours. */
const lineBytesMax = 32 * 1024 * 1024;
const lf = 0x0a;

export function placeIn(number: number, offset: number): number {
  return number * fileSpan + offset;
}

export function fileOf(at: number): number {
  return Math.floor(at / fileSpan);
}

/** The files of the journal, oldest first; none where there is no directory. Throws what the system says. */
export function statesOf(dir: string): readonly FileState[] {
  return numbersIn(dir).flatMap((number) => {
    const stat = statSync(pathOf(dir, number), { bigint: true, throwIfNoEntry: false });
    // Retired since we listed it.
    if (stat === undefined) return [];
    const [bytes, inode, changed] = [Number(stat.size), `${stat.dev}:${stat.ino}`, String(stat.ctimeNs)];
    if (bytes >= fileSpan) throw new Error(`${pathOf(dir, number)} is larger than 4 GiB`);
    return [{ number, bytes, inode, changed }];
  });
}

/** Whether this user may keep an index there: in somebody else's folder it would be in the owner's way. */
export function isOurs(dir: string): boolean {
  const stat = statSync(dir, { throwIfNoEntry: false });
  return stat !== undefined && (process.geteuid === undefined || stat.uid === process.geteuid());
}

/** Everything in the folder of a journal; nothing where there is none. */
export function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw reason;
  }
}

/** Removes what is only a copy. */
export function discard(dir: string, name: string): void {
  rmSync(join(dir, name), { force: true });
}

/** Makes an empty file, where there is room for one and no such file yet. */
export function reserve(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch {
    // What matters has been said already: the one that made us come here could not be used.
  }
}

/** Says of a file that it is still in use. */
export function touch(path: string): void {
  const now = new Date();
  utimesSync(path, now, now);
}

function numbersIn(dir: string): readonly number[] {
  try {
    return journalNumbers(dir);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw reason;
  }
}

/** The whole lines of one file from an offset at which a line begins. What has no line feed yet is no line. */
export function* linesFrom(dir: string, number: number, offset: number): Generator<Line> {
  const file = openFile(dir, number);
  try {
    let buffer = Buffer.allocUnsafe(2 * chunkBytes);
    let held = 0;
    for (let start = offset; ;) {
      if (held + chunkBytes > buffer.length) buffer = Buffer.concat([buffer, Buffer.alloc(buffer.length)]);
      const bytes = readSync(file, buffer, held, chunkBytes, start + held);
      if (bytes === 0) return;
      const chunk = buffer.subarray(0, held + bytes);
      let from = 0;
      for (let to = chunk.indexOf(lf, held); to >= 0; to = chunk.indexOf(lf, from)) {
        yield {
          at: placeIn(number, start + from),
          length: to - from,
          text: chunk.toString('utf8', from, to),
        };
        from = to + 1;
      }
      held = chunk.length - from;
      start += from;
      if (held > lineBytesMax) throw new Error(`a line longer than ${lineBytesMax} bytes`);
      buffer.copyWithin(0, from, chunk.length);
    }
  } finally {
    closeSync(file);
  }
}

function openFile(dir: string, number: number): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = openSync(pathOf(dir, number), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw new Error(`${pathOf(dir, number)} is not a plain file`);
}

/** Reads lines of a journal where they stand. To be closed. */
export class LineReader {
  readonly #dir: string;
  readonly #files = new Map<number, number>();
  #buffer = Buffer.alloc(chunkBytes);

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** The line that stands at a place. Undefined where no line of this length does, or its file is gone. */
  lineAt(at: number, length: number): string | undefined {
    const offset = at % fileSpan;
    const before = offset === 0 ? 0 : 1;
    const wanted = before + length + 1;
    this.#needs(wanted);
    const read = this.#read(fileOf(at), offset - before, wanted);
    if (read !== wanted || this.#buffer[wanted - 1] !== lf) return undefined;
    if (before === 1 && this.#buffer[0] !== lf) return undefined;
    return this.#buffer.toString('utf8', before, wanted - 1);
  }

  /** Stands for what a file holds just before an offset: another file, or an edited one, mostly has something else there. */
  tailOf(number: number, offset: number): string {
    const bytes = Math.min(offset, tailBytes);
    const read = this.#read(number, offset - bytes, bytes);
    return hash('sha256', this.#buffer.subarray(0, read), 'base64url').slice(0, 22);
  }

  isThere(number: number): boolean {
    return (
      this.#files.has(number) || statSync(pathOf(this.#dir, number), { throwIfNoEntry: false }) !== undefined
    );
  }

  close(): void {
    for (const file of this.#files.values()) closeSync(file);
    this.#files.clear();
  }

  /** Bytes at the start of the buffer; fewer at the end of the file. */
  #read(number: number, offset: number, bytes: number): number {
    const file = this.#file(number);
    let read = 0;
    while (read < bytes) {
      const more = readSync(file, this.#buffer, read, bytes - read, offset + read);
      if (more === 0) break;
      read += more;
    }
    return read;
  }

  #file(number: number): number {
    const known = this.#files.get(number);
    if (known !== undefined) return known;
    if (this.#files.size >= openFilesMax) this.close();
    const file = openFile(this.#dir, number);
    this.#files.set(number, file);
    return file;
  }

  #needs(bytes: number): void {
    if (bytes > this.#buffer.length) this.#buffer = Buffer.alloc(2 * bytes);
  }
}
