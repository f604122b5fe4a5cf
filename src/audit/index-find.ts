import type { JsonObject } from '../domain/message.ts';
import { Fault } from '../domain/faults.ts';
import { ask, Misfit, unreadableIn } from './index-ask.ts';
import { discardIndex, isDamage, openIndex, type Index, type Progress } from './index-open.ts';
import { readJournal } from './journal-files.ts';
import { isOurs, namesIn } from './query-files.ts';
import type { Filter } from './query-filter.ts';
import { query, queryAll, type Findings } from './query.ts';

export type Watcher = {
  /** The index is being brought up to date. */
  readonly progress: Progress;
  /** The whole journal is read instead, and why. */
  readonly withoutIndex: (why: string) => void;
};

/** How often an index that does not fit is made anew before the journal is read without one. */
const tries = 2;

/** The newest so many records that fit, oldest first. Throws `AUDIT_UNAVAILABLE` where the journal cannot be read. */
export async function findNewest(
  dir: string,
  filter: Filter,
  limit: number,
  watcher: Watcher,
): Promise<Findings> {
  for (let tried = 0; tried < tries; tried++) {
    const index = await indexOf(dir, watcher);
    if (index === undefined) break;
    try {
      return newestIn(index, filter, limit);
    } catch (reason) {
      // The next one is made anew, and what cannot be made anew is done without.
      if (!(await doubt(dir, index, reason, watcher))) break;
    } finally {
      index.close();
    }
  }
  return await query(readJournal(dir), filter, limit);
}

/**
 * Everything that fits, one at a time; in the order of the journal where there is an index, else each when it has ended. Throws
 * `AUDIT_UNAVAILABLE` where the journal was changed where it stands, and then what was given is not all.
 */
export async function* findAll(dir: string, filter: Filter, watcher: Watcher): AsyncGenerator<JsonObject> {
  const index = await indexOf(dir, watcher);
  if (index === undefined) {
    yield* queryAll(readJournal(dir), filter);
    return;
  }
  try {
    yield* ask(index.db, index.reader, filter, 'oldest first');
  } catch (cause) {
    await doubt(dir, index, cause, watcher);
    throw new Fault('AUDIT_UNAVAILABLE', {
      detail: 'the journal was changed where it had been read before, so what was given here is not all',
      hint: 'look at what was changed: mcpd audit verify. Then do this again',
      cause,
    });
  } finally {
    index.close();
  }
}

function newestIn({ db, reader }: Index, filter: Filter, limit: number): Findings {
  const records: JsonObject[] = [];
  if (limit > 0)
    for (const record of ask(db, reader, filter, 'newest first')) if (records.push(record) >= limit) break;
  return { records: records.reverse(), unreadable: unreadableIn(db) };
}

/** Undefined where there can be none, which the watcher was told. */
async function indexOf(dir: string, watcher: Watcher): Promise<Index | undefined> {
  if (namesIn(dir).length === 0) return undefined;
  try {
    if (isOurs(dir)) return await openIndex(dir, watcher.progress);
    watcher.withoutIndex('the journal belongs to another user');
  } catch (reason) {
    watcher.withoutIndex(reasonOf(reason));
  }
  return undefined;
}

/** Sees to it that an index that does not fit is not used again. False where that cannot be done. */
async function doubt(dir: string, index: Index, reason: unknown, watcher: Watcher): Promise<boolean> {
  if (!(reason instanceof Misfit) && !isDamage(reason)) throw reason;
  try {
    await discardIndex(dir, index);
    return true;
  } catch (cause) {
    watcher.withoutIndex(reasonOf(cause));
    return false;
  }
}

function reasonOf(reason: unknown): string {
  if (reason instanceof Fault) return reason.detail ?? reason.says;
  return reason instanceof Error ? reason.message : String(reason);
}
