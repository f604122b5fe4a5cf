import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { readOurs, shellWord } from '../files/ours.ts';
import { firstLine, readTakes, TakeLines, type Take, type TakeAt } from './take-lines.ts';

/** Writes some of `bytes` from `offset` on and says how many. `writeSync` unless a test wants a full disk. */
export type WriteSome = (fd: number, bytes: Buffer, offset: number) => number;

export type TakesPlace = {
  readonly path: string;
  readonly writeSome?: WriteSome;
  /** The file may always grow to this before it counts as overgrown. */
  readonly overgrownAtBytes?: number;
  readonly bytesMax?: number;
};

const overgrownAtBytesDefault = 8 * 1024 * 1024;
/** Also the most that is read at the start. */
const bytesMaxDefault = 128 * 1024 * 1024;
/** What is rewritten may grow by this factor, so that the cost of rewriting stays a small part of the cost of writing. */
const growth = 3;
const chunkChars = 64 * 1024;
/** Of what could not be written yet. */
const pendingCharsMax = 1024 * 1024;

/**
 * The file of what limits have counted, so that a restart does not refill them. One line is appended for each charged call,
 * and the system has it before the call goes out: killing the process loses nothing that a child has seen. A power cut can
 * lose what the system had not yet written to the disk, usually the last half minute.
 *
 * A plain file and not SQLite, by measurement: a line costs about 1 µs, an insert in write-ahead mode 3 to 5 µs, and one
 * that names three counts 4 to 7 µs. Nor in groups: where 16 calls share one write, a line costs 0.2 µs and an insert 2 to
 * 4 µs. The database knows that this file has existed, so that its loss is noticed.
 */
export class Takes {
  readonly #place: Required<TakesPlace>;
  /** What earlier runs left; read once. */
  #left: string | undefined;
  readonly #scratch = Buffer.alloc(16 * 1024);
  #lines = new TakeLines();
  #fd: number | undefined;
  #sizeBytes = 0;
  #overgrownAtBytes: number;
  /** Lines that were added since the last flush. */
  #pending = '';
  /** Something that failed may stand behind what is whole. */
  #isTorn = false;

  /** Looks at what is there. Throws `CONFIG_INVALID` when others could have written it. */
  static open(place: TakesPlace): Takes {
    return new Takes(place);
  }

  private constructor(place: TakesPlace) {
    this.#place = {
      writeSome: (fd, bytes, offset) => writeSync(fd, bytes, offset),
      overgrownAtBytes: overgrownAtBytesDefault,
      bytesMax: bytesMaxDefault,
      ...place,
    };
    this.#overgrownAtBytes = this.#place.overgrownAtBytes;
    this.#left = readOwn(this.#place.path, this.#place.bytesMax);
  }

  /**
   * What earlier runs took, oldest first. To be asked once, and followed by `rewrite`. Throws `CONFIG_INVALID` while it is
   * gone through when the file is damaged: a limit that is half known would be half refilled, so a person has to decide.
   */
  load(): Iterable<TakeAt> {
    const { path } = this.#place;
    const left = this.#left;
    this.#left = undefined;
    if (left === undefined) return [];
    return readTakes(left, (line) => {
      const file = shellWord(path);
      const hint = `mv ${file} ${shellWord(`${path}.damaged`)} && (umask 077; echo '${firstLine.trim()}' >${file}); then every limit starts from nothing`;
      throw invalid(path, `is damaged in line ${line}`, hint);
    });
  }

  /**
   * What one call takes. It stands in the file after the next `flush`, which comes before the call goes out; at the latest
   * one follows at the end of this turn of the event loop. Throws `AUDIT_UNAVAILABLE` where too much could not be written.
   */
  add(at: number, takes: readonly Take[]): void {
    if (this.#fd === undefined) throw unavailable(this.#place.path, new Error('the file is not open'));
    if (this.#pending.length > pendingCharsMax) this.flush();
    if (this.#pending === '') setImmediate(() => this.#flushQuietly());
    this.#pending += this.#lines.write(at, takes);
  }

  /**
   * Appends what was added, all or none: one write for all calls of a turn. Throws `AUDIT_UNAVAILABLE`, and then none of
   * them may go out; what they took still counts, and is written with the next flush that works.
   */
  flush(): void {
    if (this.#pending === '') return;
    try {
      const fd = this.#fd;
      if (fd === undefined) throw new Error('the file is not open');
      const bytes = this.#bytesOf(this.#pending);
      if (this.#isTorn) this.#takeBack(fd);
      if (this.#sizeBytes + bytes.length > this.#place.bytesMax)
        throw new Error(`the file would be larger than ${this.#place.bytesMax} bytes`);
      this.#isTorn = true;
      this.#writeAll(fd, bytes);
      this.#isTorn = false;
      this.#sizeBytes += bytes.length;
      this.#pending = '';
    } catch (reason) {
      throw unavailable(this.#place.path, reason);
    }
  }

  #flushQuietly(): void {
    try {
      this.flush();
    } catch {
      // The next call hears of it, before it goes out.
    }
  }

  isOvergrown(): boolean {
    return this.#sizeBytes + this.#pending.length > this.#overgrownAtBytes;
  }

  /**
   * Replaces the file whole, or leaves the old one: written beside it, flushed, renamed, and the directory flushed too,
   * because with the rename a power cut would take away everything that was added since. Throws `AUDIT_UNAVAILABLE`.
   */
  rewrite(takes: Iterable<TakeAt>): void {
    const { path, overgrownAtBytes } = this.#place;
    const beside = `${path}.new`;
    const lines = new TakeLines();
    let fd: number | undefined;
    try {
      // What lies there is ours, left by a crash; the directory is the owner's alone.
      rmSync(beside, { force: true });
      const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
      fd = openSync(beside, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      const sizeBytes = this.#writeTakes(fd, takes, lines);
      fdatasyncSync(fd);
      renameSync(beside, path);
      this.#use(fd, lines, sizeBytes);
      return flushDirectory(dirname(path));
    } catch (reason) {
      // Tried again when the file has grown on, not with every call; and always before it may not grow any more.
      const left = Math.max(0, this.#place.bytesMax - this.#sizeBytes);
      this.#overgrownAtBytes = this.#sizeBytes + Math.min(overgrownAtBytes, left / 2);
      if (fd !== undefined) closeSync(fd);
      rmSync(beside, { force: true });
      throw unavailable(path, reason);
    }
  }

  close(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    try {
      this.flush();
      fdatasyncSync(fd);
    } catch {
      // The system has it all the same; only a power cut could still take it away.
    } finally {
      this.#fd = undefined;
      closeSync(fd);
    }
  }

  #use(fd: number, lines: TakeLines, sizeBytes: number): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = fd;
    this.#lines = lines;
    // What was added is in memory too, from where the file was written anew.
    this.#pending = '';
    this.#sizeBytes = sizeBytes;
    // No later than half way to where it may not grow any more: a file that is too large cannot be read at the next start.
    const mostBytes = this.#place.bytesMax / 2;
    this.#overgrownAtBytes = Math.min(Math.max(this.#place.overgrownAtBytes, sizeBytes * growth), mostBytes);
    this.#isTorn = false;
  }

  #writeTakes(fd: number, takes: Iterable<TakeAt>, lines: TakeLines): number {
    let sizeBytes = 0;
    let text = firstLine;
    const flush = () => {
      const bytes = Buffer.from(text, 'latin1');
      this.#writeAll(fd, bytes);
      sizeBytes += bytes.length;
      text = '';
    };
    for (const take of takes) {
      text += lines.write(take.at, [take]);
      if (text.length >= chunkChars) flush();
    }
    flush();
    return sizeBytes;
  }

  /** Good until the next line: written at once, so that a charged call leaves nothing for the garbage collector. */
  #bytesOf(line: string): Buffer {
    if (line.length > this.#scratch.length) return Buffer.from(line, 'latin1');
    return this.#scratch.subarray(0, this.#scratch.write(line, 0, 'latin1'));
  }

  #writeAll(fd: number, bytes: Buffer): void {
    let offset = 0;
    while (offset < bytes.length) {
      const wrote = this.#place.writeSome(fd, bytes, offset);
      if (wrote <= 0) throw new Error('the file takes no more bytes');
      offset += wrote;
    }
  }

  /** Cuts off what a failed write left behind, so that the next line starts where a line starts. */
  #takeBack(fd: number): void {
    ftruncateSync(fd, this.#sizeBytes);
    this.#isTorn = false;
  }
}

/**
 * Undefined where there is none. Throws `CONFIG_INVALID` unless it is a plain file of ours alone: through a link, somebody
 * else would choose what counts as taken, or which file is replaced (CWE-59).
 */
function readOwn(path: string, bytesMax: number): string | undefined {
  return readOurs(path, { bytesMax, closed: 'to everybody' })?.toString('latin1');
}

/** Never throws: the new file stands there, and only a power cut could still bring back the old one. */
function flushDirectory(dir: string): void {
  try {
    const handle = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  } catch {
    // Some file systems cannot flush a directory.
  }
}

function invalid(path: string, why: string, hint: string, cause?: unknown): Fault {
  return new Fault('CONFIG_INVALID', { detail: `${path} ${why}`, hint, cause });
}

function unavailable(path: string, cause: unknown): Fault {
  return new Fault('AUDIT_UNAVAILABLE', {
    detail: `cannot write ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: 'See that the disk has room and the folder belongs to mcpd. A running mcpd goes on by itself.',
    cause,
  });
}
