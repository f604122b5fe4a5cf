import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Fault } from '../domain/faults.ts';
import { flawOf, own } from '../files/ours.ts';

const fileBytesMax = 8 * 1024 * 1024;
/** No change of the file takes nearly as long as this; whoever holds the lock longer is gone or stuck. */
const staleAfterMs = 30_000;
/** A lock without a mark is written within this time, or whoever made it was killed in between. */
const emptyAfterMs = 2_000;
const lockTries = 100;
const lockPauseMs = 50;

/** The text of a file that only its owner can open; undefined when there is none. Throws `CONFIG_INVALID` otherwise. */
export function readPrivate(dir: string, name: string): string | undefined {
  const path = join(dir, name);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    if (codeOf(cause) === 'ELOOP')
      throw new Fault('CONFIG_INVALID', { detail: `${path} is a symbolic link`, hint: own(path), cause });
    throw unreadable(path, cause);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() || stat.size > fileBytesMax)
      throw new Fault('CONFIG_INVALID', {
        detail: `${path} is not a plain file of moderate size`,
        hint: `Move ${path} away.`,
      });
    // Whoever can write here can let themselves in.
    const flaw = flawOf(path, stat, 'to everybody');
    if (flaw !== undefined)
      throw new Fault('CONFIG_INVALID', {
        detail: `${path} does not belong to mcpd alone: it ${flaw.what}`,
        hint: flaw.mend,
      });
    return readFileSync(fd, 'utf8');
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw unreadable(path, cause);
  } finally {
    closeSync(fd);
  }
}

/** Replaces a file so that a reader, or a crash, finds the old text or the new one and nothing between. */
export function replaceWhole(dir: string, name: string, text: string): void {
  const path = join(dir, name);
  const fresh = join(dir, `.${name}.${randomUUID()}`);
  try {
    const fd = openSync(
      fresh,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o600,
    );
    try {
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, path);
    syncDir(dir);
  } catch (cause) {
    rmSync(fresh, { force: true });
    throw new Fault('CONFIG_INVALID', {
      detail: `cannot write ${path}: ${told(cause)}`,
      hint: `Make ${dir} writable.`,
      cause,
    });
  }
}

export type Lock = {
  /** Throws when somebody took us for dead and broke the lock. */
  readonly mustHold: () => void;
  readonly release: () => void;
};

/** Keeps others who change the same file out. Waits some seconds, then throws `CONFIG_INVALID`. */
export async function holdLock(dir: string, name: string): Promise<Lock> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, `.${name}.lock`);
  const mark = `${process.pid} ${randomUUID()}`;
  for (let tries = 0; tries < lockTries; tries++) {
    try {
      writeFileSync(path, mark, { flag: 'wx', mode: 0o600 });
      return lockOf(path, mark);
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') {
        throw new Fault('CONFIG_INVALID', {
          detail: `cannot lock ${path}: ${told(cause)}`,
          hint: `Make ${dir} writable.`,
          cause,
        });
      }
    }
    if (!breakStale(path)) await pause(lockPauseMs);
  }
  throw new Fault('CONFIG_INVALID', {
    detail: `${path} is held by another mcpd command`,
    hint: `Wait for it to end. If none runs: rm ${path}`,
  });
}

function lockOf(path: string, mark: string): Lock {
  const held = () => textAt(path) === mark;
  return {
    mustHold: () => {
      if (!held())
        throw new Fault('CONFIG_INVALID', {
          detail: `${path} was taken by another command`,
          hint: 'Try again.',
        });
    },
    release: () => {
      if (held()) rmSync(path, { force: true });
    },
  };
}

/** Removes the lock of a process that is gone. */
function breakStale(path: string): boolean {
  const mark = textAt(path);
  if (mark === undefined) return true;
  const staleMs = mark === '' ? emptyAfterMs : staleAfterMs;
  if (isAlive(Number(mark.split(' ')[0])) && ageMs(path) < staleMs) return false;
  // Moved rather than removed: of two that find it stale only one can move it. A fresh lock moved by mistake goes back.
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch {
    return true;
  }
  if (textAt(aside) === mark) rmSync(aside, { force: true });
  else renameSync(aside, path);
  return true;
}

function isAlive(pid: number): boolean {
  // A lock without a readable pid is being written this moment, or never will be: its age decides.
  if (!Number.isSafeInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (reason) {
    return codeOf(reason) === 'EPERM';
  }
}

function ageMs(path: string): number {
  try {
    return Date.now() - lstatSync(path).mtimeMs;
  } catch {
    // Released this moment.
    return 0;
  }
}

function textAt(path: string): string | undefined {
  try {
    // A named pipe in the place of a lock must not hold the command up.
    return readFileSync(path, { encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NONBLOCK });
  } catch {
    // Released this moment.
    return undefined;
  }
}

function syncDir(dir: string): void {
  const fd = openSync(dir, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function unreadable(path: string, cause: unknown): Fault {
  return new Fault('CONFIG_INVALID', {
    detail: `cannot read ${path}: ${told(cause)}`,
    hint: `Make ${path} a plain file that mcpd can read, mode 600.`,
    cause,
  });
}

function told(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function codeOf(cause: unknown): string | undefined {
  return (cause as NodeJS.ErrnoException).code;
}
