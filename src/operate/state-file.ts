import { closeSync, constants, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { readOurs } from '../files/ours.ts';

const bytesMaxDefault = 4 * 1024 * 1024;

/**
 * Reads a small state file whole; undefined where there is none. Throws `CONFIG_INVALID` unless it is a plain file of
 * ours that nobody else can write: through a link or a file of theirs, another user could decide what is switched off.
 */
export function readState(path: string, bytesMax = bytesMaxDefault): Buffer | undefined {
  return readOurs(path, { bytesMax, closed: 'to writers' });
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
