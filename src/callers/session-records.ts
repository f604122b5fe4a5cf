import { Fault } from '../domain/faults.ts';
import type { Database, Row } from '../files/database.ts';

/**
 * Where records of sessions are kept. `mark` is the digest of a session's id: whoever reads the file must not be able to go
 * on with the session. Nothing here throws: a session that cannot be kept ends with mcpd.
 */
export type SessionRecords = {
  /** Soon, and together with others: the start of a session waits for no disk. */
  readonly put: (mark: string, record: string, usedAt: number) => void;
  /** Soon. Does nothing for what is not kept. */
  readonly touch: (mark: string, usedAt: number) => void;
  /** At once: what ended must not come back, however mcpd ends. */
  readonly remove: (marks: readonly string[]) => void;
  readonly find: (mark: string) => KeptRecord | undefined;
  /** Forgets what was used last before this time. */
  readonly sweep: (before: number) => void;
  /** Writes down what waits for it. */
  readonly flush: () => void;
  readonly close: () => void;
};

/** `usedAt`: wall clock, milliseconds since 1970. */
export type KeptRecord = { readonly record: string; readonly usedAt: number };

/** What makes the table. */
export const sessionsStep =
  'CREATE TABLE sessions (id_hash TEXT PRIMARY KEY, used_at INTEGER NOT NULL, record TEXT NOT NULL) STRICT, WITHOUT ROWID';

export type SessionTableParts = {
  readonly database: Database;
  /** Records kept from earlier runs; those of this run are as many as there are sessions. */
  readonly bounds: { readonly sessionsMax: number; readonly perCallerMax: number };
  /** Told when the file cannot be written, once, and with undefined when it can be again. */
  readonly trouble: (fault: Fault | undefined) => void;
};

const soonMs = 20;
/** After the file could not be written. */
const laterMs = 5_000;
/** What waits to be written; beyond it, it is written at once, or not at all where it cannot be. */
const waitingCharsMax = 4 * 1024 * 1024;
const waitingMax = 20_000;

type Change = { readonly record: string | undefined; readonly usedAt: number };

/** Records of sessions in a table of a database of ours. */
export class SessionTable implements SessionRecords {
  readonly #parts: SessionTableParts;
  readonly #waiting = new Map<string, Change>();
  #waitingChars = 0;
  /** Ended, and still in the file because it could not be written. */
  readonly #gone = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isTroubled = false;
  #closed = false;

  /** What an earlier run left is cut to what may be open at once, for each caller and in all: the newest stay. */
  constructor(parts: SessionTableParts) {
    this.#parts = parts;
    const { sessionsMax, perCallerMax } = parts.bounds;
    this.#try(({ run }) => run(cutForEach, perCallerMax) + run(cutInAll, sessionsMax));
  }

  put = (mark: string, record: string, usedAt: number): void => this.#wait(mark, { record, usedAt });

  touch = (mark: string, usedAt: number): void =>
    this.#wait(mark, { record: this.#waiting.get(mark)?.record, usedAt });

  remove = (marks: readonly string[]): void => {
    for (const mark of marks) {
      this.#drop(mark);
      this.#gone.add(mark);
    }
    this.flush();
    // The file takes nothing: what never came into it needs no line there, and must not fill the memory in the meantime.
    if (this.#gone.size > 0) for (const mark of marks) if (this.#isNotThere(mark)) this.#gone.delete(mark);
  };

  find = (mark: string): KeptRecord | undefined => {
    if (this.#gone.has(mark)) return undefined;
    const waiting = this.#waiting.get(mark);
    if (waiting?.record !== undefined) return { record: waiting.record, usedAt: waiting.usedAt };
    const row = this.#look(mark);
    const [record, usedAt] = [row?.['record'], waiting?.usedAt ?? row?.['used_at']];
    return typeof record === 'string' && typeof usedAt === 'number' ? { record, usedAt } : undefined;
  };

  sweep = (before: number): void => {
    this.flush();
    this.#try(({ run }) => run('DELETE FROM sessions WHERE used_at < ?', before));
  };

  flush = (): void => {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.size + this.#gone.size === 0) return;
    const written = this.#try(({ run, transaction }) => {
      transaction(() => {
        for (const mark of this.#gone) run('DELETE FROM sessions WHERE id_hash = ?', mark);
        for (const [mark, change] of this.#waiting) writeChange(run, mark, change);
      });
      return true;
    });
    if (written !== true) return this.#again(laterMs);
    this.#gone.clear();
    this.#waiting.clear();
    this.#waitingChars = 0;
  };

  close = (): void => {
    this.flush();
    this.#closed = true;
    clearTimeout(this.#timer);
  };

  #wait(mark: string, change: Change): void {
    if (this.#gone.has(mark) || this.#closed) return;
    this.#drop(mark);
    if (this.#isFull) this.flush();
    // The file has taken nothing for long. What is not kept is not resumed.
    if (this.#isFull) return;
    this.#waiting.set(mark, change);
    this.#waitingChars += change.record?.length ?? 0;
    this.#again(soonMs);
  }

  #drop(mark: string): void {
    this.#waitingChars -= this.#waiting.get(mark)?.record?.length ?? 0;
    this.#waiting.delete(mark);
  }

  get #isFull(): boolean {
    return this.#waiting.size >= waitingMax || this.#waitingChars >= waitingCharsMax;
  }

  #again(inMs: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(this.flush, this.#isTroubled ? laterMs : inMs);
    this.#timer.unref();
  }

  #isNotThere(mark: string): boolean {
    try {
      return this.#parts.database.get('SELECT 1 FROM sessions WHERE id_hash = ?', mark) === undefined;
    } catch {
      return false;
    }
  }

  /** A file that can be read is not yet one that can be written: only `#try` says that a trouble is over. */
  #look(mark: string): Row | undefined {
    try {
      return this.#parts.database.get('SELECT used_at, record FROM sessions WHERE id_hash = ?', mark);
    } catch (reason) {
      this.#failed(reason);
      return undefined;
    }
  }

  #failed(reason: unknown): void {
    if (!this.#isTroubled) this.#parts.trouble(Fault.from(reason));
    this.#isTroubled = true;
  }

  /** Writes. Undefined also where the file cannot be used. */
  #try<T>(work: (file: Hands) => T): T | undefined {
    const { database, trouble } = this.#parts;
    try {
      const result = work({
        run: (...about) => database.run(...about),
        transaction: (all) => database.transaction(all),
      });
      if (this.#isTroubled) trouble(undefined);
      this.#isTroubled = false;
      return result;
    } catch (reason) {
      this.#failed(reason);
      return undefined;
    }
  }
}

type Hands = Pick<Database, 'run'> & { readonly transaction: (work: () => void) => void };

function writeChange(run: Hands['run'], mark: string, { record, usedAt }: Change): void {
  if (record === undefined) run('UPDATE sessions SET used_at = ? WHERE id_hash = ?', usedAt, mark);
  else
    run('INSERT OR REPLACE INTO sessions (id_hash, used_at, record) VALUES (?, ?, ?)', mark, usedAt, record);
}

/** Of each caller the newest. A record that is no JSON is nobody's, and goes. */
const cutForEach = `DELETE FROM sessions WHERE id_hash IN (
  SELECT id_hash FROM (
    SELECT id_hash, caller, row_number() OVER (PARTITION BY caller ORDER BY used_at DESC) AS nth
    FROM (
      SELECT id_hash, used_at, CASE WHEN json_valid(record) THEN record ->> '$.caller' END AS caller FROM sessions
    )
  ) WHERE caller IS NULL OR nth > ?
)`;
const cutInAll =
  'DELETE FROM sessions WHERE id_hash IN (SELECT id_hash FROM sessions ORDER BY used_at DESC LIMIT -1 OFFSET ?)';
