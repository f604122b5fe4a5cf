import type { JsonObject } from '../domain/message.ts';
import { fits, type Filter } from './query-filter.ts';
import { alone, idOf, joined, Open, recordOf, roleOf, type Parts } from './query-join.ts';

/**
 * What a query gives, oldest first. A call is one record with kind `call`: the members of its intent and of its outcome
 * together. Upcalls, commands and what the journal says of itself stay as they were written.
 */
export type Findings = {
  readonly records: readonly JsonObject[];
  /** Lines that are not records of ours. */
  readonly unreadable: number;
};

type Lines = AsyncIterable<string> | Iterable<string>;
/** A record, and which line of the journal it begins with. */
type Placed = { readonly record: JsonObject; readonly place: number };

/**
 * Reads lines, oldest first, as `readJournal` gives them, all of them: what the index must agree with, and what answers where
 * there can be none. Gives the newest so many.
 */
export async function query(lines: Lines, filter: Filter, limit: number): Promise<Findings> {
  const newest = new Newest(limit);
  const counts = { unreadable: 0 };
  for await (const found of scan(lines, counts)) if (fits(found.record, filter)) newest.add(found);
  return { records: newest.inOrder(), unreadable: counts.unreadable };
}

/** The same without an end and without order: a call comes when it has ended, and those that have not come last. */
export async function* queryAll(lines: Lines, filter: Filter): AsyncGenerator<JsonObject> {
  for await (const { record } of scan(lines, { unreadable: 0 })) if (fits(record, filter)) yield record;
}

async function* scan(lines: Lines, counts: { unreadable: number }): AsyncGenerator<Placed> {
  const open = new Open<Parts & { readonly place: number }>();
  let place = 0;
  for await (const line of lines) {
    place++;
    const record = recordOf(line);
    if (record === undefined) {
      counts.unreadable++;
      continue;
    }
    const role = roleOf(record);
    const id = idOf(record);
    if (role === 'whole') yield { record: alone(record), place };
    else if (role === 'intent') {
      // A call that is made again has an intent for each try: it is the first one, with the number of the last.
      const first = open.get(id);
      const begun = first ?? { intent: record, last: undefined, outcome: undefined, place };
      const tooMany = open.put(id, first === undefined ? begun : { ...begun, last: record });
      if (tooMany !== undefined) yield { record: joined(tooMany), place: tooMany.place };
    } else {
      const call = open.take(id);
      if (call !== undefined) yield { record: joined({ ...call, outcome: record }), place: call.place };
    }
  }
  for (let call = open.takeOldest(); call !== undefined; call = open.takeOldest())
    yield { record: joined(call), place: call.place };
}

/** `--since` of a command line: `2h`, `7d`, `30min`, `90s`, or a date → milliseconds since 1970. Throws a `USAGE` error. */
export function parseSince(text: string, nowMs: number): number {
  const span = /^(\d{1,6})(s|min|m|h|d|w)$/.exec(text);
  if (span !== null) return nowMs - Number(span[1]) * (unitMs.get(span[2] ?? '') ?? 0);
  const date = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(date)) return date;
  throw Object.assign(new Error('no time that --since and --until understand'), {
    code: 'USAGE',
    hint: 'Write a span such as 90s, 30min, 2h, 7d, or a date such as 2026-01-31 or 2026-01-31T12:00:00Z.',
  });
}

const unitMs: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
]);

/** Keeps the newest so many, by their place in the journal. */
class Newest {
  readonly #limit: number;
  #found: Placed[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(found: Placed): void {
    this.#found.push(found);
    if (this.#found.length >= 2 * this.#limit + 1000) this.#trim();
  }

  inOrder(): JsonObject[] {
    this.#trim();
    return this.#found.map(({ record }) => record);
  }

  #trim(): void {
    this.#found.sort((a, b) => a.place - b.place);
    this.#found = this.#limit <= 0 ? [] : this.#found.slice(-this.#limit);
  }
}
