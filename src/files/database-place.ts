import { lstatSync, statSync } from 'node:fs';
import { Fault } from '../domain/faults.ts';
import type { DatabasePlace } from './database.ts';
import { unusable } from './database-trouble.ts';
import { flawOf, own } from './ours.ts';

/** SQLite follows links; whoever can plant one would choose which file we read as ours, or write to (CWE-59). */
export function mustBeOurs({ path, mayBeNew = true }: DatabasePlace): void {
  const bytes = sizeOf(path);
  const aheadBytes = sizeOf(`${path}-wal`);
  sizeOf(`${path}-shm`);
  sizeOf(`${path}-journal`);
  if (bytes === undefined && !mayBeNew) throw unusable(path, 'is gone');
  // SQLite would throw the rest away, and with it what was committed last.
  if ((bytes ?? 0) === 0 && (aheadBytes ?? 0) > 0)
    throw unusable(path, `is ${bytes === undefined ? 'gone' : 'empty'}, and its -wal is not`);
}

/** Looked at and not opened: to close a file takes away the locks that our own connections hold on it (fcntl(2)). */
function sizeOf(path: string): number | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const flaw = stat.isSymbolicLink()
    ? { what: 'is a symbolic link', mend: own(path) }
    : flawOf(path, stat, 'to everybody');
  if (flaw !== undefined)
    throw new Fault('CONFIG_INVALID', { detail: `${path} ${flaw.what}`, hint: flaw.mend });
  return stat.size;
}

/** Which files on the disk these are: of the database and of its `-wal`. */
export function identityOf(path: string): string {
  const one = (name: string) => {
    const stat = statSync(name, { throwIfNoEntry: false });
    return stat === undefined ? 'gone' : `${stat.dev}:${stat.ino}`;
  };
  return `${one(path)} ${one(`${path}-wal`)}`;
}
