import type { JsonObject } from '../domain/message.ts';
import { readJson } from '../domain/read-json.ts';
import { objectAt, textOf, without } from './query-filter.ts';

/** Intents that wait for their outcome while we read. More than any daemon has in flight. */
export const openMax = 100_000;

/** What a call has on record: its first intent, that of its last try where there were several, and how it ended. */
export type Parts = {
  readonly intent: JsonObject;
  readonly last: JsonObject | undefined;
  readonly outcome: JsonObject | undefined;
};

/** One line as a record; undefined for what is none. */
export function recordOf(line: string): JsonObject | undefined {
  try {
    const record = readJson(line);
    return typeof record === 'object' && record !== null && !Array.isArray(record) ? record : undefined;
  } catch {
    // Somebody edited the file, or the disk did. It is counted, and the rest is still worth reading.
    return undefined;
  }
}

/** What a record is to its call. `whole`: nothing else belongs to it. */
export function roleOf(record: JsonObject): 'intent' | 'outcome' | 'whole' {
  if (record['kind'] === 'decision') return 'intent';
  return record['kind'] === 'outcome' && record['committed'] === true ? 'outcome' : 'whole';
}

/** What intents and outcomes find each other by. */
export function idOf(record: JsonObject): string {
  return textOf(record['id']);
}

/** A record that stands for itself: a call that never went out, or something else than a call. */
export function alone(record: JsonObject): JsonObject {
  return record['kind'] === 'outcome' ? { ...record, kind: 'call' } : record;
}

/** The members of the intent and of the outcome together, as one record with kind `call`. */
export function joined({ intent, last, outcome }: Parts): JsonObject {
  const begun = { ...without(intent, ['phase']), kind: 'call' };
  const tried = last === undefined ? begun : { ...begun, attempt: last['attempt'] ?? null };
  if (outcome === undefined) return { ...tried, outcome: 'unknown' };
  const ending = without(outcome, ['seq', 'prev', 'time', 'committed']);
  const places = { outcomeSeq: outcome['seq'] ?? null, endedAt: outcome['time'] ?? null };
  const found = { ...objectAt(intent, 'found'), ...objectAt(outcome, 'found') };
  const whole = { ...tried, ...ending, kind: 'call', ...places };
  return Object.keys(found).length === 0 ? whole : { ...whole, found };
}

/** The calls that went out and have not ended yet, oldest first, and not more of them than `openMax`. */
export class Open<T> {
  readonly #byId = new Map<string, T>();

  get(id: string): T | undefined {
    return this.#byId.get(id);
  }

  /** Gives the oldest where there are too many: nobody waits for its outcome any longer. */
  put(id: string, call: T): T | undefined {
    this.#byId.set(id, call);
    return this.#byId.size > openMax ? this.takeOldest() : undefined;
  }

  take(id: string): T | undefined {
    const call = this.#byId.get(id);
    this.#byId.delete(id);
    return call;
  }

  takeOldest(): T | undefined {
    for (const id of this.#byId.keys()) return this.take(id);
    return undefined;
  }
}
