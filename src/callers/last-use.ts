import { writeFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readJson } from '../domain/read-json.ts';
import { replaceWhole } from '../files/replace.ts';
import { readPrivate } from './key-file.ts';

const fileName = 'keys-used.json';
const keysMax = 10_000;

/** Runs something once, later; gives the way to call it off. */
export type Later = (afterMs: number, run: () => void) => () => void;

export type LastUseParts = {
  /** The state directory. */
  readonly dir: string;
  readonly later: Later;
  /** Told of a file that cannot be written; the use itself goes on. */
  readonly failed: (reason: unknown) => void;
};

/** How often the file is written at most. */
const writeEveryMs = 60_000;

/**
 * When each key was last used. For the owner, who wants to know which keys are idle: no decision rests on it. Kept in memory
 * and written at most once a minute, in a file of its own, so that no call waits and the keys themselves are not rewritten.
 */
export class LastUse {
  readonly #parts: LastUseParts;
  readonly #usedMs = new Map<string, number>();
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: LastUseParts) {
    this.#parts = parts;
    for (const [id, ms] of readUses(parts.dir)) this.#usedMs.set(id, ms);
  }

  /** A key was used, at a wall clock time in milliseconds. */
  note(id: string, nowMs: number): void {
    this.#usedMs.set(id, nowMs);
    this.#cancel ??= this.#parts.later(writeEveryMs, () => {
      this.#cancel = undefined;
      this.#writing = this.#write().catch(this.#parts.failed);
    });
  }

  /** Forgets keys that are not on record any more. */
  keepOnly(ids: { readonly has: (id: string) => boolean }): void {
    for (const id of this.#usedMs.keys()) if (!ids.has(id)) this.#usedMs.delete(id);
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    const unwritten = this.#cancel !== undefined;
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#writing;
    if (!unwritten) return;
    try {
      replaceWhole(join(this.#parts.dir, fileName), this.#text());
    } catch (reason) {
      this.#parts.failed(reason);
    }
  }

  /** Without waiting for the disk: calls are made meanwhile. */
  async #write(): Promise<void> {
    const path = join(this.#parts.dir, fileName);
    const fresh = join(this.#parts.dir, `.${fileName}.new`);
    // A file that a crash left behind; `wx` opens nothing that lies there, link or file.
    await rm(fresh, { force: true });
    await writeFile(fresh, this.#text(), { mode: 0o600, flag: 'wx' });
    await rename(fresh, path);
  }

  #text(): string {
    const used = [...this.#usedMs].map(([id, ms]) => [id, new Date(ms).toISOString()] as const);
    return JSON.stringify({ version: 1, used: Object.fromEntries(used) }, null, 2) + '\n';
  }
}

/** Key id → when it was last used, in milliseconds since 1970. What cannot be read is not known: nothing depends on it. */
export function readUses(dir: string): ReadonlyMap<string, number> {
  try {
    const text = readPrivate(dir, fileName);
    // Whatever it holds, each time is looked at below.
    const read = readJson(text ?? '{}') as { readonly used?: Readonly<Record<string, unknown>> };
    const used = read.used ?? {};
    const known = Object.entries(used)
      .map(([id, time]) => [id, typeof time === 'string' ? Date.parse(time) : Number.NaN] as const)
      .filter(([id, ms]) => /^[0-9A-Za-z]{8}$/.test(id) && Number.isFinite(ms));
    return new Map(known.slice(0, keysMax));
  } catch {
    return new Map();
  }
}
