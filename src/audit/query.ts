import type { Json, JsonObject } from '../domain/message.ts';

/** Which records are wanted. Every member that is there must fit. */
export type Filter = {
  /** `TOOL`, or `SERVER/TOOL`. */
  readonly tool?: string | undefined;
  readonly caller?: string | undefined;
  readonly correlation?: string | undefined;
  /** An outcome (`refused`), an error (`rate-limited`, `UPSTREAM_TIMEOUT`), or `unknown`: it went out and nothing came back. */
  readonly outcome?: string | undefined;
  readonly server?: string | undefined;
  /** Only what would have gone another way if everything were enforced. */
  readonly would?: boolean | undefined;
  /** Wall clock, milliseconds since 1970. */
  readonly sinceMs?: number | undefined;
  /** The newest so many. */
  readonly limit: number;
};

/**
 * What a query gives, oldest first. A call is one record with kind `call`: the members of its intent and of its outcome
 * together. Upcalls, commands and what the journal says of itself stay as they were written.
 */
export type Findings = {
  readonly records: readonly JsonObject[];
  /** Lines that are not records of ours. */
  readonly unreadable: number;
};

/** Intents that wait for their outcome while we read. More than any daemon has in flight. */
const openMax = 100_000;

/** Reads lines, oldest first, as `readJournal` gives them. */
export async function query(
  lines: AsyncIterable<string> | Iterable<string>,
  filter: Filter,
): Promise<Findings> {
  const open = new Map<string, JsonObject>();
  const newest = new Newest(filter.limit);
  let unreadable = 0;
  for await (const line of lines) {
    // A cheap look first: most lines of a long journal belong to other calls.
    if (filter.correlation !== undefined && !line.includes(filter.correlation)) continue;
    const record = recordOf(line);
    if (record === undefined) {
      unreadable++;
      continue;
    }
    if (record['kind'] === 'decision') {
      if (!fitsSoFar(record, filter)) continue;
      putOpen(open, record);
      if (open.size > openMax) giveUpOldest(open, newest, filter);
    } else if (record['kind'] === 'outcome') {
      const call = callOf(record, open);
      if (call !== undefined && fits(call, filter)) newest.add(call);
    } else if (fits(record, filter)) newest.add(record);
  }
  while (open.size > 0) giveUpOldest(open, newest, filter);
  return { records: newest.inOrder(), unreadable };
}

/** `--since` of a command line: `2h`, `7d`, `30min`, `90s`, or a date → milliseconds since 1970. Throws a `USAGE` error. */
export function parseSince(text: string, nowMs: number): number {
  const span = /^(\d{1,6})(s|min|m|h|d|w)$/.exec(text);
  if (span !== null) return nowMs - Number(span[1]) * (unitMs.get(span[2] ?? '') ?? 0);
  const date = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(date)) return date;
  throw Object.assign(new Error('no time that --since understands'), {
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

function recordOf(line: string): JsonObject | undefined {
  try {
    const record = JSON.parse(line) as Json;
    return typeof record === 'object' && record !== null && !Array.isArray(record) ? record : undefined;
  } catch {
    // Somebody edited the file, or the disk did. It is counted, and the rest is still worth reading.
    return undefined;
  }
}

/** A call that is made again has an intent for each try: it is the first one, with the number of the last. */
function putOpen(open: Map<string, JsonObject>, intent: JsonObject): void {
  const id = textOf(intent['id']);
  const first = open.get(id);
  open.set(id, first === undefined ? intent : { ...first, attempt: intent['attempt'] ?? null });
}

/** The whole call; undefined for an outcome whose intent did not fit the filter. */
function callOf(outcome: JsonObject, open: Map<string, JsonObject>): JsonObject | undefined {
  if (outcome['committed'] !== true) return { ...outcome, kind: 'call' };
  const id = textOf(outcome['id']);
  const intent = open.get(id);
  if (intent === undefined) return undefined;
  open.delete(id);
  const ending = without(outcome, ['seq', 'time', 'committed']);
  const places = { outcomeSeq: outcome['seq'] ?? null, endedAt: outcome['time'] ?? null };
  const found = { ...objectAt(intent, 'found'), ...objectAt(outcome, 'found') };
  const joined = { ...without(intent, ['phase']), ...ending, kind: 'call', ...places };
  return Object.keys(found).length === 0 ? joined : { ...joined, found };
}

export function without(record: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}

function giveUpOldest(open: Map<string, JsonObject>, newest: Newest, filter: Filter): void {
  for (const [id, intent] of open) {
    open.delete(id);
    const call = { ...without(intent, ['phase']), kind: 'call', outcome: 'unknown' };
    if (fits(call, filter)) newest.add(call);
    return;
  }
}

function fits(record: JsonObject, filter: Filter): boolean {
  if (!fitsSoFar(record, filter)) return false;
  return (
    filter.outcome === undefined || record['outcome'] === filter.outcome || record['error'] === filter.outcome
  );
}

/** Whether enforcing what is only observed would have given another verdict, or a limit would have refused. */
function differs(record: JsonObject): boolean {
  const decision = objectAt(record, 'decision');
  const { kind, limit } = objectAt(decision, 'would');
  return limit !== undefined || (kind !== undefined && kind !== decision['kind']);
}

/** Everything but the outcome, which an intent does not know yet. */
function fitsSoFar(record: JsonObject, filter: Filter): boolean {
  if (filter.correlation !== undefined && !belongsTo(filter.correlation, textOf(record['id']))) return false;
  if (filter.caller !== undefined && record['caller'] !== filter.caller) return false;
  if (filter.server !== undefined && record['server'] !== filter.server) return false;
  if (filter.tool !== undefined && !isTool(record, filter.tool)) return false;
  if (filter.would === true && !differs(record)) return false;
  return filter.sinceMs === undefined || Date.parse(textOf(record['time'])) >= filter.sinceMs;
}

/** A message to all servers at once has a part for each, whose ids begin with its own: `ID/fs`. */
function belongsTo(correlation: string, id: string): boolean {
  return id === correlation || id.startsWith(`${correlation}/`);
}

function isTool(record: JsonObject, wanted: string): boolean {
  const target = objectAt(record, 'target');
  if (target['kind'] !== 'tool') return false;
  const name = textOf(target['name']);
  return name === wanted || `${textOf(record['server'])}/${name}` === wanted;
}

export function objectAt(record: JsonObject, key: string): JsonObject {
  const value = record[key];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

export function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** Keeps the newest so many, by their place in the journal. */
class Newest {
  readonly #limit: number;
  #records: JsonObject[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(record: JsonObject): void {
    this.#records.push(record);
    if (this.#records.length >= 2 * this.#limit + 1000) this.#records = this.inOrder();
  }

  inOrder(): JsonObject[] {
    const sorted = this.#records.sort((a, b) => Number(a['seq']) - Number(b['seq']));
    return this.#limit <= 0 ? [] : sorted.slice(-this.#limit);
  }
}
