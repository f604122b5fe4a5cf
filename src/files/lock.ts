import { randomUUID } from 'node:crypto';
import { constants, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Fault } from '../domain/faults.ts';
import { shellWord } from './ours.ts';

const tries = 200;
const pauseMs = 50;
/** No change of a file takes nearly as long as this; whoever holds its lock longer is gone or stuck. */
const staleAfterMs = 30_000;
/** A lock without a mark is written within this time, or whoever made it was killed in between. */
const emptyAfterMs = 2_000;

export type Lock = {
  /** Throws `CONFIG_INVALID` when somebody took us for dead and broke the lock. */
  readonly mustHold: () => void;
  readonly release: () => void;
};

/**
 * Keeps other commands that change the same file out, by a file at `path` that says who holds it. Waits some seconds, then
 * throws `CONFIG_INVALID`.
 */
export async function holdLock(path: string): Promise<Lock> {
  const mark = `${process.pid} ${randomUUID()}`;
  for (let tried = 0; tried < tries; tried++) {
    try {
      writeFileSync(path, mark, { flag: 'wx', mode: 0o600 });
      return lockOf(path, mark);
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== 'EEXIST')
        throw new Fault('CONFIG_INVALID', {
          detail: `${path} cannot be made (${code ?? 'unknown error'})`,
          hint: `see that ${dirname(path)} can be written and has room`,
          cause,
        });
    }
    if (!breakStale(path)) await pause(pauseMs);
  }
  throw new Fault('CONFIG_INVALID', {
    detail: `${path} is held by another mcpd command`,
    hint: `wait for it to end. If none runs: rm ${shellWord(path)}`,
  });
}

/**
 * Does something while no other command does the same. Throws as `holdLock` does. To be called by the work right before each
 * write: `mustHold`. A command that is suspended for longer than a lock is believed would write what it read before that over
 * what another one stored meanwhile.
 */
export async function withLock<T>(
  path: string,
  work: (mustHold: Lock['mustHold']) => Promise<T>,
): Promise<T> {
  const lock = await holdLock(path);
  try {
    return await work(lock.mustHold);
  } finally {
    lock.release();
  }
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

/** Removes the lock of a process that is gone. False: it has to be waited for. */
function breakStale(path: string): boolean {
  const ageMs = ageOf(path);
  if (ageMs === 'not a file') return false;
  const mark = textAt(path);
  if (mark === undefined || ageMs === undefined) return true;
  const staleMs = mark === '' ? emptyAfterMs : staleAfterMs;
  if (isAlive(Number(mark.split(' ')[0])) && ageMs < staleMs) return false;
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
    return (reason as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Undefined where it was released this moment. What is no plain file is none of ours, so it is neither read nor removed. */
function ageOf(path: string): number | 'not a file' | undefined {
  try {
    const stat = lstatSync(path);
    return stat.isFile() ? Date.now() - stat.mtimeMs : 'not a file';
  } catch {
    return undefined;
  }
}

/** Undefined where it was released this moment. */
function textAt(path: string): string | undefined {
  try {
    // A link or a named pipe put in its place since we looked must neither lead elsewhere nor hold the command up.
    const flag = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
    return readFileSync(path, { encoding: 'utf8', flag });
  } catch {
    return undefined;
  }
}
