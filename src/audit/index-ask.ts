import type { Database, Row } from '../files/database.ts';
import type { JsonObject } from '../domain/message.ts';
import { fileOf, type LineReader } from './query-files.ts';
import { fits, type Filter } from './query-filter.ts';
import { alone, idOf, joined, recordOf, roleOf } from './query-join.ts';
import { seqOf, type Place } from './index-rows.ts';
import { resourceRange, wordsFor } from './index-words.ts';

/** The index says that a record stands where another one does: the journal was changed behind it. */
export class Misfit extends Error {}

/** How many places of a word are counted to see which of several words is the rarest. */
const countMax = 4096;

/**
 * What fits, newest or oldest first, one at a time. The index says where to look; what is given was read from the journal just now,
 * and fits. Throws `Misfit`.
 */
export function* ask(
  db: Database,
  reader: LineReader,
  filter: Filter,
  order: 'newest first' | 'oldest first',
): Generator<JsonObject> {
  const question = questionFor(db, filter, order);
  if (question === undefined) return;
  for (const row of db.each(question.sql, ...question.values)) {
    const record = recordAt(row, reader);
    if (record !== undefined && fits(record, filter)) yield record;
  }
}

/** Lines of the journal that are no records. */
export function unreadableIn(db: Database): number {
  return Number(db.get('SELECT sum(unreadable) AS sum FROM files')?.['sum'] ?? 0);
}

type Question = { readonly sql: string; readonly values: readonly (number | string)[] };

/** Undefined: nothing can fit. */
function questionFor(db: Database, filter: Filter, order: string): Question | undefined {
  const values: (number | string)[] = [];
  const value = (it: number | string) => `?${values.push(it)}`;
  const conditions: string[] = [];
  const [rarest, ...others] = rarestFirst(db, wordsFor(filter));
  // Words are looked up in this order and no other: the planner knows nothing of how rare each is.
  const from = rarest === undefined ? 'calls' : 'facets CROSS JOIN calls USING (at)';
  if (rarest !== undefined) conditions.push(`facets.word = ${value(rarest)}`);
  const at = rarest === undefined ? 'calls.at' : 'facets.at';
  for (const word of others)
    conditions.push(`EXISTS (SELECT 1 FROM facets AS it WHERE it.word = ${value(word)} AND it.at = ${at})`);
  if (filter.resource !== undefined) {
    const [first, before] = resourceRange(filter.resource);
    conditions.push(
      `${at} IN (SELECT at FROM resources WHERE text >= ${value(first)} AND text < ${value(before)})`,
    );
  }
  if (filter.sinceMs !== undefined || filter.untilMs !== undefined) {
    const within = stretch(db, filter);
    if (within === undefined) return undefined;
    conditions.push(`${at} BETWEEN ${value(within.first)} AND ${value(within.last)}`);
    if (filter.sinceMs !== undefined) conditions.push(`calls.time >= ${value(filter.sinceMs)}`);
    if (filter.untilMs !== undefined) conditions.push(`calls.time < ${value(filter.untilMs)}`);
  }
  const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
  const way = order === 'newest first' ? 'DESC' : 'ASC';
  return { sql: `SELECT calls.* FROM ${from} ${where} ORDER BY ${at} ${way}`, values };
}

function rarestFirst(db: Database, words: readonly number[]): readonly number[] {
  if (words.length < 2) return words;
  const counted = words.map((word) => {
    const sql = `SELECT count(*) AS count FROM (SELECT 1 FROM facets WHERE word = ? LIMIT ${countMax})`;
    return { word, count: Number(db.get(sql, word)?.['count']) };
  });
  return counted.sort((a, b) => a.count - b.count).map(({ word }) => word);
}

/** Between which places the times of a filter stand; undefined where they stand nowhere. */
function stretch(db: Database, { sinceMs, untilMs }: Filter): { first: number; last: number } | undefined {
  const row = db.get(
    'SELECT min(first) AS first, max(last) AS last FROM spans WHERE latest >= ? AND earliest < ?',
    sinceMs ?? -Number.MAX_VALUE,
    untilMs ?? Number.MAX_VALUE,
  );
  if (row === undefined || row['first'] === null) return undefined;
  return { first: Number(row['first']), last: Number(row['last']) };
}

/** The record or the whole call of a row. Undefined where its file was retired meanwhile. */
function recordAt(row: Row, reader: LineReader): JsonObject | undefined {
  const [place, last, ended] = [
    placeOf(row['at'], row['length']),
    placeOf(row['last'], row['last_length']),
    placeOf(row['ended'], row['ended_length']),
  ];
  if (place === undefined || !reader.isThere(fileOf(place.at))) return undefined;
  const first = recordIn(place, reader);
  if (seqOf(first) !== row['seq']) throw new Misfit('another record stands there');
  if (roleOf(first) === 'whole') return alone(first);
  const same = (it: Place | undefined) => {
    if (it === undefined) return undefined;
    const part = recordIn(it, reader);
    if (idOf(part) !== idOf(first)) throw new Misfit('a part of another call stands there');
    return part;
  };
  return joined({ intent: first, last: same(last), outcome: same(ended) });
}

function recordIn({ at, length }: Place, reader: LineReader): JsonObject {
  const line = reader.lineAt(at, length);
  const record = line === undefined ? undefined : recordOf(line);
  if (record === undefined) throw new Misfit('no record stands there');
  return record;
}

function placeOf(at: Row[string] | undefined, length: Row[string] | undefined): Place | undefined {
  return typeof at === 'number' && typeof length === 'number' ? { at, length } : undefined;
}
