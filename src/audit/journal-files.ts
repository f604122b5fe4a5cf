import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
} from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { flawOf, openOurs, own } from '../files/ours.ts';
import { hashOf, openingOf, type Link } from './chain.ts';

const fileName = /^journal-(\d{6})\.jsonl$/;
/** A line longer than this is not a record of ours. */
const lineBytesMax = 32 * 1024 * 1024;

/** The files of a journal, oldest first. No directory: no files. Throws `AUDIT_UNAVAILABLE` when it cannot be read. */
export function journalFiles(dir: string): readonly string[] {
  try {
    return journalNumbers(dir).map((number) => pathOf(dir, number));
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unavailable(reason, `cannot read the journal in ${dir}`);
  }
}

/** All lines, oldest first, one at a time. A torn last line is left out. Throws like `journalFiles`. */
export async function* readJournal(dir: string): AsyncGenerator<string> {
  for (const file of journalFiles(dir)) {
    try {
      yield* linesOf(file);
    } catch (reason) {
      throw unavailable(reason, `cannot read ${file}`);
    }
  }
}

async function* linesOf(file: string): AsyncGenerator<string> {
  let pieces: Buffer[] = [];
  let held = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(lf); end >= 0; end = chunk.indexOf(lf, from)) {
      yield Buffer.concat([...pieces, chunk.subarray(from, end)]).toString('utf8');
      pieces = [];
      held = 0;
      from = end + 1;
    }
    held += chunk.length - from;
    if (held > lineBytesMax) throw new Error(`a line longer than ${lineBytesMax} bytes`);
    pieces.push(chunk.subarray(from));
  }
}

const lf = 0x0a;

/** Where one file of a journal stands. */
export function pathOf(dir: string, number: number): string {
  return join(dir, `journal-${String(number).padStart(6, '0')}.jsonl`);
}

/** The numbers of a journal's files, ascending. */
export function journalNumbers(dir: string): readonly number[] {
  const found = readdirSync(dir).flatMap((name) => fileName.exec(name)?.[1] ?? []);
  return found.map(Number).sort((a, b) => a - b);
}

/** Refuses links: somebody who can plant one would choose which file we write to (CWE-59). */
export function openForAppend(path: string): number {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
  const flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ELOOP') throw cause;
    throw new Fault('CONFIG_INVALID', { detail: `${path} is a symbolic link`, hint: own(path), cause });
  }
  const flaw = flawOf(path, fstatSync(fd), 'to everybody');
  if (flaw === undefined) return fd;
  closeSync(fd);
  throw new Fault('CONFIG_INVALID', { detail: `${path} ${flaw.what}`, hint: flaw.mend });
}

/** Throws `CONFIG_INVALID` for a directory in which others could put or replace files. */
export function refuseSharedDir(dir: string): void {
  const { uid, mode } = lstatSync(dir);
  const isDir = (mode & constants.S_IFMT) === constants.S_IFDIR;
  if (!isDir)
    throw new Fault('CONFIG_INVALID', { detail: `${dir} is not a directory`, hint: `Move ${dir} away.` });
  const ours = process.getuid === undefined || uid === process.getuid();
  if (ours && (mode & 0o022) === 0) return;
  throw new Fault('CONFIG_INVALID', {
    detail: `${dir} can be changed by others`,
    hint: `chown "$(id -u)" ${dir} && chmod 700 ${dir}`,
  });
}

/** Where the last line feed before `end` stands; -1 where there is none. */
export function lfBefore(fd: number, end: number): number {
  const window = Buffer.alloc(64 * 1024);
  for (let to = end; to > 0;) {
    const from = Math.max(0, to - window.length);
    const read = readSync(fd, window, 0, to - from, from);
    const at = window.subarray(0, read).lastIndexOf(lf);
    if (at >= 0) return from + at;
    to = from;
  }
  return -1;
}

/** The last record of one file. */
export type Last = {
  readonly link: Link;
  /** What it says that it follows; undefined in the format of before there was a chain. */
  readonly prev: string | undefined;
  /** Where it ends, its line feed included. */
  readonly bytes: number;
  /** Wall clock, milliseconds since 1970, as far as the record says. */
  readonly wallMs: number | undefined;
};

/** Undefined in a file without a record. Throws `CONFIG_INVALID` for one that holds something else. */
export function lastIn(path: string): Last | undefined {
  const fd = openOurs(path, constants.O_RDONLY, 'to everybody');
  if (fd === undefined) return undefined;
  try {
    let end = lfBefore(fd, fstatSync(fd).size);
    // Lines that somebody else added or damaged are passed over, but not without end.
    for (let tries = 0; end >= 0 && tries < 1000; tries++) {
      const start = lfBefore(fd, end) + 1;
      const found = recordAt(fd, start, end);
      if (found !== undefined) return { ...found, bytes: end + 1 };
      end = start - 1;
    }
    if (end < 0) return undefined;
    throw new Fault('CONFIG_INVALID', { detail: `${path} is not a journal`, hint: `Move ${path} away.` });
  } finally {
    closeSync(fd);
  }
}

/** The first record of one file, if that is how it begins. */
export function firstIn(path: string): Omit<Last, 'bytes'> | undefined {
  return recordFrom(path, 0);
}

/** The record that begins at a place in a file; undefined where none does. Throws where there is no such file. */
export function recordFrom(path: string, start: number): Omit<Last, 'bytes'> | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const { size } = fstatSync(fd);
    const window = Buffer.alloc(64 * 1024);
    for (let from = start; from < Math.min(size, start + lineBytesMax);) {
      const read = readSync(fd, window, 0, window.length, from);
      if (read === 0) return undefined;
      const at = window.subarray(0, read).indexOf(lf);
      if (at >= 0) return recordAt(fd, start, from + at);
      from += read;
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}

function recordAt(fd: number, start: number, end: number): Omit<Last, 'bytes'> | undefined {
  if (end - start > lineBytesMax) return undefined;
  const line = Buffer.alloc(end - start);
  let read = 0;
  while (read < line.length) {
    const count = readSync(fd, line, read, line.length - read, start + read);
    if (count === 0) return undefined;
    read += count;
  }
  const opening = openingOf(line);
  if (opening === undefined) return undefined;
  const wallMs = Date.parse(timeOf(line) ?? '');
  return {
    link: { seq: opening.seq, hash: hashOf(line) },
    prev: opening.prev,
    wallMs: Number.isNaN(wallMs) ? undefined : wallMs,
  };
}

/** When a record says it was written. Ours stands near the beginning, before anything that came from outside. */
export function timeOf(line: Buffer): string | undefined {
  return /"time":"([^"]{20,30})"/.exec(line.toString('latin1', 0, 256))?.[1];
}

/** What went wrong with the journal, as a fault; a fault stays itself. */
export function unavailable(cause: unknown, detail: string): Fault {
  if (cause instanceof Fault) return cause;
  return new Fault('AUDIT_UNAVAILABLE', {
    detail: `${detail}: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: 'See that the disk has room and the files belong to mcpd. A running mcpd goes on by itself.',
    cause,
  });
}
