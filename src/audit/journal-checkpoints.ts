import { constants, mkdirSync, readdirSync, readFileSync, statSync, type Stats } from 'node:fs';
import { mkdir, open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyObject } from 'node:crypto';
import { Fault } from '../domain/faults.ts';
import { flawOf, readOurs } from '../files/ours.ts';
import { genesis, type Link, type Position } from './chain.ts';
import { checkpointText, readCheckpoint, type CheckpointRead } from './checkpoint.ts';
import { refuseSharedDir, unavailable } from './journal-files.ts';
import type { Keys } from './journal-keys.ts';

/** What went wrong with the folder of checkpoints; undefined: it works again. Calls are made all the same. */
export type OnCheckpoints = (fault: Fault | undefined) => void;

const fileName = /^checkpoints-(\d{6})\.jsonl$/;
/** Those of one journal file: one a second for a year. */
const bytesMax = 1024 * 1024 * 1024;

/** The signed checkpoints of a journal, in a folder of their own: for each file of the journal a file. */
export class Checkpoints {
  readonly #dir: string;
  readonly #keys: Pick<Keys, 'sign' | 'verify'>;
  readonly #onTrouble: OnCheckpoints;
  #last: { readonly n: number; readonly hash: string; readonly at: Position | undefined };
  /** Where the last line of ours ends; what stands behind it in that file was never finished, and may be there all the same. */
  #end: { readonly path: string; readonly bytes: number; readonly isDone: boolean } | undefined;
  /** The folder that was read, by its place on a disk: what follows none of those in it would be taken for somebody else's. */
  #folder: string | undefined;
  #inTrouble = false;
  #busy: Promise<void> | undefined;
  /** The newest one there was when the folder was opened, if its signature was ours. */
  readonly found: CheckpointRead | undefined;

  /** A folder that cannot be read is told, not thrown: it is no reason to refuse calls. */
  constructor(dir: string, keys: Pick<Keys, 'sign' | 'verify'>, onTrouble: OnCheckpoints) {
    this.#dir = dir;
    this.#keys = keys;
    this.#onTrouble = onTrouble;
    this.#last = { n: 0, hash: genesis.hash, at: undefined };
    this.found = this.#look();
  }

  /** The head knows of so many: those that are gone are not made again under their numbers. */
  atLeast(count: number): void {
    if (this.#last.n < count) this.#last = { ...this.#last, n: count };
  }

  /** How many were made. */
  get count(): number {
    return this.#last.n;
  }

  /** How far the newest one vouches. */
  get at(): Position | undefined {
    return this.#last.at;
  }

  /** Signs where the journal is on the disk. Never rejects; one at a time, and what comes meanwhile is left to the next. */
  add(at: Position, retired: Link, wallMs: number): Promise<void> {
    this.#busy ??= this.#add(at, retired, wallMs).finally(() => {
      this.#busy = undefined;
    });
    return this.#busy;
  }

  /** Resolves when none is being written. */
  get idle(): Promise<void> {
    return this.#busy ?? Promise.resolve();
  }

  /**
   * Removes those of a journal file that is gone, and what an earlier life was killed before it removed. The oldest first, and no
   * further than the first that stays: so what is left has no gap, which verify would take for somebody's work. The newest one
   * stays wherever it is: the head counts it. Never rejects.
   */
  async retire(file: number): Promise<void> {
    try {
      const upTo = Math.min(file, (this.#last.at?.file ?? 0) - 1);
      const names = (await readdir(this.#dir)).filter((name) => numberOf(name) <= upTo);
      for (const name of names.sort()) await rm(join(this.#dir, name), { force: true });
    } catch (reason) {
      if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') this.#tell(reason);
    }
  }

  async #add(at: Position, retired: Link, wallMs: number): Promise<void> {
    const path = pathOf(this.#dir, at.file);
    try {
      await makeDir(this.#dir);
      // Its disk may have been missing at the start, or not mounted: then those on it are not known yet.
      if (this.#folder === undefined || this.#folder !== placeOf(await stat(this.#dir))) this.#look();
      if (this.#folder === undefined) return;
      const { n, hash: prev } = this.#last;
      const time = new Date(wallMs).toISOString();
      const line = checkpointText({ n: n + 1, time, at, retired, prev }, this.#keys.sign);
      const end = this.#end;
      if (end?.isDone === false && end.path !== path) await cutBack(end.path, end.bytes);
      const from = end?.path === path ? end.bytes : undefined;
      // Known before anything is written: what a try leaves that fails is cut off by the next, also where it is a whole line.
      const bytes = await appendLine(
        this.#dir,
        path,
        line,
        from,
        (begin) => (this.#end = { path, bytes: begin, isDone: false }),
      );
      this.#end = { path, bytes, isDone: true };
      const made = readCheckpoint(line, this.#keys.verify);
      this.#last = { n: n + 1, hash: made?.hash ?? prev, at };
      if (this.#inTrouble) this.#onTrouble(undefined);
      this.#inTrouble = false;
    } catch (reason) {
      this.#tell(reason);
    }
  }

  /** Takes in the newest one that there is, if its signature is ours. */
  #look(): CheckpointRead | undefined {
    let found: CheckpointRead | undefined;
    this.#end = undefined;
    this.#folder = undefined;
    try {
      mkdirIfMissing(this.#dir);
      refuseSharedDir(this.#dir);
      const folder = placeOf(statSync(this.#dir));
      found = this.#newest();
      this.#folder = folder;
    } catch (reason) {
      this.#tell(reason);
    }
    if (found !== undefined)
      this.#last = { n: Math.max(found.n, this.#last.n), hash: found.hash, at: found.at };
    return found;
  }

  #newest(): CheckpointRead | undefined {
    for (const path of checkpointFiles(this.#dir).toReversed()) {
      const last = linesIn(path).at(-1);
      const read = last === undefined ? undefined : readCheckpoint(last, this.#keys.verify);
      if (read?.isSigned() === true) return read;
      if (last === undefined) continue;
      this.#tell(new Error(`${path} ends with something that we did not sign`));
      break;
    }
    return undefined;
  }

  #tell(reason: unknown): void {
    if (this.#inTrouble) return;
    this.#inTrouble = true;
    this.#onTrouble(unavailable(reason, `no checkpoints in ${this.#dir}`));
  }
}

/** The files of checkpoints, oldest first; none where there is no folder. Throws what the disk says. */
export function checkpointFiles(dir: string): readonly string[] {
  try {
    const names = readdirSync(dir).filter((name) => fileName.test(name));
    return names.sort().map((name) => join(dir, name));
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw reason;
  }
}

/** Whole lines; the beginning of one that a crash left unfinished is left out. */
export function linesIn(
  path: string,
  closed: 'to everybody' | 'to anybody' = 'to everybody',
): readonly string[] {
  const bytes =
    closed === 'to everybody'
      ? readOurs(path, { bytesMax, closed })?.toString('latin1')
      : readFileSync(path, 'latin1');
  return (bytes ?? '').split('\n').slice(0, -1);
}

/** What an auditor reads: what is no checkpoint is given as the line that stands there. */
export function readCheckpoints(
  dir: string,
  key: KeyObject,
): readonly { readonly file: string; readonly line: number; readonly read: CheckpointRead | undefined }[] {
  return checkpointFiles(dir).flatMap((file) =>
    linesIn(file, 'to anybody').map((line, at) => ({ file, line: at + 1, read: readCheckpoint(line, key) })),
  );
}

/** Not what is above it: where a disk is not mounted, a folder on another one would be taken for it. */
function mkdirIfMissing(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'EEXIST') throw reason;
  }
}

/** The same without waiting: while calls are made, a disk far away must not hold them up. */
async function makeDir(dir: string): Promise<void> {
  try {
    await mkdir(dir, { mode: 0o700 });
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'EEXIST') throw reason;
  }
}

function placeOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

/** Of which journal file they are; NaN for a name that is not ours. */
function numberOf(name: string): number {
  return Number(fileName.exec(name)?.[1]);
}

function pathOf(dir: string, file: number): string {
  return join(dir, `checkpoints-${String(file).padStart(6, '0')}.jsonl`);
}

/**
 * Whole and on the disk when it resolves with where it ends. What a crash or a disk that failed left of a line is cut off
 * first; `from`: where the last good one ends, and `begins` is told where that is.
 */
async function appendLine(
  dir: string,
  path: string,
  line: string,
  from: number | undefined,
  begins: (end: number) => void,
): Promise<number> {
  const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;
  const file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  const bytes = Buffer.from(`${line}\n`);
  let end: number;
  try {
    const stat = await file.stat();
    const flaw = flawOf(path, stat, 'to everybody');
    if (flaw !== undefined)
      throw new Fault('CONFIG_INVALID', { detail: `${path} ${flaw.what}`, hint: flaw.mend });
    end = from !== undefined && from <= stat.size ? from : await wholeBytes(file, stat.size);
    begins(end);
    if (end < stat.size) await file.truncate(end);
    const { bytesWritten } = await file.write(bytes, 0, bytes.length, end);
    if (bytesWritten < bytes.length) throw new Error('the file takes no more bytes');
    await file.datasync();
  } finally {
    await file.close();
  }
  const folder = await open(dir, constants.O_RDONLY);
  // Some file systems cannot sync a directory. A checkpoint that is lost is only one less.
  await folder.sync().catch(() => undefined);
  await folder.close();
  return end + bytes.length;
}

/** Takes away what a try left that failed: the same number follows in another file. */
async function cutBack(path: string, bytes: number): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (reason) {
    // Whoever made room has taken it along.
    if ((reason as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw reason;
  }
  try {
    if ((await file.stat()).size <= bytes) return;
    await file.truncate(bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Where the last whole line ends. */
async function wholeBytes(file: FileHandle, size: number): Promise<number> {
  const tail = Buffer.alloc(Math.min(size, 4096));
  await file.read(tail, 0, tail.length, size - tail.length);
  const lf = tail.lastIndexOf(0x0a);
  return lf < 0 ? (size > tail.length ? size : 0) : size - tail.length + lf + 1;
}
