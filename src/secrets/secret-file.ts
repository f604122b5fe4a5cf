import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { Fault } from '../domain/faults.ts';
import { secretBytesMax } from './value.ts';

/**
 * Reads a secret from a file: UTF-8, at most 64 KiB, one line end at the close left off. It is ours and nobody else's; or it is
 * root's, who may do everything anyway, cannot be written by anybody else, and only our group may read it besides, as
 * containers mount secrets. A link is followed, and what it leads to is judged. Throws `SECRET_UNAVAILABLE`.
 */
export function readSecretFile(path: string): Promise<string> {
  return readFrom(path, constants.O_RDONLY, 'create it, owner-only: chmod 600');
}

/** The same of a file that the system put there; a link in its place is not followed. */
export function readMounted(path: string, whenMissing: string): Promise<string> {
  return readFrom(path, constants.O_RDONLY | constants.O_NOFOLLOW, whenMissing);
}

async function readFrom(path: string, flags: number, whenMissing: string): Promise<string> {
  let handle: FileHandle;
  try {
    // Without O_NONBLOCK a named pipe in this place would hold a thread until somebody wrote to it.
    handle = await open(path, flags | constants.O_NONBLOCK);
  } catch (reason) {
    const { code } = reason as NodeJS.ErrnoException;
    throw unusable(
      path,
      code === 'ENOENT' ? 'does not exist' : `cannot be opened (${code ?? 'unknown error'})`,
      whenMissing,
    );
  }
  try {
    // Of the open file, not of the path: between two looks at a path it may become another file.
    const { mode, uid, gid } = await handle.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG)
      throw unusable(path, 'is not a regular file', 'name a file');
    const me = process.getuid?.();
    if (me !== undefined && uid !== me && uid !== 0)
      throw unusable(path, 'belongs to another user', `chown it to the user that runs mcpd`);
    // In a group of root's there may be anybody; in one that we are in for this, whoever the owner put there.
    const othersMay = uid === 0 && me !== 0 && isOurGroup(gid) ? 0o037 : 0o077;
    if (me !== undefined && (mode & othersMay) !== 0)
      throw unusable(
        path,
        'can be read by others',
        uid === me ? `chmod 600 ${path}` : `mount it with mode 0440 and a group of mcpd's own`,
      );
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

function isOurGroup(gid: number): boolean {
  // systemd gives its files to root's group and lets the service in by an ACL, which shows as the group's permission.
  return gid === 0 || process.getgid?.() === gid || process.getgroups?.().includes(gid) === true;
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
