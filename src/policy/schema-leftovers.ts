import type { JsonObject } from '../domain/message.ts';
import type { Book } from './schema-book.ts';
import { at, isObject } from './schema-places.ts';
import { namesIn, newSeen, pay, type Keyword } from './schema-run.ts';

/** What a schema says about the members and items that no other has spoken about. */
export function* leftovers(schema: JsonObject, book: Book): Iterable<Keyword> {
  const names = at(schema, 'unevaluatedProperties');
  const items = at(schema, 'unevaluatedItems');
  const [ofNames, ofItems] = [book.checkOf(names), book.checkOf(items)];
  if (names !== undefined)
    yield (value, where, run, seen) => {
      if (!isObject(value)) return undefined;
      for (const name of namesIn(value, run)) {
        pay(run, 1);
        if (seen?.names.has(name) === true) continue;
        const misfit = ofNames(value[name] ?? null, { name, within: where }, run, newSeen());
        if (misfit !== undefined) return misfit;
        seen?.names.add(name);
      }
      return undefined;
    };
  if (items !== undefined)
    yield (value, where, run, seen) => {
      if (!Array.isArray(value)) return undefined;
      for (const [index, item] of value.entries()) {
        pay(run, 1);
        if (seen?.items.has(index) === true) continue;
        const misfit = ofItems(item, { name: String(index), within: where }, run, newSeen());
        if (misfit !== undefined) return misfit;
        seen?.items.add(index);
      }
      return undefined;
    };
}
