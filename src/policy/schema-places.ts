import type { Json, JsonObject } from '../domain/message.ts';

/** The schemas inside a schema, by the addresses that `$ref` may use. Nothing is ever fetched. */
export type Places = {
  /** 2020-12, or the drafts up to 7, in which `$ref` stands alone and `$id` may name an anchor. */
  readonly legacy: boolean;
  /** Absolute address → schema: one for each `$id` and each anchor. */
  readonly byUri: Map<string, Json>;
  /** What relative addresses inside of a schema are counted from. */
  readonly bases: WeakMap<object, string>;
};

/** A tool's schema that cannot be used; the message is for the caller. */
export class Unusable extends Error {}

const nodesMax = 20_000;
const depthMax = 64;
const addressCharsMax = 1024;
/** Addresses and anchors of one schema. */
const namedMax = 1000;
const start = 'schema://tool/';

/** Throws `Unusable` when the schema is larger, deeper or stranger than any honest one. */
export function placesOf(schema: Json): Places {
  measure(schema);
  const legacy = isObject(schema) && /draft-0[3-7]/.test(textAt(schema, '$schema') ?? '');
  const places: Places = { legacy, byUri: new Map([[start, schema]]), bases: new WeakMap() };
  enter(places, schema, start);
  return places;
}

/** The schema at an address that was written inside of `from`. */
export function resolve(places: Places, ref: string, from: JsonObject): Json {
  const url = addressOf(ref, places.bases.get(from) ?? start);
  const fragment = url.hash.slice(1);
  url.hash = '';
  const resource = places.byUri.get(url.href);
  if (resource !== undefined && fragment === '') return resource;
  if (resource !== undefined && fragment.startsWith('/')) return follow(places, resource, fragment, url.href);
  const anchored = places.byUri.get(`${url.href}#${fragment}`);
  if (anchored === undefined) throw new Unusable('it refers to a schema that is not part of it');
  return anchored;
}

function follow(places: Places, resource: Json, fragment: string, base: string): Json {
  let found: Json | undefined = resource;
  for (const token of decoded(fragment).split('/').slice(1)) {
    const key = token.replaceAll('~1', '/').replaceAll('~0', '~');
    found =
      typeof found === 'object' && found !== null && Object.hasOwn(found, key)
        ? (found as JsonObject)[key]
        : undefined;
    if (found === undefined) throw new Unusable('it refers to a place in itself that is not there');
  }
  // A schema under a name that is no keyword: nobody has looked for addresses in it yet.
  if (isObject(found) && !places.bases.has(found)) enter(places, found, base);
  return found;
}

/** Keywords that hold one schema, a list of them, or a table of them. `items` may hold one or a list. */
const one = [
  ...['additionalItems', 'additionalProperties', 'contains', 'else', 'if', 'items', 'not', 'propertyNames'],
  ...['then', 'unevaluatedItems', 'unevaluatedProperties'],
];
const lists = ['allOf', 'anyOf', 'items', 'oneOf', 'prefixItems'];
const tables = [
  ...['$defs', 'definitions', 'dependencies', 'dependentSchemas', 'patternProperties', 'properties'],
];

function enter(places: Places, schema: Json, outer: string): void {
  if (!isObject(schema) || places.bases.has(schema)) return;
  if (places.byUri.size > namedMax) throw new Unusable('it gives too many of its parts a name');
  const base = ownAddress(places, schema, outer);
  places.bases.set(schema, base);
  for (const key of ['$anchor', '$dynamicAnchor']) {
    const anchor = textAt(schema, key);
    if (anchor !== undefined) places.byUri.set(`${base}#${anchor}`, schema);
  }
  for (const key of one) enter(places, at(schema, key) ?? true, base);
  for (const key of lists) {
    const list = at(schema, key);
    if (Array.isArray(list)) for (const it of list) enter(places, it, base);
  }
  for (const key of tables) {
    const table = at(schema, key);
    if (isObject(table)) for (const it of Object.values(table)) enter(places, it, base);
  }
}

function ownAddress(places: Places, schema: JsonObject, outer: string): string {
  const id = textAt(schema, '$id');
  if (id === undefined || (places.legacy && at(schema, '$ref') !== undefined)) return outer;
  const url = addressOf(id, outer);
  if (url.hash.length > 1) {
    if (places.legacy) places.byUri.set(url.href, schema);
    return outer;
  }
  url.hash = '';
  places.byUri.set(url.href, schema);
  return url.href;
}

function addressOf(text: string, base: string): URL {
  // Thousands of addresses that are each counted from one of a megabyte would take gigabytes.
  if (text.length > addressCharsMax || base.length > addressCharsMax)
    throw new Unusable('it has an address that is too long');
  const url = URL.parse(text, base);
  if (url === null) throw new Unusable('it refers to something that is no address');
  return url;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Unusable('it refers to something that is no address');
  }
}

/** Level by level, without recursion: a schema that is too deep must not be what ends the measuring. */
function measure(schema: Json): void {
  let level: Json[] = [schema];
  let count = 1;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > depthMax) throw new Unusable('it is nested too deeply');
    const next: Json[] = [];
    for (const it of level) {
      if (typeof it !== 'object' || it === null) continue;
      for (const inner of Object.values(it)) {
        if (++count > nodesMax) throw new Unusable('it is too large');
        next.push(inner);
      }
    }
    level = next;
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own member; a schema is the server's word, and `constructor` is not in it unless it is written there. */
export function at(schema: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(schema, key) ? schema[key] : undefined;
}

function textAt(schema: JsonObject, key: string): string | undefined {
  const value = at(schema, key);
  return typeof value === 'string' ? value : undefined;
}
