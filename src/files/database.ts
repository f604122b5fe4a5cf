import { chmodSync, constants, closeSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { Fault } from '../domain/faults.ts';
import { openOurs, shellWord } from './ours.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;
export type Value = SQLInputValue;

/** How much a commit waits for. `full`: what was committed survives a power cut. `off`: the death of mcpd only. */
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
};

/**
 * An SQLite file of ours, in write-ahead mode: a crash at any instant leaves the last whole transaction (sqlite.org/wal.html).
 * One writer; statements are prepared once. Nothing in it is believed before its version is one we know.
 */
export class Database {
  readonly path: string;
  readonly #file: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  /** Throws `CONFIG_INVALID` for a file that is not ours alone, is no database of ours, is damaged, or of a newer mcpd. */
  static open(place: DatabasePlace): Database {
    return new Database(place);
  }

  private constructor({ path, applicationId, steps, sync, pagesMax }: DatabasePlace) {
    this.path = path;
    const before = process.umask(0o177);
    let file: DatabaseSync | undefined;
    try {
      // SQLite follows links; whoever can plant one would choose which file we read as ours, or write to (CWE-59).
      for (const name of [path, `${path}-wal`, `${path}-shm`]) {
        const opened = openOurs(name, constants.O_RDONLY, 'to everybody');
        if (opened !== undefined) closeSync(opened);
      }
      file = new DatabaseSync(path, { timeout: 2000, enableForeignKeyConstraints: true });
      file.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${sync}; PRAGMA trusted_schema = off;`);
      if (pagesMax !== undefined) file.exec(`PRAGMA max_page_count = ${pagesMax}`);
      bring(file, path, applicationId, steps);
      chmodSync(path, 0o600);
      this.#file = file;
    } catch (cause) {
      file?.close();
      throw cause instanceof Fault ? cause : damaged(path, cause);
    } finally {
      process.umask(before);
    }
  }

  /** Does everything in `work`, or nothing of it. Throws what `work` throws, and what the disk says. */
  transaction<T>(work: () => T): T {
    this.#file.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#file.exec('COMMIT');
      return result;
    } catch (reason) {
      if (this.#file.isTransaction) this.#file.exec('ROLLBACK');
      throw reason;
    }
  }

  /** How many rows were changed. */
  run(sql: string, ...values: readonly Value[]): number {
    return Number(this.#statement(sql).run(...values).changes);
  }

  get(sql: string, ...values: readonly Value[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  all(sql: string, ...values: readonly Value[]): readonly Row[] {
    return this.#statement(sql).all(...values);
  }

  each(sql: string, ...values: readonly Value[]): Iterable<Row> {
    return this.#statement(sql).iterate(...values);
  }

  close(): void {
    if (this.#file.isOpen) this.#file.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#prepared.get(sql);
    if (statement === undefined) this.#prepared.set(sql, (statement = this.#file.prepare(sql)));
    return statement;
  }
}

/** Brings a file to the newest version, in one transaction. */
function bring(file: DatabaseSync, path: string, applicationId: number, steps: readonly string[]): void {
  const id = numberAt(file, 'application_id');
  const version = numberAt(file, 'user_version');
  const isNew = id === 0 && version === 0 && file.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
  if (id !== applicationId && !isNew) throw damaged(path, new Error('it is not a database of mcpd'));
  if (version > steps.length)
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} was written by a newer mcpd (version ${version}, known is ${steps.length})`,
      hint: 'start the newer mcpd again; an older one cannot read what it wrote',
    });
  if (version === steps.length && !isNew) return;
  file.exec('BEGIN IMMEDIATE');
  try {
    for (const step of steps.slice(version)) file.exec(step);
    file.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${steps.length};`);
    file.exec('COMMIT');
  } catch (reason) {
    if (file.isTransaction) file.exec('ROLLBACK');
    throw reason;
  }
}

function numberAt(file: DatabaseSync, pragma: string): number {
  return Number(file.prepare(`PRAGMA ${pragma}`).get()?.[pragma] ?? 0);
}

function damaged(path: string, cause: unknown): Fault {
  return new Fault('CONFIG_INVALID', {
    detail: `${path} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: `see docs/reliability.md, "When a file is damaged"; to look: ls -l ${shellWord(path)}*`,
    cause,
  });
}
