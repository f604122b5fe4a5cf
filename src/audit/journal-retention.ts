import { statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Link } from './chain.ts';
import { realDisk, type Disk } from './journal-disk.ts';
import { firstIn, journalNumbers, lastIn, pathOf } from './journal-files.ts';
import { mayBeOld, outlived, type ClosedFile, type RetentionTerms } from './retention.ts';

/** So many files are looked into before others have their turn. */
const inATurn = 8;

/** A file that may go, and what the journal says of it before it does. */
export type Outlived = {
  readonly number: number;
  readonly path: string;
  /** Its last record; undefined in a file without any. */
  readonly last: Link | undefined;
  /** The members of the record that says so; begins with a comma. */
  readonly members: string;
};

/** Looks which files of a journal have been kept long enough, and removes them. */
export class Retention {
  readonly #dir: string;
  readonly #terms: RetentionTerms;
  readonly #disk: Pick<Disk, 'remove'>;
  /** Closed files do not change, so they are looked at once. */
  readonly #sizes = new Map<number, number>();
  readonly #times = new Map<number, number | undefined>();

  constructor(dir: string, terms: RetentionTerms, disk: Pick<Disk, 'remove'> = realDisk) {
    this.#dir = dir;
    this.#terms = terms;
    this.#disk = disk;
  }

  /** Looks into files before it is asked for their times, some in a turn: with thousands of them everybody else would wait. */
  async look(open: number, nowMs: number | undefined): Promise<void> {
    const { keepMs } = this.#terms;
    const numbers = journalNumbers(this.#dir).filter((number) => number < open);
    const [oldest] = numbers;
    if (oldest === undefined || nowMs === undefined || !mayBeOld(this.#closed(oldest), keepMs, nowMs)) return;
    for (const [at, number] of numbers.filter((it) => !this.#times.has(it)).entries()) {
      this.#time(number);
      if (at % inATurn === inATurn - 1) await new Promise(setImmediate);
    }
  }

  /** `open`: the number of the file that is written to. Oldest first. Throws what the disk says. */
  outlived(open: number, nowMs: number | undefined, sinceMs: number): readonly Outlived[] {
    const numbers = journalNumbers(this.#dir).filter((number) => number < open);
    const closed = numbers.map((number) => this.#closed(number));
    const openBytes = statSync(pathOf(this.#dir, open)).size;
    return outlived(closed, openBytes, this.#terms, nowMs, sinceMs).map(({ number, bytes }) =>
      this.#say(number, bytes),
    );
  }

  async remove({ number, path }: Outlived): Promise<void> {
    this.#times.delete(number);
    this.#sizes.delete(number);
    await this.#disk.remove(path).catch((reason: unknown) => {
      if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') throw reason;
    });
  }

  #closed(number: number): ClosedFile {
    let bytes = this.#sizes.get(number);
    if (bytes === undefined) this.#sizes.set(number, (bytes = statSync(pathOf(this.#dir, number)).size));
    return { number, bytes, lastWallMs: () => this.#time(number) };
  }

  #time(number: number): number | undefined {
    if (!this.#times.has(number)) this.#times.set(number, timeOf(pathOf(this.#dir, number)));
    return this.#times.get(number);
  }

  #say(number: number, bytes: number): Outlived {
    const path = pathOf(this.#dir, number);
    const last = lastIn(path)?.link;
    const first = firstIn(path)?.link.seq ?? 0;
    const members =
      `,"file":"${basename(path)}","bytes":${bytes},"firstSeq":${first}` +
      `,"lastSeq":${last?.seq ?? 0},"lastHash":"${last?.hash ?? ''}"`;
    return { number, path, last, members };
  }
}

/** Not known where the file cannot be read: what to do about that is said when it is its turn. */
function timeOf(path: string): number | undefined {
  try {
    return lastIn(path)?.wallMs;
  } catch {
    return undefined;
  }
}
