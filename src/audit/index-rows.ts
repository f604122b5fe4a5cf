import type { JsonObject } from '../domain/message.ts';
import type { Database, Value } from '../files/database.ts';
import { timeOf } from './query-filter.ts';
import type { Parts } from './query-join.ts';
import { resourceWords, wordsOf } from './index-words.ts';
import type { Line } from './query-files.ts';

/** Where a line stands. */
export type Place = Pick<Line, 'at' | 'length'>;

/** A call that went out, while its outcome has not come. */
export type Begun = Parts & {
  readonly id: string;
  readonly place: Place;
  /** Of the intent of its last try. */
  readonly lastPlace: Place | undefined;
  /** Whether the index has it already, as one without an outcome. */
  readonly indexed: boolean;
};

/** How many words go with one statement: a call of SQLite costs more than what it writes. */
const batchWords = 128;
const insertBatch = `INSERT OR IGNORE INTO facets VALUES ${'(?,?),'.repeat(batchWords - 1)}(?,?)`;
/** How many words are put in order before they are written. */
const heldWords = 2 ** 19;

/** Puts rows into the index, within a transaction. `flush` comes last. */
export class IndexRows {
  readonly #db: Database;
  readonly #words = new Float64Array(heldWords);
  readonly #places = new Float64Array(heldWords);
  #held = 0;
  #first = Infinity;
  #last = -Infinity;
  #earliest = Infinity;
  #latest = -Infinity;

  constructor(db: Database) {
    this.#db = db;
  }

  /** A record that is no part of anything else. */
  alone(record: JsonObject, place: Place): void {
    this.#insert(record, place, undefined, undefined);
  }

  /** A call that has ended, or that has not yet: then there is no `ended`. */
  call(call: Begun, ended: Place | undefined): void {
    const record = asFound(call);
    if (!call.indexed) {
      this.#insert(record, call.place, call.lastPlace, ended);
      if (ended === undefined)
        this.#db.run('INSERT OR REPLACE INTO open VALUES (?, ?)', call.id, call.place.at);
      return;
    }
    // The words of before stay. What they find is read again, and no longer fits.
    this.#find(record, call.place.at);
    this.#db.run(
      'UPDATE calls SET last = ?, last_length = ?, ended = ?, ended_length = ? WHERE at = ?',
      call.lastPlace?.at ?? null,
      call.lastPlace?.length ?? null,
      ended?.at ?? null,
      ended?.length ?? null,
      call.place.at,
    );
    if (ended !== undefined) this.forget(call.id);
  }

  /** No outcome is waited for any longer. */
  forget(id: string): void {
    this.#db.run('DELETE FROM open WHERE id = ?', id);
  }

  flush(): void {
    this.#writeWords();
    if (this.#last < 0) return;
    const timed = this.#latest >= this.#earliest;
    this.#db.run(
      'INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?)',
      this.#first,
      this.#last,
      timed ? this.#earliest : null,
      timed ? this.#latest : null,
    );
  }

  /** In order: what is next to each other in the index is written together, and that halves the time. */
  #writeWords(): void {
    let batch: Value[] = [];
    for (const word of this.#words.subarray(0, this.#held).sort()) {
      const held = word % heldWords;
      batch.push((word - held) / heldWords - 2 ** 31, this.#places[held] ?? 0);
      if (batch.length < 2 * batchWords) continue;
      this.#db.run(insertBatch, ...batch);
      batch = [];
    }
    for (let at = 0; at < batch.length; at += 2)
      this.#db.run('INSERT OR IGNORE INTO facets VALUES (?, ?)', batch[at] ?? null, batch[at + 1] ?? null);
    this.#held = 0;
  }

  #insert(record: JsonObject, place: Place, last: Place | undefined, ended: Place | undefined): void {
    const time = timeOf(record);
    this.#db.run(
      'INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
      place.at,
      place.length,
      seqOf(record),
      Number.isNaN(time) ? null : time,
      last?.at ?? null,
      last?.length ?? null,
      ended?.at ?? null,
      ended?.length ?? null,
    );
    this.#first = Math.min(this.#first, place.at);
    this.#last = Math.max(this.#last, place.at);
    if (time < this.#earliest) this.#earliest = time;
    if (time > this.#latest) this.#latest = time;
    this.#find(record, place.at);
  }

  #find(record: JsonObject, at: number): void {
    for (const word of wordsOf(record)) {
      // Which of them it was goes along behind the word itself: one number sorts ten times faster than a pair.
      this.#words[this.#held] = (word + 2 ** 31) * heldWords + this.#held;
      this.#places[this.#held++] = at;
      if (this.#held === heldWords) this.#writeWords();
    }
    for (const text of resourceWords(record))
      this.#db.run('INSERT OR IGNORE INTO resources VALUES (?, ?)', text, at);
  }
}

/** The whole call, as far as it is found by what it says: like `joined`, which is slower. */
function asFound({ intent, outcome }: Parts): JsonObject {
  if (outcome === undefined) return { ...intent, kind: 'call', outcome: 'unknown' };
  return { ...intent, ...outcome, kind: 'call', seq: intent['seq'] ?? null, time: intent['time'] ?? null };
}

/** The number of a record as the index keeps it; nothing where it is none that SQLite and we mean the same by. */
export function seqOf(record: JsonObject): number | null {
  const seq = record['seq'];
  return Number.isSafeInteger(seq) ? (seq as number) : null;
}
