import { z } from 'zod';
import type { Rate } from '../domain/decision.ts';
import {
  durationExample,
  rateExample,
  readDurationMs,
  readRate,
  readSizeBytes,
  sizeExample,
} from './units.ts';

/**
 * The kinds of value our files hold. Each carries, as its error, what is expected in its place; what was found instead is
 * said by `complain.ts`. Values are never quoted, because a secret pasted into the wrong line must not reach a log.
 */

/** A whole number within bounds. */
export function count(min: number, max: number): z.ZodType<number> {
  const expected = `a whole number from ${String(min)} to ${String(max)}`;
  return z.int(expected).min(min, expected).max(max, expected);
}

/** A time in milliseconds, written `"55s"`. Both bounds in the same notation. */
export function duration(min: string, max: string): z.ZodType<number> {
  const [minMs, maxMs] = [bound(readDurationMs, min), bound(readDurationMs, max)];
  const expected = `${durationExample}, from ${min} to ${max}`;
  return text(expected, (written) => within(readDurationMs(written), minMs, maxMs));
}

/** A size in bytes, written `"4MiB"`. */
export function size(min: string, max: string): z.ZodType<number> {
  const [minBytes, maxBytes] = [bound(readSizeBytes, min), bound(readSizeBytes, max)];
  const expected = `${sizeExample}, from ${min} to ${max}`;
  return text(expected, (written) => within(readSizeBytes(written), minBytes, maxBytes));
}

export const rate: z.ZodType<Rate> = text(rateExample, readRate);

/** Text that a reader turns into something; where it gives undefined, the value is refused. */
export function text<T>(expected: string, read: (written: string) => T | undefined): z.ZodType<T> {
  return z.string(expected).transform((written, refused) => {
    const meaning = read(written);
    if (meaning !== undefined) return meaning;
    refused.addIssue({ code: 'custom', message: expected, input: written });
    return z.NEVER;
  });
}

/** Text with something in it, and nothing that could end it early or hide part of it. */
export function words(what: string, charsMax: number): z.ZodType<string> {
  return text(`${what}: 1 to ${String(charsMax)} characters, no control characters`, (written) =>
    written !== '' && written.length <= charsMax && !/[\u0000-\u001f\u007f]/.test(written)
      ? written
      : undefined,
  );
}

export function list<T>(item: z.ZodType<T>, expected: string, itemsMax: number): z.ZodType<T[]> {
  const bounded = `${expected}, at most ${String(itemsMax)}`;
  return z.array(item, bounded).max(itemsMax, bounded);
}

/** A table with exactly these keys. */
export function table<S extends z.core.$ZodLooseShape>(
  shape: S,
  expected = 'a table',
): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape, expected);
}

function within(amount: number | undefined, min: number, max: number): number | undefined {
  return amount !== undefined && amount >= min && amount <= max ? amount : undefined;
}

function bound(read: (text: string) => number | undefined, text: string): number {
  const amount = read(text);
  if (amount === undefined) throw new TypeError(`not a bound: ${text}`);
  return amount;
}
