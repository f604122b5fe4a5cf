import { chmodSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { Fault } from '../domain/faults.ts';
import { identityOf, mustBeOurs } from './database-place.ts';
import { troubleWith, unreadable, unusable } from './database-trouble.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;
export type Value = SQLInputValue;

/**
 * How much a commit waits for. `full`: it survives a power cut, and the loss of the `-wal`; every page is looked at when the file is
 * opened. `off`: it survives the death of mcpd only.
 */
export type Sync = 'full' | 'off';

export type DatabasePlace = {
  readonly path: string;
  /** A number of our own in the file's header, so that no other program's file is taken for ours. */
  readonly applicationId: number;
  /** Step n brings a file of version n to version n + 1; a new file begins at version 0. */
  readonly steps: readonly string[];
  readonly sync: Sync;
  /** Pages of 4 KiB the file may grow to; what does not fit is refused. */
  readonly pagesMax?: number;
  /** False: a file that is missing or empty is a loss, and refused. */
  readonly mayBeNew?: boolean;
  /** Puts the first rows into a new file, in the transaction that makes it. */
  readonly begin?: (database: Database) => void;
};

/** For another connection, or a person's `sqlite3`, to finish what it writes; our own never wait for each other. */
const busyMs = 200;

/**
 * An SQLite file of ours, in write-ahead mode: a crash at any instant leaves the last whole transaction (sqlite.org/wal.html).
 * Nothing in it is believed before its form is exactly the one we know. Faults of the disk come as `CONFIG_INVALID`; the next
 * try works again when the disk does.
 */
export class Database {
  readonly path: string;
  readonly #file: DatabaseSync;
  readonly #sync: Sync;
  readonly #prepared = new Map<string, StatementSync>();
  /** Which files on the disk these are: of the database and of its `-wal`. */
  readonly #identity: string;

  /**
   * Throws `CONFIG_INVALID` for a file that is not ours alone, is no database of ours, is damaged, or of a newer mcpd, and
   * `AUDIT_UNAVAILABLE` where the disk is full or fails.
   */
  static open(place: DatabasePlace): Database {
    const { path } = place;
    const before = process.umask(0o177);
    let file: DatabaseSync | undefined;
    try {
      mustBeOurs(place);
      file = new DatabaseSync(path, { timeout: 2000, enableForeignKeyConstraints: true });
      return new Database(place, file);
    } catch (cause) {
      file?.close();
      throw unreadable(path, cause);
    } finally {
      process.umask(before);
    }
  }

  private constructor(place: DatabasePlace, file: DatabaseSync) {
    this.path = place.path;
    this.#file = file;
    this.#sync = place.sync;
    // Views and triggers of a planted file may not call what has effects; cells are checked when pages are read.
    file.exec('PRAGMA trusted_schema = off; PRAGMA cell_size_check = on; PRAGMA temp_store = memory;');
    if (numberAt(file, 'application_id') === 0) this.#mustBeEmpty(place);
    else if (numberAt(file, 'application_id') !== place.applicationId)
      throw unusable(this.path, 'is not a database of mcpd');
    if (String(file.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode']) !== 'wal')
      throw unusable(this.path, 'cannot be written ahead');
    file.exec(`PRAGMA synchronous = ${this.#level}`);
    if (place.pagesMax !== undefined) file.exec(`PRAGMA max_page_count = ${place.pagesMax}`);
    this.#bring(place);
    mustBeWhole(file, place);
    file.exec(`PRAGMA busy_timeout = ${busyMs}`);
    if (place.sync === 'full') this.settle();
    chmodSync(this.path, 0o600);
    this.#identity = identityOf(this.path);
  }

  /**
   * Does everything in `work`, or nothing of it. Throws what `work` throws, and `CONFIG_INVALID` when the disk does not take
   * it, or when the file is not the one that was opened.
   */
  transaction<T>(work: () => T): T {
    // A file that was put in its place meanwhile would be read at the next start, and not what is written here.
    if (identityOf(this.path) !== this.#identity)
      throw new Fault('CONFIG_INVALID', {
        detail: `${this.path} was replaced or removed while mcpd runs`,
        hint: 'restart mcpd; it then obeys what stands in the file',
      });
    const result = this.#commit(work);
    if (this.#sync === 'full') this.settle();
    return result;
  }

  /**
   * Writes over what a `transaction` left in the -wal that failed when it was flushed: its pages stand there all the same, and who
   * reads them after a crash takes them for committed. Waits for no disk, because a flush that fails again would end it before
   * anything is written over. `work` has to change something. Never throws.
   */
  writeOver(work: () => void): void {
    try {
      // Nor is anything moved into the file while nothing is flushed.
      this.#file.exec('PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF');
      this.#commit(work);
    } catch {
      // The disk takes nothing at all: then neither did it take what failed.
    } finally {
      this.#file.exec(`PRAGMA synchronous = ${this.#level}; PRAGMA wal_autocheckpoint = 1000`);
    }
    this.settle();
  }

  /** How many rows were changed. What must not be lost is changed inside a `transaction`. */
  run(sql: string, ...values: readonly Value[]): number {
    return this.#asked(() => Number(this.#statement(sql).run(...values).changes));
  }

  get(sql: string, ...values: readonly Value[]): Row | undefined {
    return this.#asked(() => this.#statement(sql).get(...values));
  }

  all(sql: string, ...values: readonly Value[]): readonly Row[] {
    return this.#asked(() => this.#statement(sql).all(...values));
  }

  each(sql: string, ...values: readonly Value[]): Iterable<Row> {
    return this.#asked(() => this.#statement(sql).iterate(...values));
  }

  /**
   * Moves what was committed from the `-wal` into the file itself, as far as no reader is in the way: SQLite takes a -wal that is
   * gone, or filled with zeros, for one in which nothing stood, and what was switched off would be on. Never throws: it is
   * committed, and tried again with the next change.
   */
  settle(): void {
    try {
      this.#file.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch {
      // Still in the -wal, which is read first.
    }
  }

  close(): void {
    if (this.#file.isOpen) this.#file.close();
  }

  #commit<T>(work: () => T): T {
    try {
      this.#file.exec('BEGIN IMMEDIATE');
      const result = work();
      this.#file.exec('COMMIT');
      return result;
    } catch (reason) {
      if (this.#file.isTransaction) this.#file.exec('ROLLBACK');
      throw troubleWith(this.path, reason);
    }
  }

  /** NORMAL: a commit waits for no disk, and yet no order of writes that a power cut leaves damages the file. */
  get #level(): string {
    return this.#sync === 'full' ? 'FULL' : 'NORMAL';
  }

  #asked<T>(ask: () => T): T {
    try {
      return ask();
    } catch (reason) {
      throw troubleWith(this.path, reason);
    }
  }

  #statement(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) this.#prepared.set(sql, (statement = this.#file.prepare(sql)));
    return statement;
  }

  #mustBeEmpty({ mayBeNew = true }: DatabasePlace): void {
    if (numberAt(this.#file, 'user_version') !== 0 || schemaOf(this.#file) !== '[]')
      throw unusable(this.path, 'is not a database of mcpd');
    // A file of zero bytes is a good and empty database to SQLite, and would mean "nothing is switched off".
    if (!mayBeNew) throw unusable(this.path, 'has lost everything that was in it');
  }

  /** Brings a file to the newest version, in one transaction. */
  #bring({ applicationId, steps, begin }: DatabasePlace): void {
    const file = this.#file;
    file.exec('BEGIN IMMEDIATE');
    try {
      // Read inside: another connection may be making the same file.
      const version = numberAt(file, 'user_version');
      const isNew = numberAt(file, 'application_id') === 0;
      if (version > steps.length) throw newer(this.path, version, steps.length);
      for (const step of steps.slice(version)) file.exec(step);
      if (isNew) begin?.(this);
      if (isNew || version < steps.length)
        file.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length};`);
      file.exec('COMMIT');
    } catch (reason) {
      if (file.isTransaction) file.exec('ROLLBACK');
      throw reason;
    }
  }
}

/** Every page can be read, and every table is as our own steps make it: nothing was added that acts by itself. */
function mustBeWhole(file: DatabaseSync, { path, steps, sync }: DatabasePlace): void {
  // Not of what may be lost: that can be large, and is only a copy.
  const said = sync === 'full' ? file.prepare('PRAGMA quick_check(1)').get()?.['quick_check'] : 'ok';
  if (said !== 'ok') throw unusable(path, `is damaged: ${String(said)}`);
  const model = new DatabaseSync(':memory:');
  try {
    for (const step of steps) model.exec(step);
    if (schemaOf(model) !== schemaOf(file)) throw unusable(path, 'has other tables than mcpd made');
  } finally {
    model.close();
  }
}

function schemaOf(file: DatabaseSync): string {
  return JSON.stringify(file.prepare('SELECT type, name, sql FROM sqlite_schema ORDER BY name').all());
}

function numberAt(file: DatabaseSync, pragma: string): number {
  return Number(file.prepare(`PRAGMA ${pragma}`).get()?.[pragma] ?? 0);
}

function newer(path: string, version: number, known: number): Fault {
  return new Fault('CONFIG_INVALID', {
    detail: `${path} was written by a newer mcpd (version ${version}, known is ${known})`,
    hint: 'start the newer mcpd again; an older one cannot read what it wrote',
  });
}
