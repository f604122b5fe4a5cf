import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Fault } from '../domain/faults.ts';
import { readOurs } from '../files/ours.ts';

const lockTries = 200;
const lockPauseMs = 50;
/** No change takes nearly as long as this, a passphrase typed by a person not counted: it is asked for before. */
const staleAfterMs = 30_000;

/**
 * The text of a file that belongs to us alone; undefined when there is none. A link, a stranger's file and one that others can
 * open are refused: whoever can put a file here decides what servers are given. Throws `CONFIG_INVALID`.
 */
export function readOwn(path: string, bytesMax: number): string | undefined {
  return readOurs(path, { bytesMax, closed: 'to everybody' })?.toString('utf8');
}

/** Replaces a file so that a reader, or a crash, finds the old text or the new one and nothing between. */
export async function replaceWhole(path: string, text: string): Promise<void> {
  const fresh = join(dirname(path), `.${basename(path)}.${randomUUID()}.new`);
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const handle = await open(fresh, flags, 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, path);
    await using folder = await open(dirname(path), constants.O_RDONLY);
    await folder.sync();
  } catch (cause) {
    await rm(fresh, { force: true });
    const { code } = cause as NodeJS.ErrnoException;
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} cannot be written (${code ?? 'unknown error'})`,
      hint: `see that ${dirname(path)} can be written and has room`,
      cause,
    });
  }
}

/** Does something while no other command does the same. Waits some seconds, then throws `CONFIG_INVALID`. */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const mark = `${process.pid} ${randomUUID()}`;
  for (let tries = 0; tries < lockTries; tries++) {
    try {
      await writeFile(lock, mark, { flag: 'wx', mode: 0o600 });
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code !== 'EEXIST')
        throw new Fault('CONFIG_INVALID', {
          detail: `${lock} cannot be made (${code ?? 'unknown error'})`,
          hint: `see that ${dirname(path)} can be written and has room`,
          cause,
        });
      if (!(await removeStale(lock))) await pause(lockPauseMs);
      continue;
    }
    try {
      return await work();
    } finally {
      if ((await textAt(lock)) === mark) await rm(lock, { force: true });
    }
  }
  throw new Fault('CONFIG_INVALID', {
    detail: `${lock} is held by another mcpd command`,
    hint: `wait for it to end. If none runs: rm ${lock}`,
  });
}

/** A lock without a mark is written within this time, or whoever made it was killed in between. */
const emptyAfterMs = 2_000;

/** Removes the lock of a process that is gone. */
async function removeStale(lock: string): Promise<boolean> {
  const mark = await textAt(lock);
  if (mark === undefined) return true;
  const staleMs = mark === '' ? emptyAfterMs : staleAfterMs;
  if (isAlive(Number(mark.split(' ')[0])) && (await ageMs(lock)) < staleMs) return false;
  // Moved rather than removed: of two that find it stale only one can move it. A fresh lock moved by mistake goes back.
  const aside = `${lock}.${randomUUID()}`;
  try {
    await rename(lock, aside);
  } catch {
    return true;
  }
  if ((await textAt(aside)) === mark) await rm(aside, { force: true });
  else await rename(aside, lock);
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

async function ageMs(path: string): Promise<number> {
  try {
    return Date.now() - (await lstat(path)).mtimeMs;
  } catch {
    // Released this moment.
    return 0;
  }
}

async function textAt(path: string): Promise<string | undefined> {
  try {
    // A named pipe in the place of a lock must not hold the command up.
    return await readFile(path, { encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NONBLOCK });
  } catch {
    // Released this moment.
    return undefined;
  }
}
