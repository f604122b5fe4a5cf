import type { ArgumentType } from '../domain/conditions.ts';
import type { Json, JsonObject } from '../domain/message.ts';
import { codePoints, isOfType } from './condition.ts';
import { schemaPattern } from './schema-pattern.ts';
import { at, isObject } from './schema-places.ts';
import { key, namesIn, pay, same, type Keyword, type Misfit, type Run, type Where } from './schema-run.ts';

/**
 * Keywords that look at one value and at no other schema. Each makes its check from what stands behind it; what is
 * malformed there says nothing, because honest servers write `"required": true` and worse.
 */
export const plainKeywords: ReadonlyMap<string, (given: Json) => Keyword | undefined> = new Map([
  ['type', typeKeyword],
  ['enum', (given) => (Array.isArray(given) ? enumKeyword(given) : undefined)],
  ['const', (given) => enumKeyword([given])],
  ['minimum', (given) => bound(given, (it, min) => it >= min, 'a number of at least')],
  ['maximum', (given) => bound(given, (it, max) => it <= max, 'a number of at most')],
  ['exclusiveMinimum', (given) => bound(given, (it, min) => it > min, 'a number above')],
  ['exclusiveMaximum', (given) => bound(given, (it, max) => it < max, 'a number below')],
  ['multipleOf', (given) => bound(given, isMultiple, 'a multiple of')],
  ['minLength', (given) => size(given, textSize, (it, min) => it >= min, 'a text of at least', 'characters')],
  ['maxLength', (given) => size(given, textSize, (it, max) => it <= max, 'a text of at most', 'characters')],
  ['minItems', (given) => size(given, listSize, (it, min) => it >= min, 'at least', 'items')],
  ['maxItems', (given) => size(given, listSize, (it, max) => it <= max, 'at most', 'items')],
  ['minProperties', (given) => size(given, memberCount, (it, min) => it >= min, 'at least', 'members')],
  ['maxProperties', (given) => size(given, memberCount, (it, max) => it <= max, 'at most', 'members')],
  ['pattern', patternKeyword],
  ['uniqueItems', (given) => (given === true ? uniqueItems : undefined)],
  ['required', (given) => requiredKeyword(texts(given))],
  ['dependentRequired', (given) => (isObject(given) ? dependentRequired(given) : undefined)],
]);

const types: readonly string[] = ['string', 'integer', 'number', 'boolean', 'object', 'array', 'null'];

function typeKeyword(given: Json): Keyword | undefined {
  const wanted = typeof given === 'string' ? [given] : texts(given);
  if (wanted.length === 0 || !wanted.every((it) => types.includes(it))) return undefined;
  const expected = `of type ${wanted.join(' or ')}`;
  return (value, where) =>
    wanted.some((it) => isOfType(value, it as ArgumentType)) ? undefined : { where, expected };
}

const shownMax = 8;
const shownCharsMax = 60;

function enumKeyword(values: readonly Json[]): Keyword {
  // Whole or not at all: half of a secret is not known for one.
  const shown = values.slice(0, shownMax).map((it) => {
    const text = JSON.stringify(it);
    return text.length > shownCharsMax ? '…' : text;
  });
  const more = values.length > shownMax ? ` and ${values.length - shownMax} more` : '';
  const expected = `${values.length === 1 ? 'exactly' : 'one of'} ${shown.join(', ')}${more}`;
  return (value, where, run) => (values.some((it) => same(it, value, run)) ? undefined : { where, expected });
}

function bound(
  given: Json,
  holds: (value: number, bound: number) => boolean,
  words: string,
): Keyword | undefined {
  if (typeof given !== 'number') return undefined;
  const expected = `${words} ${given}`;
  return (value, where) =>
    typeof value !== 'number' || holds(value, given) ? undefined : { where, expected };
}

/** In decimals, as they are written: 0.3 is a multiple of 0.1, although their doubles are not. */
function isMultiple(value: number, divisor: number): boolean {
  if (!(divisor > 0)) return true;
  if (!Number.isFinite(value)) return false;
  const [one, other] = [decimal(value), decimal(divisor)];
  const shift = one.exponent - other.exponent;
  if (shift >= 0) return (one.digits * 10n ** BigInt(shift)) % other.digits === 0n;
  return one.digits % (other.digits * 10n ** BigInt(-shift)) === 0n;
}

function decimal(value: number): { readonly digits: bigint; readonly exponent: number } {
  const [mantissa = '0', exponent = '0'] = Math.abs(value).toString().split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  return { digits: BigInt(whole + fraction), exponent: Number(exponent) - fraction.length };
}

function size(
  given: Json,
  measure: (value: Json, run: Run) => number | undefined,
  holds: (size: number, bound: number) => boolean,
  words: string,
  unit: string,
): Keyword | undefined {
  if (typeof given !== 'number') return undefined;
  const expected = `${words} ${given} ${unit}`;
  return (value, where, run) => {
    const found = measure(value, run);
    return found === undefined || holds(found, given) ? undefined : { where, expected };
  };
}

function textSize(value: Json, run: Run): number | undefined {
  if (typeof value !== 'string') return undefined;
  pay(run, value.length >> 6);
  return codePoints(value);
}

function listSize(value: Json): number | undefined {
  return Array.isArray(value) ? value.length : undefined;
}

function memberCount(value: Json, run: Run): number | undefined {
  return isObject(value) ? namesIn(value, run).length : undefined;
}

function patternKeyword(given: Json): Keyword | undefined {
  if (typeof given !== 'string') return undefined;
  const occurs = schemaPattern(given);
  const expected = `a text like ${JSON.stringify(given)}`;
  return (value, where, run) =>
    typeof value === 'string' && occurs(value, run) === false ? { where, expected } : undefined;
}

function uniqueItems(value: Json, where: Where | undefined, run: Run): Misfit | undefined {
  if (!Array.isArray(value)) return undefined;
  const seen = new Set<string>();
  for (const item of value) {
    const text = key(item, run);
    if (seen.has(text)) return { where, expected: 'items that differ from each other' };
    seen.add(text);
  }
  return undefined;
}

function requiredKeyword(names: readonly string[]): Keyword | undefined {
  if (names.length === 0) return undefined;
  return (value, where, run) => {
    if (!isObject(value)) return undefined;
    pay(run, names.length);
    const missing = names.find((name) => !Object.hasOwn(value, name));
    return missing === undefined ? undefined : { where: { name: missing, within: where }, expected: absent };
  };
}

const absent = 'to be given, and it is not';

function dependentRequired(table: JsonObject): Keyword {
  const rows = Object.entries(table).flatMap(([name, given]) => {
    const check = requiredKeyword(texts(given));
    return check === undefined ? [] : [{ name, check }];
  });
  return (value, where, run, seen) => {
    pay(run, rows.length);
    for (const { name, check } of rows) {
      if (!isObject(value) || at(value, name) === undefined) continue;
      const misfit = check(value, where, run, seen);
      if (misfit !== undefined) return misfit;
    }
    return undefined;
  };
}

export function texts(given: Json | undefined): readonly string[] {
  return Array.isArray(given) ? given.filter((it) => typeof it === 'string') : [];
}
