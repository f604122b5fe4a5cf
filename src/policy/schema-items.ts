import type { JsonObject } from '../domain/message.ts';
import { first, type Book, type Check } from './schema-book.ts';
import { at } from './schema-places.ts';
import { newSeen, pay, type Keyword } from './schema-run.ts';

/** What a schema says about the items of a list. */
export function* ofItems(schema: JsonObject, book: Book): Iterable<Keyword> {
  const items = at(schema, 'items');
  // A list under `items` is how tuples were written up to 2019-09, and many servers still do.
  const tuple = Array.isArray(items) ? items : at(schema, 'prefixItems');
  const rest = Array.isArray(items) ? at(schema, 'additionalItems') : items;
  const heads = Array.isArray(tuple) ? tuple.map((it) => book.checkOf(it)) : [];
  const tail = rest === undefined ? undefined : book.checkOf(rest);
  if (heads.length > 0 || tail !== undefined)
    yield (value, where, run, seen) => {
      if (!Array.isArray(value)) return undefined;
      for (const [index, item] of value.entries()) {
        const check = heads[index] ?? tail;
        if (check === undefined) break;
        pay(run, 1);
        seen?.items.add(index);
        const misfit = first([check], item, { name: String(index), within: where }, run, book);
        if (misfit !== undefined) return misfit;
      }
      return undefined;
    };
  const contains = at(schema, 'contains');
  if (contains !== undefined) yield containsKeyword(schema, book.checkOf(contains), book);
}

function containsKeyword(schema: JsonObject, check: Check, { places, tracks }: Book): Keyword {
  const bound = (name: string, otherwise: number): number => {
    const given = places.legacy ? undefined : at(schema, name);
    return typeof given === 'number' ? given : otherwise;
  };
  const [min, max] = [bound('minContains', 1), bound('maxContains', Number.POSITIVE_INFINITY)];
  return (value, where, run, seen) => {
    if (!Array.isArray(value)) return undefined;
    let count = 0;
    for (const [index, item] of value.entries()) {
      // `true` and `false` are schemas, too, and cost nothing by themselves.
      pay(run, 1);
      if (check(item, where, run, tracks ? newSeen() : undefined) !== undefined) continue;
      count++;
      if (!places.legacy) seen?.items.add(index);
    }
    return count >= min && count <= max ? undefined : { where, expected: 'certain items among its own' };
  };
}
