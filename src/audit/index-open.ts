import { join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { Database } from '../files/database.ts';
import { holdLock } from '../files/lock.ts';
import { bringUpToDate } from './index-build.ts';
import { indexAt, indexFile } from './index-schema.ts';
import { discard, LineReader, namesIn, reserve, touch } from './query-files.ts';

/** Bytes of the journal that are indexed, and all of them. */
export type Progress = (doneBytes: number, allBytes: number) => void;

/** An index that is up to date, and what reads the journal at the places it knows. To be closed. */
export type Index = {
  readonly db: Database;
  readonly reader: LineReader;
  readonly generation: number;
  readonly close: () => void;
};

/**
 * Brings the index of a journal up to date, or makes it: where it is missing, damaged, or of another journal. Throws what keeps it
 * from being made: another command that is at it, a folder that cannot be written, a full disk.
 */
export async function openIndex(dir: string, progress: Progress): Promise<Index> {
  return await alone(dir, (stillAlone) => {
    const watched: Progress = (...bytes) => {
      stillAlone();
      progress(...bytes);
    };
    const newest = newestIn(dir);
    for (const generation of newest === 0 ? [1] : [newest, newest + 1]) {
      const db = upToDate(dir, generation, watched);
      if (db !== undefined) return indexOf(dir, db, generation);
    }
    throw new Error('the journal changes while it is read');
  });
}

/** Makes sure that this one is not used again; the next is made anew. */
export async function discardIndex(dir: string, { generation }: Index): Promise<void> {
  await alone(dir, () => giveUp(dir, generation));
}

function indexOf(dir: string, db: Database, generation: number): Index {
  const reader = new LineReader(dir);
  const close = () => {
    reader.close();
    db.close();
  };
  return { db, reader, generation, close };
}

/** Opens a generation and brings it to the end of the journal. Undefined where it cannot be used, and then it is gone. */
function upToDate(dir: string, generation: number, progress: Progress): Database | undefined {
  let db: Database | undefined;
  let usable = false;
  try {
    db = Database.open(indexAt(dir, generation));
    // In memory while it is made: words are hashed, so each falls on another page. 64 MiB.
    db.get('PRAGMA cache_size = -65536');
    usable = bringUpToDate({ db, dir, progress });
  } catch (reason) {
    db?.close();
    if (!isDamage(reason) && !isFull(reason)) throw reason;
    // What fills the disk is not worth the records that find no room.
    giveUp(dir, generation);
    if (isFull(reason)) throw reason;
    return undefined;
  }
  if (usable) {
    discardUpTo(dir, generation - 1);
    return db;
  }
  db.close();
  giveUp(dir, generation);
  return undefined;
}

/** The newest generation there is; 0 where there is none. */
function newestIn(dir: string): number {
  return Math.max(0, ...namesIn(dir).map((name) => Number(indexFile.exec(name)?.[1] ?? 0)));
}

/**
 * Removes a generation, and sees that its name is not used again: another command may still have it open, and would remove the
 * write-ahead log of the one that took its place (sqlite.org/howtocorrupt.html, section 2.5).
 */
function giveUp(dir: string, generation: number): void {
  reserve(indexAt(dir, generation + 1).path);
  discardUpTo(dir, generation);
}

function discardUpTo(dir: string, generation: number): void {
  for (const name of namesIn(dir)) {
    const found = indexFile.exec(name)?.[1];
    if (found !== undefined && Number(found) <= generation) discard(dir, name);
  }
}

/** Does something while no other command does the same in this folder. */
async function alone<T>(dir: string, work: (stillAlone: () => void) => T): Promise<T> {
  const path = join(dir, 'index.lock');
  const lock = await holdLock(path);
  try {
    return work(() => {
      lock.mustHold();
      // Whoever waits for a lock takes one that has not been touched for long for left behind.
      touch(path);
    });
  } finally {
    lock.release();
  }
}

/** What the system is to blame for, and not the file: SQLITE_PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN. */
const systems: ReadonlySet<number> = new Set([3, 5, 6, 7, 8, 10, 13, 14]);
const full = 13;

/** Whether the file is to blame: it is no database, not ours, broken, or says what cannot be. */
export function isDamage(reason: unknown): boolean {
  const code = sqliteCode(reason);
  if (code !== undefined) return !systems.has(code);
  // Of another program; what is wrong with its owner or its mode has no cause, or one of the system's.
  return reason instanceof Fault && reason.cause instanceof Error && !('code' in reason.cause);
}

function isFull(reason: unknown): boolean {
  return sqliteCode(reason) === full;
}

/** The primary result code (sqlite.org/rescode.html); undefined for what is no error of SQLite. */
function sqliteCode(reason: unknown): number | undefined {
  const error = reason instanceof Fault ? reason.cause : reason;
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
