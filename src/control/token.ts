import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, constants, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { shellWord } from '../files/ours.ts';
import { isPassing } from '../files/passing.ts';

const bytesMax = 256;

/** Where the token of a start lies, for whoever may use the socket. */
export function tokenPath(socketPath: string): string {
  return join(dirname(socketPath), 'token');
}

/**
 * The token that every command of the operator brings along: 256 random bits, new at each start, in a file that only we and
 * root can read. The socket's own mode keeps other users out; this keeps out a child that runs as our own user behind a wall
 * that hides the file, should a socket ever be handed or shown to it.
 */
export class StartToken {
  readonly token: string;
  readonly #path: string;
  readonly #digest: Buffer;

  private constructor(path: string, token: string) {
    this.#path = path;
    this.token = token;
    this.#digest = hash('sha256', token, 'buffer');
  }

  /**
   * Throws `CONFIG_INVALID`, and `AUDIT_UNAVAILABLE` where the disk is full or fails. To be called by whoever alone may stand at
   * this socket's place.
   */
  static make(socketPath: string): StartToken {
    const path = tokenPath(socketPath);
    const token = `mcpd_ctl_${randomBytes(32).toString('base64url')}`;
    try {
      // What lies there was left by a daemon that was killed; removed by name, so a link is not followed.
      rmSync(path, { force: true });
      const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
      const file = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      try {
        writeSync(file, `${token}\n`);
      } finally {
        closeSync(file);
      }
    } catch (cause) {
      const detail = `the operator token cannot be written to ${path}: ${(cause as Error).message}`;
      // It may be over at the next start.
      if (isPassing(cause))
        throw new Fault('AUDIT_UNAVAILABLE', {
          detail,
          hint: `see that the disk has room and works: df ${shellWord(path)}; then start mcpd again`,
          cause,
        });
      throw new Fault('CONFIG_INVALID', {
        detail,
        hint: `see what is there: ls -ld ${shellWord(path)}`,
        cause,
      });
    }
    return new StartToken(path, token);
  }

  /** Whether this is the token of this start. Takes the same time for every wrong one. */
  matches(token: string): boolean {
    return timingSafeEqual(this.#digest, hash('sha256', token, 'buffer'));
  }

  /** Removes the file, unless a later daemon has put its own in its place. */
  remove(): void {
    if (readToken(this.#path) === this.token) rmSync(this.#path, { force: true });
  }
}

/**
 * The token in a file; undefined where there is none, or none that we may read. Root reads that of every user, so it is not
 * asked whose the file is: whoever planted one would only be told what they wrote themselves.
 */
export function readToken(path: string): string | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    // The daemon says what is missing, and to whom it would listen.
    return undefined;
  }
  try {
    const bytes = Buffer.alloc(bytesMax);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytesMax, 0)).trim();
  } catch {
    // A folder, for instance.
    return undefined;
  } finally {
    closeSync(file);
  }
}
