import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { Fault } from '../domain/faults.ts';

const bytesMaxDefault = 4 * 1024 * 1024;

/**
 * Reads a small state file whole; undefined where there is none. Throws `CONFIG_INVALID` unless it is a plain file of
 * ours that nobody else can write: through a link or a file of theirs, another user could decide what is switched off.
 */
export function readState(path: string, bytesMax = bytesMaxDefault): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return undefined;
    const why = code === 'ELOOP' ? 'is a symbolic link' : `cannot be read (${code})`;
    throw refuse(path, why, `ls -l ${path}`, cause);
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw refuse(path, 'is not a plain file', `move it away`);
    if (process.getuid !== undefined && stat.uid !== process.getuid()) {
      throw refuse(path, `belongs to user ${stat.uid}`, `chown ${process.getuid()} ${path}`);
    }
    if (stat.nlink !== 1) throw refuse(path, 'has a second name (a hard link)', `ls -li ${path}`);
    if ((stat.mode & 0o022) !== 0) throw refuse(path, 'can be written by other users', `chmod 600 ${path}`);
    if (stat.size > bytesMax) throw refuse(path, `is larger than ${bytesMax} bytes`, `ls -l ${path}`);
    const bytes = Buffer.alloc(stat.size);
    let read = 0;
    while (read < bytes.length) {
      const count = readSync(file, bytes, read, bytes.length - read, read);
      if (count === 0) break;
      read += count;
    }
    return bytes.subarray(0, read);
  } finally {
    closeSync(file);
  }
}

/**
 * Replaces a small state file whole, or leaves the old one: written beside it, flushed, renamed, and the directory
 * flushed too, because a rename that is only in memory is lost with the power. Throws what the system says.
 */
export function writeState(path: string, text: string): void {
  const beside = `${path}.new`;
  // What lies there is ours, left by a crash; the directory is the owner's alone.
  rmSync(beside, { force: true });
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = openSync(beside, flags, 0o600);
    try {
      const bytes = Buffer.from(text);
      let written = 0;
      while (written < bytes.length) written += writeSync(file, bytes, written);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, path);
  } catch (reason) {
    rmSync(beside, { force: true });
    throw reason;
  }
  flushDirectory(dirname(path));
}

function flushDirectory(dir: string): void {
  const handle = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function refuse(path: string, why: string, hint: string, cause?: unknown): Fault {
  return new Fault('CONFIG_INVALID', { detail: `${path} ${why}`, hint, cause });
}
