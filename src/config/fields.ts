import { z } from 'zod';
import type { Rate } from '../domain/decision.ts';
import type { Budget } from '../domain/orders.ts';
import { linearRegex } from '../protocol/linear-regex.ts';
import {
  budgetExample,
  durationExample,
  rateExample,
  readBudget,
  readDurationMs,
  readRates,
  readSizeBytes,
  sizeExample,
} from './units.ts';

/**
 * The kinds of value our files hold. Each carries, as its error, what is expected in its place; what was found instead is
 * said by `complain.ts`. Values are never quoted, because a secret pasted into the wrong line must not reach a log.
 * What stands in `meta` is for editors: it goes into the JSON Schema and never decides anything here.
 */

/** A shape with the sentence that an editor shows beside it. */
export function said<S extends z.ZodType>(shape: S, description: string): S {
  return shape.meta({ ...shape.meta(), description });
}

/** A whole number within bounds. */
export function count(min: number, max: number): z.ZodType<number> {
  const expected = `a whole number from ${String(min)} to ${String(max)}`;
  return z.int(expected).min(min, expected).max(max, expected);
}

/** One of a few words. */
export function choice<const W extends readonly [string, ...string[]]>(
  words: W,
  expected = `one of ${words.map((word) => `"${word}"`).join(', ')}`,
): z.ZodType<W[number]> {
  return z.enum(words, expected);
}

export const yesOrNo: z.ZodType<boolean> = z.boolean('true or false');

/** A moment, in milliseconds since 1970, written as TOML writes it. */
export const moment: z.ZodType<number> = z
  .date('a time with its offset and without quotes, such as 2026-12-31T00:00:00Z')
  .transform((date) => date.getTime())
  .meta({ type: 'string', format: 'date-time' });

/** A time in milliseconds, written `"55s"`. Both bounds in the same notation. */
export function duration(min: string, max: string): z.ZodType<number> {
  const [minMs, maxMs] = [bound(readDurationMs, min), bound(readDurationMs, max)];
  const expected = `${durationExample}, from ${min} to ${max}`;
  const read = (written: string) => within(readDurationMs(written), minMs, maxMs);
  return text(expected, read, '^\\d{1,9}(ms|s|m|h|d)$');
}

/** A size in bytes, written `"4MiB"`. */
export function size(min: string, max: string): z.ZodType<number> {
  const [minBytes, maxBytes] = [bound(readSizeBytes, min), bound(readSizeBytes, max)];
  const expected = `${sizeExample}, from ${min} to ${max}`;
  const read = (written: string) => within(readSizeBytes(written), minBytes, maxBytes);
  return text(expected, read, '^\\d{1,9}(B|KiB|MiB|GiB)$');
}

const oneRate = text(rateExample, readRates, '^[1-9]\\d{0,6}/(s|min|h|day)( burst [1-9]\\d{0,6})?$');

/** One rate, or several that must all be kept. */
export const rates: z.ZodType<readonly Rate[]> = oneOrMore(oneRate, rateExample, 4).transform((all) =>
  all.flat(),
);

export const budget: z.ZodType<Budget> = text(
  budgetExample,
  readBudget,
  '^sum\\(args\\.[^\\s()*]+\\) <= \\d{1,10}(\\.\\d{1,6})?/(s|min|h|day)$',
);

/** An owner's regular expression. What is wrong with it is said by `conditions.ts` and `redactions.ts`, who can name it. */
export const regex: z.ZodType<string> = text(
  'a regular expression (RE2: no look-around, no back-references; no flags m or s), at most 1024 characters',
  (written) => (linearRegex(written).ok ? written : undefined),
);

/** Dotted names of members; `*` for every item. */
export function dotted(stars: 'with stars' | 'without stars'): z.ZodType<string> {
  const example =
    stars === 'with stars' ? '"path", "issue.number" or "items.*.id"' : '"path" or "issue.number"';
  return text(`a path into the arguments such as ${example}`, (written) => {
    const steps = written.split('.');
    const fits = steps.length <= 16 && steps.every((step) => /^[^\s\u0000-\u001f\u007f]+$/.test(step));
    const starred = steps.some((step) => step.includes('*') && (stars === 'without stars' || step !== '*'));
    return fits && !starred && written.length <= 256 ? written : undefined;
  });
}

/** Text that a reader turns into something; where it gives undefined, the value is refused. */
export function text<T>(
  expected: string,
  read: (written: string) => T | undefined,
  pattern?: string,
): z.ZodType<T> {
  return z
    .string(expected)
    .transform((written, refused) => {
      const meaning = read(written);
      if (meaning !== undefined) return meaning;
      refused.addIssue({ code: 'custom', message: expected, input: written });
      return z.NEVER;
    })
    .meta(pattern === undefined ? {} : { pattern });
}

/** Text with something in it, and nothing that could end it early or hide part of it. */
export function words(what: string, charsMax: number): z.ZodType<string> {
  return text(`${what}: 1 to ${String(charsMax)} characters, no control characters`, (written) =>
    written !== '' && written.length <= charsMax && !/[\u0000-\u001f\u007f]/.test(written)
      ? written
      : undefined,
  ).meta({ minLength: 1, maxLength: charsMax });
}

const pattern = words('an exact name or a pattern with *', 512);

export function patterns(what: string): z.ZodType<string[]> {
  return list(pattern, `a list of ${what}, each an exact name or a pattern with *`, 1000);
}

export function list<T>(item: z.ZodType<T>, expected: string, itemsMax: number): z.ZodType<T[]> {
  const bounded = `${expected}, at most ${String(itemsMax)}`;
  return z.array(item, bounded).max(itemsMax, bounded);
}

/** A value, or a list of such values that is not empty. */
export function oneOrMore<T>(item: z.ZodType<T>, expected: string, itemsMax: number): z.ZodType<T[]> {
  const bounded = `${expected}; or a list of 1 to ${String(itemsMax)} of them`;
  const several = z.array(item, bounded).min(1, bounded).max(itemsMax, bounded);
  return z.union([item.transform((one) => [one]), several], bounded);
}

/** A table with exactly these keys. */
export function table<S extends z.core.$ZodLooseShape>(
  shape: S,
  expected = 'a table',
): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape, expected);
}

/** A table whose keys are names of the owner's choosing. */
export function named<T>(item: z.ZodType<T>, expected: string): z.ZodType<Readonly<Record<string, T>>> {
  return z.record(z.string(), item, expected);
}

function within(amount: number | undefined, min: number, max: number): number | undefined {
  return amount !== undefined && amount >= min && amount <= max ? amount : undefined;
}

function bound(read: (text: string) => number | undefined, text: string): number {
  const amount = read(text);
  if (amount === undefined) throw new TypeError(`not a bound: ${text}`);
  return amount;
}
