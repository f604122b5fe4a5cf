import { hash } from 'node:crypto';
import { closeSync, constants, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { openOurs } from '../files/ours.ts';
import type { Link, Position } from './chain.ts';
import type { Disk } from './journal-disk.ts';

/** What the head says. */
export type Head = {
  /** Where the last record ends. */
  readonly last: Position;
  /** The newest record that retention removed: what is there begins after it. */
  readonly retired: Link;
  /** Checkpoints that were made. */
  readonly checkpoints: number;
  /** The writer ended in order: nothing of its own can stand behind the last record. */
  readonly isShut: boolean;
};

/** What seldom changes. */
export type Cold = Omit<Head, 'last'>;

export type HeadRead =
  { readonly kind: 'read'; readonly head: Head } | { readonly kind: 'absent' | 'invalid' };

const keyBytes = 32;
const digits = 15;
const hashChars = 43;
/** `seq hash file bytes mac`, and `seq hash checkpoints shut mac`: each a line of always the same length. */
const hotText = digits + 1 + hashChars + 1 + 6 + 1 + digits;
const coldText = digits + 1 + hashChars + 1 + digits + 2;
const lineOf = (text: number) => text + 1 + hashChars + 1;
const hotBytes = lineOf(hotText);
const coldBytes = lineOf(coldText);

/**
 * The end of the journal, in a file outside of its folder, so that records cannot be cut off or made up at the end without
 * the key. Written in place after each group, by one small write: it survives the death of the process. Two lines, because
 * the second one seldom changes and the first is written all the time.
 *
 * The mark is SHA-256 over the key and a text of fixed length; with a fixed length nothing can be appended, so the longer
 * HMAC is not needed.
 */
export class HeadFile {
  readonly #fd: number;
  readonly #dir: string;
  readonly #disk: Disk;
  readonly #hot: Sealed;
  readonly #cold: Sealed;
  #number = -1;
  #closed = false;

  /** Throws `CONFIG_INVALID` for a file that is not ours alone, and what the disk says. */
  static open(path: string, key: Buffer, disk: Disk): { readonly file: HeadFile; readonly found: HeadRead } {
    const fd = openOurs(path, constants.O_RDWR | constants.O_CREAT, 'to everybody');
    if (fd === undefined) throw new Error(`${path} cannot be made`);
    try {
      return { file: new HeadFile(fd, dirname(path), key, disk), found: readFd(fd, key) };
    } catch (reason) {
      closeSync(fd);
      throw reason;
    }
  }

  private constructor(fd: number, dir: string, key: Buffer, disk: Disk) {
    this.#fd = fd;
    this.#dir = dir;
    this.#disk = disk;
    this.#hot = blank(key, hotText);
    this.#cold = blank(key, coldText);
  }

  /** Everything at once, where there is no head that could be trusted; on the disk, as in `reopen`. */
  begin({ last, ...cold }: Head): void {
    this.#fillHot(last);
    this.#fillCold(cold);
    this.#disk.put(this.#fd, Buffer.concat([this.#hot.shown, this.#cold.shown]), 0);
    this.#disk.syncNow(this.#fd);
    // Its name too: a journal that a power cut leaves without its head looks like one whose head was taken away.
    this.#disk.syncDirNow(this.#dir);
  }

  /** What always changes. The hot path: about 1 µs. */
  advance(last: Position): void {
    this.#fillHot(last);
    this.#disk.put(this.#fd, this.#hot.shown, 0);
  }

  keep(cold: Cold): void {
    this.#fillCold(cold);
    this.#disk.put(this.#fd, this.#cold.shown, hotBytes);
  }

  /**
   * What an earlier writer shut is open again, and that is on the disk before anything is written behind it. Else the first records
   * could be there after a power cut, and the head still say that nothing of mcpd's can be: they would be taken for somebody else's.
   */
  reopen(cold: Cold): void {
    this.keep(cold);
    this.#disk.syncNow(this.#fd);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }

  #fillHot({ seq, hash: of, file, bytes }: Position): void {
    const { line } = this.#hot;
    putNumber(line, seq, keyBytes, digits);
    line.write(of, keyBytes + digits + 1, 'latin1');
    if (file !== this.#number) {
      putNumber(line, file, keyBytes + digits + 1 + hashChars + 1, 6);
      this.#number = file;
    }
    putNumber(line, bytes, keyBytes + hotText - digits, digits);
    seal(this.#hot);
  }

  #fillCold({ retired: { seq, hash: of }, checkpoints, isShut }: Cold): void {
    const { line } = this.#cold;
    putNumber(line, seq, keyBytes, digits);
    line.write(of, keyBytes + digits + 1, 'latin1');
    putNumber(line, checkpoints, keyBytes + coldText - 2 - digits, digits);
    putNumber(line, isShut ? 1 : 0, keyBytes + coldText - 1, 1);
    seal(this.#cold);
  }
}

/** For a reader. The two lines are read at once, but not in one instant: a line that does not fit is worth a second look. */
export function readHead(path: string, key: Buffer): HeadRead {
  const fd = openOurs(path, constants.O_RDONLY, 'to everybody');
  if (fd === undefined) return { kind: 'absent' };
  try {
    return readFd(fd, key);
  } finally {
    closeSync(fd);
  }
}

function readFd(fd: number, key: Buffer): HeadRead {
  const bytes = Buffer.alloc(hotBytes + coldBytes + 1);
  const size = readSync(fd, bytes, 0, bytes.length, 0);
  if (size === 0) return { kind: 'absent' };
  if (size !== hotBytes + coldBytes) return { kind: 'invalid' };
  const hot = fieldsOf(bytes.subarray(0, hotBytes), key);
  const cold = fieldsOf(bytes.subarray(hotBytes, size), key);
  if (hot === undefined || cold === undefined) return { kind: 'invalid' };
  const last = {
    seq: Number(hot[0]),
    hash: hot[1] ?? '',
    file: Number(hot[2]),
    bytes: Number(hot[3]),
  };
  const retired = { seq: Number(cold[0]), hash: cold[1] ?? '' };
  return { kind: 'read', head: { last, retired, checkpoints: Number(cold[2]), isShut: cold[3] === '1' } };
}

/** Undefined unless the mark fits. */
function fieldsOf(line: Buffer, key: Buffer): readonly string[] | undefined {
  const text = line.length - 1 - hashChars - 1;
  if (text <= 0) return undefined;
  const mark = markOf(Buffer.concat([key, line.subarray(0, text)]));
  if (line.toString('latin1', text, line.length) !== ` ${mark}\n`) return undefined;
  return line.toString('latin1', 0, text).split(' ');
}

/** A line with the key before it, and the parts of it that are wanted each time: making a view costs as much as a digit. */
type Sealed = {
  readonly line: Buffer;
  /** The key and the text, which the mark is made of. */
  readonly marked: Buffer;
  /** What stands in the file. */
  readonly shown: Buffer;
};

function blank(key: Buffer, text: number): Sealed {
  if (key.length !== keyBytes) throw new Fault('BUG', { detail: 'a head key of the wrong length' });
  const line = Buffer.alloc(keyBytes + lineOf(text), ' ');
  key.copy(line);
  line[line.length - 1] = 0x0a;
  return { line, marked: line.subarray(0, keyBytes + text), shown: line.subarray(keyBytes) };
}

function seal({ line, marked }: Sealed): void {
  line.write(markOf(marked), marked.length + 1, 'latin1');
}

function markOf(marked: Buffer): string {
  return hash('sha256', marked, 'base64url');
}

/** Digit by digit: the same for every number, and without making a string. */
function putNumber(line: Buffer, value: number, at: number, width: number): void {
  let rest = value;
  for (let place = at + width - 1; place >= at; place--) {
    const higher = Math.floor(rest / 10);
    line[place] = 0x30 + (rest - higher * 10);
    rest = higher;
  }
}
