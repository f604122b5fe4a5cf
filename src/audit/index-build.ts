import type { Database, Row } from '../files/database.ts';
import {
  fileOf,
  LineReader,
  linesFrom,
  placeIn,
  statesOf,
  type FileState,
  type Line,
} from './query-files.ts';
import { without } from './query-filter.ts';
import { alone, idOf, Open, recordOf, roleOf } from './query-join.ts';
import { IndexRows, type Begun } from './index-rows.ts';

/** Of the journal in one transaction: what a command that is stopped has to do again, and what is held in memory. */
const stepBytes = 32 * 1024 * 1024;

export type Building = {
  readonly db: Database;
  readonly dir: string;
  /** Called before each step, in bytes. May throw to give up; what was done before stays. */
  readonly progress: (doneBytes: number, allBytes: number) => void;
};

/**
 * Brings an index up to the end of the journal, in steps. False: the journal is not the one that was indexed, or not as it was,
 * and the index has to be made anew. Throws what the disk or the database says.
 */
export function bringUpToDate({ db, dir, progress }: Building): boolean {
  const states = statesOf(dir);
  const known = new Map(db.all('SELECT * FROM files').map((row) => [Number(row['number']), row] as const));
  const reader = new LineReader(dir);
  try {
    const newest = Math.max(0, ...known.keys());
    if (states.some((it) => isOther(it, known.get(it.number), newest, reader))) return false;
    if (!db.transaction(() => retire(db, [...known.keys()], states))) return false;
    const open = openIn(db, reader);
    if (open === undefined) return false;
    const doneOf = ({ number }: FileState) => Number(known.get(number)?.['done'] ?? 0);
    const allBytes = states.reduce((sum, { bytes }) => sum + bytes, 0);
    let doneBytes = states.reduce((sum, it) => sum + doneOf(it), 0);
    for (const state of states) {
      for (let from = doneOf(state), more = from < state.bytes; more;) {
        progress(doneBytes, allBytes);
        const to = db.transaction(() => step(db, dir, state, from, open, reader));
        doneBytes += to - from;
        // What is left of the file may be no whole line yet.
        more = to > from && to < state.bytes;
        from = to;
      }
    }
    return true;
  } finally {
    reader.close();
  }
}

/** Whether a file cannot be gone on with: it was replaced, cut or edited, or stands where we had already gone past. */
function isOther(now: FileState, known: Row | undefined, newest: number, reader: LineReader): boolean {
  if (known === undefined) return now.number < newest;
  const done = Number(known['done']);
  if (now.inode !== known['inode'] || now.bytes < done) return true;
  const same = now.changed === known['changed'];
  if (same && now.bytes === done) return false;
  // A file that was read to its end and is as long as then was changed where it stands.
  if (now.bytes === done && known['changed'] !== '') return true;
  return reader.tailOf(now.number, done) !== known['tail'];
}

/** Forgets what stood in the oldest files when they are gone. False: what is left may mean something else without them. */
function retire(db: Database, known: readonly number[], states: readonly FileState[]): boolean {
  const there = new Set(states.map(({ number }) => number));
  const gone = known.filter((number) => !there.has(number));
  if (gone.length === 0) return true;
  const oldest = states[0]?.number;
  if (oldest === undefined || gone.some((number) => number > oldest)) return false;
  const cut = placeIn(oldest, 0);
  // The second try of a call is the first one that is left.
  if (db.get('SELECT 1 FROM calls WHERE at < ? AND last >= ?', cut, cut) !== undefined) return false;
  for (const table of ['calls', 'facets', 'resources', 'open'])
    db.run(`DELETE FROM ${table} WHERE at < ?`, cut);
  db.run('DELETE FROM spans WHERE last < ?', cut);
  db.run('DELETE FROM files WHERE number < ?', oldest);
  return true;
}

/** The calls that the index has without an outcome, as the journal has them. Undefined where it does not. */
function openIn(db: Database, reader: LineReader): Open<Begun> | undefined {
  const open = new Open<Begun>();
  const rows = db.each('SELECT open.id, calls.* FROM open JOIN calls USING (at) ORDER BY at');
  for (const row of rows) {
    const place = { at: Number(row['at']), length: Number(row['length']) };
    const lastPlace =
      row['last'] === null ? undefined : { at: Number(row['last']), length: Number(row['last_length']) };
    const [intent, last] = [place, lastPlace].map((it) => it && readRecord(reader, it));
    const id = String(row['id']);
    if (intent === undefined || idOf(intent) !== id || (lastPlace !== undefined && last === undefined))
      return undefined;
    open.put(id, { id, intent: slim(intent), last, outcome: undefined, place, lastPlace, indexed: true });
  }
  return open;
}

function readRecord(reader: LineReader, { at, length }: { at: number; length: number }) {
  const line = reader.isThere(fileOf(at)) ? reader.lineAt(at, length) : undefined;
  return line === undefined ? undefined : recordOf(line);
}

/** Indexes whole lines from an offset on; gives the offset behind them. */
function step(
  db: Database,
  dir: string,
  state: FileState,
  from: number,
  open: Open<Begun>,
  reader: LineReader,
): number {
  const rows = new IndexRows(db);
  const fresh = new Map<string, Begun>();
  const until = Math.min(state.bytes, from + stepBytes);
  let [to, unreadable] = [from, 0];
  for (const line of linesFrom(dir, state.number, from)) {
    const end = line.at - placeIn(state.number, 0) + line.length + 1;
    // What came after we looked at the file belongs to the next time: we could not tell it from an edit.
    if (end > state.bytes) break;
    if (!take(line, rows, open, fresh)) unreadable++;
    to = end;
    if (to >= until) break;
  }
  // Those that are still open are found as such until their outcome comes.
  for (const call of fresh.values()) {
    if (open.get(call.id) !== call) continue;
    rows.call(call, undefined);
    open.put(call.id, { ...call, indexed: true });
  }
  rows.flush();
  db.run(
    `INSERT INTO files VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (number)
     DO UPDATE SET inode = ?2, changed = ?3, done = ?4, tail = ?5, unreadable = unreadable + ?6`,
    state.number,
    state.inode,
    to === state.bytes ? state.changed : '',
    to,
    reader.tailOf(state.number, to),
    unreadable,
  );
  return to;
}

/** Indexes one line, or keeps it until the rest of its call comes. False: it is no record. */
function take(line: Line, rows: IndexRows, open: Open<Begun>, fresh: Map<string, Begun>): boolean {
  const record = recordOf(line.text);
  if (record === undefined) return false;
  const role = roleOf(record);
  if (role === 'whole') {
    rows.alone(alone(record), line);
    return true;
  }
  const id = idOf(record);
  const place = { at: line.at, length: line.length };
  if (role === 'outcome') {
    const call = open.take(id);
    if (call === undefined) return true;
    fresh.delete(id);
    rows.call({ ...call, outcome: record }, place);
    return true;
  }
  const first = open.get(id);
  const call: Begun =
    first === undefined
      ? {
          id,
          intent: slim(record),
          last: undefined,
          outcome: undefined,
          place,
          lastPlace: undefined,
          indexed: false,
        }
      : { ...first, last: slim(record), lastPlace: place };
  fresh.set(id, call);
  const tooMany = open.put(id, call);
  if (tooMany !== undefined) {
    fresh.delete(tooMany.id);
    rows.call(tooMany, undefined);
    rows.forget(tooMany.id);
  }
  return true;
}

/** Payloads are not what anything is found by, and a hundred thousand calls may be open. */
function slim<T extends NonNullable<ReturnType<typeof recordOf>>>(record: T): T {
  return (Object.hasOwn(record, 'params') ? without(record, ['params']) : record) as T;
}
