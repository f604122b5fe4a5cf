import { closeSync, constants, fstatSync, lstatSync, openSync } from 'node:fs';
import type { Disk } from './journal-disk.ts';
import { lfBefore, openForAppend, pathOf } from './journal-files.ts';

export type SegmentsPlace = {
  readonly dir: string;
  readonly disk: Disk;
  /** Which file to go on with. */
  readonly number: number;
  /** The file must not be there yet. */
  readonly fresh: boolean;
  /** The disk failed to confirm the file before this one: it is not asked again, because it might say yes. */
  readonly isSuspect: boolean;
};

const fileNumberMax = 999_999;

/** The files of a journal as bytes: the last one is open, and those before it until they are synced. */
export class Segments {
  readonly #dir: string;
  readonly #disk: Disk;
  #fd: number;
  #number: number;
  #bytes: number;
  /** Closed to new lines, and not known to be on the disk. */
  #older: number[] = [];
  /** A name was added to the directory since it was synced. */
  #isNewName: boolean;
  #syncing = false;
  #closed = false;
  /** What a crash left of an unfinished line; already cut off. */
  readonly tornBytes: number;

  /** Throws what the disk says, and `CONFIG_INVALID` for a file that others could change. */
  constructor({ dir, disk, number, fresh, isSuspect }: SegmentsPlace) {
    this.#dir = dir;
    this.#disk = disk;
    this.#number = number;
    this.#fd = this.#open(number, fresh);
    try {
      const { size } = fstatSync(this.#fd);
      this.#bytes = lfBefore(this.#fd, size) + 1;
      this.tornBytes = size - this.#bytes;
      if (this.tornBytes > 0) disk.cut(this.#fd, this.#bytes);
      // Whether an earlier run came to sync what it made, nobody knows.
      this.#isNewName = true;
      if (number > 1 && !isSuspect) this.#older.push(...openedIfThere(pathOf(dir, number - 1)));
    } catch (reason) {
      closeSync(this.#fd);
      throw reason;
    }
  }

  get number(): number {
    return this.#number;
  }

  /** How long the open file is. */
  get bytes(): number {
    return this.#bytes;
  }

  get path(): string {
    return pathOf(this.#dir, this.#number);
  }

  /** All or none. Throws what the disk says; then this is to be closed and opened anew. */
  write(bytes: Buffer): void {
    try {
      let offset = 0;
      while (offset < bytes.length) {
        const wrote = this.#disk.append(this.#fd, bytes, offset);
        if (wrote <= 0) throw new Error('the file takes no more bytes');
        offset += wrote;
      }
      this.#bytes += bytes.length;
    } catch (reason) {
      this.takeBack(0);
      throw reason;
    }
  }

  /** Cuts off the last so many bytes, and what a failed write left behind them, so that the last line stays whole. */
  takeBack(bytes: number): void {
    const end = this.#bytes - bytes;
    try {
      if (fstatSync(this.#fd).size > end) this.#disk.cut(this.#fd, end);
      this.#bytes = end;
    } catch {
      // The disk refuses that too. What is torn is repaired when the journal is opened anew.
    }
  }

  /** Nothing stands in the open file any more. Throws what the disk says. */
  empty(): void {
    this.#disk.cut(this.#fd, 0);
    this.#bytes = 0;
  }

  /** The next file. What is in this one still belongs to what `sync` promises. */
  rotate(): void {
    if (this.#number >= fileNumberMax)
      throw new Error(`${this.#dir} has no free file number; move old files away`);
    const fd = this.#open(this.#number + 1, true);
    this.#older.push(this.#fd);
    this.#fd = fd;
    this.#number++;
    this.#bytes = 0;
    this.#isNewName = true;
  }

  /** False when somebody removed, replaced, cut or extended the file: then what we append may be read by nobody. */
  intact(): boolean {
    try {
      const opened = fstatSync(this.#fd);
      const named = lstatSync(this.path);
      return opened.ino === named.ino && opened.dev === named.dev && opened.size === this.#bytes;
    } catch {
      // It cannot even be asked about: the caller opens it anew and learns why.
      return false;
    }
  }

  /**
   * Everything that was written before this call is on the disk when it resolves. One at a time. Rejects with what the disk
   * says, and then nothing that was not confirmed before may ever be taken for saved: the kernel may have dropped it, and
   * would confirm the next try (PostgreSQL's "fsyncgate").
   */
  async sync(): Promise<void> {
    const older = this.#older;
    this.#older = [];
    const fd = this.#fd;
    const isNewName = this.#isNewName;
    this.#isNewName = false;
    this.#syncing = true;
    try {
      for (const it of older) await this.#disk.sync(it);
      await this.#disk.sync(fd);
      if (isNewName) await this.#disk.syncDir(this.#dir);
    } finally {
      this.#syncing = false;
      for (const it of older) closeQuietly(it);
      if (this.#closed) this.#closeAll();
    }
  }

  /** A file is not closed under a sync: its number may belong to another file by the time the disk gets to it. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#syncing) this.#closeAll();
  }

  #closeAll(): void {
    for (const fd of [...this.#older, this.#fd]) closeQuietly(fd);
    this.#older = [];
  }

  #open(number: number, fresh: boolean): number {
    const path = pathOf(this.#dir, number);
    return fresh ? this.#disk.create(path) : openForAppend(path);
  }
}

function openedIfThere(path: string): readonly number[] {
  try {
    return [openSync(path, constants.O_RDWR | constants.O_NOFOLLOW)];
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw reason;
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // A file that failed before may fail here too. There is nothing left to save.
  }
}
