import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { Fault } from '../domain/faults.ts';

/** What others must not be able to do with a file: change it, or even open it. */
export type Closed = 'to writers' | 'to everybody';

/** What is wrong with a file, to follow its path, and the command that mends it. */
export type Flaw = { readonly what: string; readonly mend: string };

/**
 * Why an open file cannot be trusted as ours; undefined where it can. Of the file that was opened, not of a path: between two
 * looks at a path it may become another file. A second name is refused because whoever has it can change the file where
 * nobody looks, or have us change theirs (CWE-59, CWE-62).
 */
export function flawOf(path: string, stat: Stats, closed: Closed): Flaw | undefined {
  const word = shellWord(path);
  if (!stat.isFile()) return { what: 'is not a plain file', mend: `ls -ld ${word} (then move it away)` };
  const me = process.getuid?.();
  if (me !== undefined && stat.uid !== me)
    return { what: `belongs to user ${String(stat.uid)}`, mend: `chown ${String(me)} ${word}` };
  if (stat.nlink !== 1) return { what: 'has a second name (a hard link)', mend: own(path) };
  if (closed === 'to everybody' && (stat.mode & 0o077) !== 0)
    return { what: 'can be opened by other users', mend: `chmod 600 ${word}` };
  if ((stat.mode & 0o022) !== 0) return { what: 'can be written by other users', mend: `chmod 600 ${word}` };
  return undefined;
}

/** What makes a copy of our own of something that is a link, in its place. */
export function own(path: string): string {
  const word = shellWord(path);
  return `cp -p ${word} ${shellWord(`${path}.own`)} && mv ${shellWord(`${path}.own`)} ${word}`;
}

/**
 * Opens a file of ours, or gives undefined where there is none. Never through a link, and never waiting for the other side of
 * a named pipe. Throws `CONFIG_INVALID`, with the command that mends it.
 */
export function openOurs(path: string, flags: number, closed: Closed): number | undefined {
  let file: number;
  try {
    file = openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    if (code === 'ELOOP') throw refuse(path, { what: 'is a symbolic link', mend: own(path) }, cause);
    const what = `cannot be opened (${code ?? 'unknown error'})`;
    throw refuse(path, { what, mend: `ls -ld ${shellWord(path)}` }, cause);
  }
  try {
    const flaw = flawOf(path, fstatSync(file), closed);
    if (flaw !== undefined) throw refuse(path, flaw);
    return file;
  } catch (reason) {
    closeSync(file);
    throw reason;
  }
}

/** The bytes of a file of ours, whole; undefined where there is none. Throws `CONFIG_INVALID`. */
export function readOurs(
  path: string,
  { bytesMax, closed }: { readonly bytesMax: number; readonly closed: Closed },
): Buffer | undefined {
  const file = openOurs(path, constants.O_RDONLY, closed);
  if (file === undefined) return undefined;
  try {
    const { size } = fstatSync(file);
    if (size > bytesMax)
      throw refuse(path, {
        what: `is larger than ${String(bytesMax)} bytes`,
        mend: `ls -l ${shellWord(path)}`,
      });
    const bytes = Buffer.alloc(size);
    let read = 0;
    while (read < size) {
      const count = readSync(file, bytes, read, size - read, read);
      if (count === 0) break;
      read += count;
    }
    return bytes.subarray(0, read);
  } finally {
    closeSync(file);
  }
}

/** A path as a shell takes it. */
export function shellWord(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function refuse(path: string, { what, mend }: Flaw, cause?: unknown): Fault {
  return new Fault('CONFIG_INVALID', { detail: `${path} ${what}`, hint: mend, cause });
}
