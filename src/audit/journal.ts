import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, lstatSync, mkdirSync, writeSync } from 'node:fs';
import {
  journalNumbers,
  lastSeqIn,
  lfBefore,
  openForAppend,
  pathOf,
  refuseSharedDir,
  unavailable,
} from './journal-files.ts';

/** Writes some of `bytes` from `offset` on and says how many. `writeSync` unless a test wants a full disk. */
export type WriteSome = (fd: number, bytes: Buffer, offset: number) => number;

export type JournalPlace = {
  /** Made with mode 0700 when it is not there. */
  readonly dir: string;
  /** A file that would grow beyond this is followed by the next one. */
  readonly rotateAtBytes?: number;
  readonly writeSome?: WriteSome;
};

const rotateAtBytesDefault = 64 * 1024 * 1024;
const fileNumberMax = 999_999;

/**
 * The file of all records, open for one writer. What was written survives the death of the process, not a power cut:
 * a sync for every group would cost more than the calls it records.
 */
export class Journal {
  readonly #dir: string;
  readonly #rotateAtBytes: number;
  readonly #writeSome: WriteSome;
  #fd: number;
  #number: number;
  #sizeBytes: number;
  /** The number of the last record; 0 in a new journal. */
  readonly lastSeq: number;
  /** What a crash left of an unfinished line; already cut off. */
  readonly tornBytes: number;

  /** Throws `CONFIG_INVALID` when others could change the files, `AUDIT_UNAVAILABLE` when they cannot be opened. */
  static open(place: JournalPlace): Journal {
    try {
      return new Journal(place);
    } catch (reason) {
      throw unavailable(reason, `cannot open the journal in ${place.dir}`);
    }
  }

  private constructor(place: JournalPlace) {
    this.#dir = place.dir;
    this.#rotateAtBytes = place.rotateAtBytes ?? rotateAtBytesDefault;
    this.#writeSome = place.writeSome ?? ((fd, bytes, offset) => writeSync(fd, bytes, offset));
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    refuseSharedDir(this.#dir);
    const numbers = journalNumbers(this.#dir);
    this.#number = numbers.at(-1) ?? 1;
    this.#fd = openForAppend(this.#path(), false);
    try {
      const { size } = fstatSync(this.#fd);
      this.#sizeBytes = lfBefore(this.#fd, size) + 1;
      this.tornBytes = size - this.#sizeBytes;
      if (this.tornBytes > 0) ftruncateSync(this.#fd, this.#sizeBytes);
      this.lastSeq = this.#lastSeq(numbers);
    } catch (reason) {
      closeSync(this.#fd);
      throw reason;
    }
  }

  get file(): string {
    return this.#path();
  }

  /** Appends whole lines, all or none. Throws `AUDIT_UNAVAILABLE`; then this journal is to be closed and opened anew. */
  write(lines: string): void {
    const bytes = Buffer.from(lines, 'utf8');
    try {
      if (this.#sizeBytes > 0 && this.#sizeBytes + bytes.length > this.#rotateAtBytes) this.#rotate();
      let offset = 0;
      while (offset < bytes.length) {
        const wrote = this.#writeSome(this.#fd, bytes, offset);
        if (wrote <= 0) throw new Error('the file takes no more bytes');
        offset += wrote;
      }
      this.#sizeBytes += bytes.length;
    } catch (reason) {
      this.#takeBack();
      throw unavailable(reason, `cannot write ${this.#path()}`);
    }
  }

  /** False when somebody removed, replaced, cut or extended the file: then what we append may be read by nobody. */
  intact(): boolean {
    try {
      const opened = fstatSync(this.#fd);
      const named = lstatSync(this.#path());
      return opened.ino === named.ino && opened.dev === named.dev && opened.size === this.#sizeBytes;
    } catch {
      // It cannot even be asked about: the caller opens it anew and learns why.
      return false;
    }
  }

  /** Throws `AUDIT_UNAVAILABLE` when the disk did not take what was written before. */
  sync(): void {
    try {
      fdatasyncSync(this.#fd);
    } catch (reason) {
      throw unavailable(reason, `cannot sync ${this.#path()}`);
    }
  }

  close(): void {
    try {
      closeSync(this.#fd);
    } catch {
      // A file that failed before may fail here too. There is nothing left to save.
    }
  }

  #path(): string {
    return pathOf(this.#dir, this.#number);
  }

  #rotate(): void {
    if (this.#number >= fileNumberMax)
      throw new Error(`${this.#dir} has no free file number; move old files away`);
    const fd = openForAppend(pathOf(this.#dir, this.#number + 1), true);
    closeSync(this.#fd);
    this.#fd = fd;
    this.#number++;
    this.#sizeBytes = 0;
  }

  /** Cuts off what a failed write left behind, so that the last line stays whole. */
  #takeBack(): void {
    try {
      if (fstatSync(this.#fd).size > this.#sizeBytes) ftruncateSync(this.#fd, this.#sizeBytes);
    } catch {
      // The disk refuses that too. The torn line is repaired when the journal is opened anew.
    }
  }

  /** Looks into older files only where the newest holds no record yet. */
  #lastSeq(numbers: readonly number[]): number {
    for (const number of numbers.toReversed()) {
      const seq = lastSeqIn(pathOf(this.#dir, number));
      if (seq !== undefined) return seq;
    }
    return 0;
  }
}
