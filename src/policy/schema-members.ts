import type { JsonObject } from '../domain/message.ts';
import { first, inPlace, rowsOf, type Book, type Check } from './schema-book.ts';
import { texts } from './schema-keywords.ts';
import { schemaPattern, type SchemaPattern } from './schema-pattern.ts';
import { at, isObject } from './schema-places.ts';
import { namesIn, newSeen, pay, type Keyword, type Run } from './schema-run.ts';

/** What a schema says about the members of an object. */
export function* ofMembers(schema: JsonObject, book: Book): Iterable<Keyword> {
  const table: Members = {
    named: new Map(rowsOf(at(schema, 'properties')).map(([name, it]) => [name, book.checkOf(it)])),
    patterned: rowsOf(at(schema, 'patternProperties')).map(([pattern, it]) => ({
      occurs: schemaPattern(pattern),
      check: book.checkOf(it),
    })),
    rest:
      at(schema, 'additionalProperties') === undefined
        ? undefined
        : book.checkOf(at(schema, 'additionalProperties')),
  };
  if (table.named.size > 0 || table.patterned.length > 0 || table.rest !== undefined)
    yield (value, where, run, seen) => {
      if (!isObject(value)) return undefined;
      for (const name of namesIn(value, run)) {
        const inner = value[name] ?? null;
        pay(run, seen === undefined ? 2 : 4);
        const checks = checksFor(name, table, run);
        if (checks === undefined || checks.length > 0) seen?.names.add(name);
        const misfit = first(checks ?? [], inner, { name, within: where }, run, book);
        if (misfit !== undefined) return misfit;
      }
      return undefined;
    };
  const names = at(schema, 'propertyNames');
  if (names !== undefined) yield namesKeyword(book.checkOf(names));
  yield* dependents(schema, book);
}

type Members = {
  readonly named: ReadonlyMap<string, Check>;
  readonly patterned: readonly { readonly occurs: SchemaPattern; readonly check: Check }[];
  readonly rest: Check | undefined;
};

/** What is said about one member; undefined where a pattern that cannot be read may have something to say, and nothing else does. */
function checksFor(
  name: string,
  { named, patterned, rest }: Members,
  run: Run,
): readonly Check[] | undefined {
  const own = named.get(name);
  const checks = own === undefined ? [] : [own];
  let unread = false;
  for (const { occurs, check } of patterned) {
    const fits = occurs(name, run);
    if (fits === true) checks.push(check);
    unread ||= fits === undefined;
  }
  if (checks.length > 0) return checks;
  if (unread) return undefined;
  return rest === undefined ? [] : [rest];
}

function namesKeyword(check: Check): Keyword {
  return (value, where, run) => {
    if (!isObject(value)) return undefined;
    for (const name of namesIn(value, run)) {
      pay(run, 1);
      const misfit = check(name, undefined, run, newSeen());
      if (misfit !== undefined)
        return { where: { name, within: where }, expected: `a name that is ${misfit.expected}` };
    }
    return undefined;
  };
}

function* dependents(schema: JsonObject, book: Book): Iterable<Keyword> {
  for (const keyword of ['dependentSchemas', 'dependencies']) {
    for (const [name, given] of rowsOf(at(schema, keyword))) {
      const needed = { required: [...texts(given)] };
      const check = inPlace(book.checkOf(Array.isArray(given) ? needed : given), book);
      yield (value, where, run, seen) =>
        isObject(value) && Object.hasOwn(value, name) ? check(value, where, run, seen) : undefined;
    }
  }
}
