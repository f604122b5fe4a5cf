import type { Json } from '../domain/message.ts';
import { Unusable } from './schema-places.ts';

/** Where in the arguments: the innermost name, and what it is in. */
export type Where = { readonly name: string; readonly within: Where | undefined };

/** The first thing that does not fit. */
export type Misfit = { readonly where: Where | undefined; readonly expected: string };

/** Members and items that some schema has spoken about; only kept where a schema asks for what is left over. */
export type Seen = { readonly names: Set<string>; readonly items: Set<number> };

/** One comparison of arguments with a schema. */
export type Run = { stepsLeft: number; depth: number };

/** One keyword of a schema, ready to be asked. */
export type Keyword = (
  value: Json,
  where: Where | undefined,
  run: Run,
  seen: Seen | undefined,
) => Misfit | undefined;

/** A step is about a tenth of a microsecond: a schema looked at, a value compared, a character matched. */
export const stepsMax = 150_000;
const depthMax = 200;

export class TooMuch extends Error {}

export function newRun(): Run {
  return { stepsLeft: stepsMax, depth: 0 };
}

/** Every loop pays here, so that no schema and no arguments keep the daemon busy. */
export function pay(run: Run, steps: number): void {
  run.stepsLeft -= steps;
  if (run.stepsLeft < 0) throw new TooMuch();
}

/**
 * The names of an object's members, paid for one by one: a schema of a few hundred branches that each only look whether
 * there are members at all would otherwise go through a hundred thousand of them a few hundred times.
 */
export function namesIn(value: object, run: Run): readonly string[] {
  const names = Object.keys(value);
  pay(run, 2 * names.length);
  return names;
}

/** All keywords of one schema, in their order; the first that does not fit says so. */
export function checkAll(
  keywords: readonly Keyword[],
  value: Json,
  where: Where | undefined,
  run: Run,
  seen: Seen | undefined,
): Misfit | undefined {
  pay(run, 1 + keywords.length + (seen === undefined ? 0 : 2));
  // A schema that refers to itself without going deeper into the arguments.
  if (++run.depth > depthMax) throw new Unusable('it goes round in a circle, or is nested too deeply');
  for (const keyword of keywords) {
    const misfit = keyword(value, where, run, seen);
    if (misfit !== undefined) {
      run.depth--;
      return misfit;
    }
  }
  run.depth--;
  return undefined;
}

export function newSeen(): Seen {
  return { names: new Set(), items: new Set() };
}

export function merge(into: Seen | undefined, from: Seen | undefined, run: Run): void {
  if (into === undefined || from === undefined) return;
  pay(run, 4 * (from.names.size + from.items.size));
  for (const name of from.names) into.names.add(name);
  for (const item of from.items) into.items.add(item);
}

/** Equal as JSON: numbers by value, objects whatever the order of their members. */
export function same(one: Json, other: Json, run: Run): boolean {
  pay(run, 1);
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one) || Array.isArray(other)) return sameLists(one, other, run);
  const keys = namesIn(one, run);
  if (keys.length !== namesIn(other, run).length) return false;
  const [left, right] = [one, other] as Record<string, Json>[] as [
    Record<string, Json>,
    Record<string, Json>,
  ];
  return keys.every((key) => Object.hasOwn(right, key) && same(left[key] ?? null, right[key] ?? null, run));
}

function sameLists(one: Json, other: Json, run: Run): boolean {
  if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
  return one.every((it, at) => same(it, other[at] ?? null, run));
}

/** One text for values that are `same`, so that many can be compared at the cost of reading each once. */
export function key(value: Json, run: Run): string {
  pay(run, typeof value === 'string' ? 8 + (value.length >> 3) : 8);
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '0' : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((it) => key(it, run)).join()}]`;
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${key(value[name] ?? null, run)}`).join()}}`;
}
