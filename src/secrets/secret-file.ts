import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { Fault } from '../domain/faults.ts';
import { secretBytesMax } from './value.ts';

/**
 * Reads a secret from a file that only its owner can read: UTF-8, at most 64 KiB, one line end at the close left off.
 * A link is followed, and what it leads to is judged. Throws `SECRET_UNAVAILABLE`.
 */
export async function readSecretFile(path: string): Promise<string> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK a named pipe in this place would hold a thread until somebody wrote to it.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (reason) {
    const { code } = reason as NodeJS.ErrnoException;
    throw unusable(
      path,
      code === 'ENOENT' ? 'does not exist' : `cannot be opened (${code ?? 'unknown error'})`,
      'create it, owner-only: chmod 600',
    );
  }
  try {
    // Of the open file, not of the path: between two looks at a path it may become another file.
    const stat = await handle.stat();
    if (!stat.isFile()) throw unusable(path, 'is not a regular file', 'name a file');
    const me = process.getuid?.();
    if (me !== undefined && stat.uid !== me)
      throw unusable(path, 'belongs to another user', `chown it to the user that runs mcpd`);
    if (me !== undefined && (stat.mode & 0o077) !== 0)
      throw unusable(path, 'can be read by others', `chmod 600 ${path}`);
    const bytes = Buffer.alloc(secretBytesMax + 3);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = (await handle.read(bytes, length, bytes.length - length)).bytesRead;
    }
    return textOf(path, bytes.subarray(0, length));
  } finally {
    await handle.close();
  }
}

function textOf(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw unusable(path, 'is not valid UTF-8', 'store the secret as text');
  }
}

function unusable(path: string, what: string, hint: string): Fault {
  return new Fault('SECRET_UNAVAILABLE', { detail: `${path} ${what}`, hint });
}
