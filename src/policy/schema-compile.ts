import type { Json, JsonObject } from '../domain/message.ts';
import { inPlace, type Book, type Check } from './schema-book.ts';
import { ofItems } from './schema-items.ts';
import { plainKeywords } from './schema-keywords.ts';
import { leftovers } from './schema-leftovers.ts';
import { ofMembers } from './schema-members.ts';
import { at, isObject, placesOf, resolve } from './schema-places.ts';
import { checkAll, newSeen, pay, type Keyword, type Misfit, type Run, type Where } from './schema-run.ts';

/** A schema, ready to be held against arguments. Throws `Unusable`. */
export function compileSchema(schema: Json): Check {
  const places = placesOf(schema);
  const tracks = JSON.stringify(schema).includes('"unevaluated');
  const book: Book = {
    places,
    ready: new WeakMap(),
    tracks,
    checkOf: (it) => checkOf(it, book),
  };
  return book.checkOf(schema);
}

function checkOf(schema: Json | undefined, book: Book): Check {
  if (schema === false) return (_value, where) => ({ where, expected: 'not to be given' });
  // What is no schema says nothing.
  if (!isObject(schema)) return () => undefined;
  return (value, where, run, seen) => checkAll(keywordsOf(schema, book, run), value, where, run, seen);
}

function keywordsOf(schema: JsonObject, book: Book, run: Run): readonly Keyword[] {
  const known = book.ready.get(schema);
  if (known !== undefined) return known;
  pay(run, readingSteps);
  const fresh = [...makeKeywords(schema, book)];
  book.ready.set(schema, fresh);
  return fresh;
}

/** To make a schema ready, its own keywords only; what it holds is made ready when it is asked. */
const readingSteps = 30;

function* makeKeywords(schema: JsonObject, book: Book): Iterable<Keyword> {
  for (const name of ['$ref', '$dynamicRef', '$recursiveRef']) {
    const ref = at(schema, name);
    if (typeof ref === 'string') yield refKeyword(ref, schema, book);
  }
  if (book.places.legacy && typeof at(schema, '$ref') === 'string') return;
  for (const [name, make] of plainKeywords) {
    const given = at(schema, name);
    const check = given === undefined ? undefined : make(given);
    if (check !== undefined) yield check;
  }
  yield* branches(schema, book);
  yield* ofMembers(schema, book);
  yield* ofItems(schema, book);
  // Last, when everything else has said what it speaks about.
  yield* leftovers(schema, book);
}

function refKeyword(ref: string, schema: JsonObject, book: Book): Keyword {
  let target: Check | undefined;
  return inPlace((value, where, run, seen) => {
    // Not before it is asked: only then is it known that the reference matters.
    target ??= book.checkOf(resolve(book.places, ref, schema));
    return target(value, where, run, seen);
  }, book);
}

function* branches(schema: JsonObject, book: Book): Iterable<Keyword> {
  const list = (name: string): Keyword[] | undefined => {
    const given = at(schema, name);
    return Array.isArray(given) ? given.map((it) => inPlace(book.checkOf(it), book)) : undefined;
  };
  yield* list('allOf') ?? [];
  const anyOf = list('anyOf');
  if (anyOf !== undefined) yield atLeast(anyOf, anyOf.length, book);
  const oneOf = list('oneOf');
  if (oneOf !== undefined) yield atLeast(oneOf, 1, book);
  const not = at(schema, 'not');
  if (not !== undefined) {
    const check = book.checkOf(not);
    const expected = 'not what the schema rules out';
    yield (value, where, run) =>
      check(value, where, run, book.tracks ? newSeen() : undefined) === undefined
        ? { where, expected }
        : undefined;
  }
  const condition = at(schema, 'if');
  if (condition === undefined) return;
  const [test, then, otherwise] = [condition, at(schema, 'then'), at(schema, 'else')].map((it) =>
    inPlace(book.checkOf(it), book),
  ) as [Keyword, Keyword, Keyword];
  yield (value, where, run, seen) =>
    test(value, where, run, seen) === undefined
      ? then(value, where, run, seen)
      : otherwise(value, where, run, seen);
}

/** One of them must fit, and no more than so many. The misfit that goes deepest is most likely the one that was meant. */
function atLeast(checks: readonly Keyword[], most: number, { tracks }: Book): Keyword {
  return (value, where, run, seen) => {
    let deepest: Misfit | undefined;
    let fitting = 0;
    for (const check of checks) {
      const misfit = check(value, where, run, seen);
      if (misfit === undefined) fitting++;
      else if (depthOf(misfit.where) > depthOf(deepest?.where)) deepest = misfit;
      if (fitting > most) return { where, expected: 'to fit one of several forms, and it fits more' };
      // The other alternatives are only asked for what they speak about.
      if (fitting > 0 && most > 1 && !tracks) return undefined;
    }
    if (fitting > 0) return undefined;
    const isDeeper = depthOf(deepest?.where) > depthOf(where);
    return isDeeper ? deepest : { where, expected: 'to fit one of several forms' };
  };
}

function depthOf(where: Where | undefined): number {
  let depth = 0;
  for (let it = where; it !== undefined; it = it.within) depth++;
  return depth;
}
