import { chmodSync, linkSync, lstatSync, mkdirSync, unlinkSync, type BigIntStats } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { takeLock } from './lock.ts';

/** `sun_path` holds 108 bytes with its final NUL on Linux, 104 on macOS (unix(7), unix(4)). */
const pathBytesMax = process.platform === 'linux' ? 107 : 103;
const probeWithinMs = 2000;

/** Where a control socket may stand: a path of ours, in a directory of ours, free of anything that is not ours. */
export type Place = {
  readonly path: string;
  /** Where to bind before the socket is shown under its name. */
  readonly hidden: string;
  /** Lets the next daemon look at the place. Called when the socket stands there, or will not. */
  readonly release: () => void;
};

/**
 * Makes sure that a control socket can stand at a path, and removes the one of a dead daemon. Between the probe and the
 * socket's appearance no other mcpd may look, or two of them would find the same dead socket and both take its place.
 * Throws `CONFIG_INVALID` when the path is too long, the directory is open to others or something else lies there,
 * `PLACE_TAKEN` when another mcpd is running.
 */
export async function prepare(path: string): Promise<Place> {
  const dir = dirname(path);
  const hidden = join(dir, `.${process.pid}`);
  checkLength(Math.max(Buffer.byteLength(path), Buffer.byteLength(hidden)), path);
  ensurePrivate(dir);
  const release = await takeLock(join(dir, lockName));
  try {
    removeOurs(hidden);
    await clear(path);
    return { path, hidden, release };
  } catch (reason) {
    release();
    throw reason;
  }
}

/** Beside the socket, and never removed. */
export const lockName = 'control.lock';

/** Removes the socket of a dead daemon. */
async function clear(path: string): Promise<void> {
  const found = look(path);
  if (found === undefined) return;
  if (!found.isSocket()) {
    const what = found.isSymbolicLink()
      ? 'a symbolic link'
      : found.isDirectory()
        ? 'a directory'
        : 'not a socket';
    throw refuse(
      `${path} is ${what}, so the control socket cannot stand there`,
      `see what it is and move it away: ls -l ${path}`,
    );
  }
  if (!isOurs(found))
    throw refuse(
      `${path} belongs to user ${found.uid}`,
      'run mcpd as that user, or give it another state directory',
    );
  if (await answers(path)) throw alreadyRunning(path);
  removeIfSame(path, found);
}

/** Gives the socket its public name. A link and not a rename: it fails where something appeared meanwhile. */
export function show({ path, hidden }: Pick<Place, 'path' | 'hidden'>): void {
  try {
    linkSync(hidden, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw alreadyRunning(path);
    throw refuse(
      `the control socket cannot be made at ${path}: ${(cause as Error).message}`,
      'use a state directory on a local file system',
      cause,
    );
  } finally {
    unlinkSync(hidden);
  }
}

/** Which file a path names now, or undefined where there is none. */
export function look(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/** Removes a socket only if it is still the one that was seen; a file that took its name is not ours to remove. */
export function removeIfSame(path: string, seen: BigIntStats): void {
  const now = look(path);
  if (now !== undefined && now.ino === seen.ino && now.dev === seen.dev && now.isSocket()) unlinkSync(path);
}

/** Throws `CONFIG_INVALID` when a socket path is longer than the system can take. */
export function checkLength(bytes: number, path: string): void {
  if (bytes <= pathBytesMax) return;
  throw refuse(
    `the control socket's path has ${bytes} bytes, and the system allows ${pathBytesMax}: ${path}`,
    'choose a state directory with a shorter path',
  );
}

/** Makes the directory, or sees that it is a real one, ours, and closed to everybody else. */
function ensurePrivate(dir: string): void {
  if (look(dir) === undefined) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    // mkdir obeys the umask, which may have taken our own rights away.
    chmodSync(dir, 0o700);
  }
  const found = look(dir);
  if (found === undefined || !found.isDirectory()) {
    throw refuse(`${dir} is not a directory`, `see what it is: ls -ld ${dir}`);
  }
  if (!isOurs(found))
    throw refuse(
      `${dir} belongs to user ${found.uid}`,
      'run mcpd as that user, or give it another state directory',
    );
  // Node cannot ask who is at the other end of a unix socket; the directory is what keeps other users out.
  if ((found.mode & 0o077n) !== 0n) throw refuse(`${dir} is open to other users`, `chmod 700 ${dir}`);
}

function removeOurs(path: string): void {
  const found = look(path);
  if (found === undefined) return;
  if (!found.isSocket() || !isOurs(found))
    throw refuse(`${path} is in the way`, `see what it is and move it away: ls -l ${path}`);
  unlinkSync(path);
}

function isOurs(found: BigIntStats): boolean {
  return process.getuid === undefined || found.uid === BigInt(process.getuid());
}

/** Whether a daemon listens there. Only a refused connection proves that it does not; any doubt counts as life. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (alive: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(alive);
    };
    const timer = setTimeout(() => settle(true), probeWithinMs);
    socket.once('connect', () => settle(true));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

function alreadyRunning(path: string): Fault {
  return new Fault('PLACE_TAKEN', {
    detail: `another mcpd is running: it answers at ${path}`,
    hint: 'stop it first, or give this one another state directory; mcpd ctl status shows it',
  });
}

function refuse(detail: string, hint: string, cause?: unknown): Fault {
  return new Fault('CONFIG_INVALID', { detail, hint, cause });
}
