import type { Rate } from '../domain/decision.ts';
import type { Budget } from '../domain/orders.ts';

const spans: ReadonlyMap<string, number> = new Map([
  ['s', 1_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['day', 86_400_000],
]);

const durations: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const sizes: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 1024],
  ['MiB', 1024 * 1024],
  ['GiB', 1024 * 1024 * 1024],
]);

export const rateExample = 'a rate such as "5/s", "10/min", "100/h", "1000/day" or "600/min burst 20"';
export const budgetExample = 'a budget such as "sum(args.amount) <= 500/day"';
export const durationExample = 'a time such as "500ms", "55s", "2m" or "1h"';
export const sizeExample = 'a size such as "512KiB" or "4MiB"';
export const volumeExample = 'a volume such as "64MiB/min", "1GiB/h" or "4MiB/s"';

/** Reads `"10/min"`. Undefined when it is anything else; a rate of nothing is written as a deny rule. */
export function readRate(text: string): Rate | undefined {
  const [, count, unit] = /^([1-9]\d{0,6})\/([a-z]{1,3})$/.exec(text) ?? [];
  const perMs = unit === undefined ? undefined : spans.get(unit);
  return count === undefined || perMs === undefined ? undefined : { count: Number(count), perMs, text };
}

/**
 * Reads `"10/min"` into one rate, and `"600/min burst 20"` into two: the burst is also at most 20 in the time in which the
 * rate alone would let 20 pass. Undefined when it is anything else, or a burst that the rate allows anyway.
 */
export function readRates(text: string): readonly Rate[] | undefined {
  const [, rateText, burstText] = /^(\S{1,12})(?: burst ([1-9]\d{0,6}))?$/.exec(text) ?? [];
  const rate = rateText === undefined ? undefined : readRate(rateText);
  if (rate === undefined || burstText === undefined) return rate === undefined ? undefined : [rate];
  const count = Number(burstText);
  if (count >= rate.count) return undefined;
  // Rounded up: a span that is too long by a part of a millisecond lets nothing through that should wait.
  const perMs = Math.ceil((rate.perMs * count) / rate.count);
  return [rate, { count, perMs, text: `burst of ${burstText} (${rate.text})` }];
}

/** Sums are kept in millionths, as whole numbers that a double holds exactly; what is larger would not be. */
const budgetMax = 9_000_000_000;

/** Reads `"sum(args.amount) <= 500/day"`. Undefined when it is anything else; a budget of nothing is written as a deny rule. */
export function readBudget(text: string): Budget | undefined {
  const written = /^sum\(args\.([^\s()*]{1,256})\) <= (\d{1,10}(?:\.\d{1,6})?)\/([a-z]{1,3})$/.exec(text);
  const [, at, amount, unit] = written ?? [];
  const perMs = unit === undefined ? undefined : spans.get(unit);
  if (at === undefined || amount === undefined || perMs === undefined) return undefined;
  const path = at.split('.');
  const most = Number(amount);
  if (path.includes('') || most <= 0 || most > budgetMax) return undefined;
  return { path, most, perMs, text };
}

/** Reads `"55s"` into milliseconds. Undefined when it is anything else. */
export function readDurationMs(text: string): number | undefined {
  return readAmount(text, durations);
}

/** Reads `"4MiB"` into bytes. Undefined when it is anything else: MB and kB mean different numbers to different people. */
export function readSizeBytes(text: string): number | undefined {
  return readAmount(text, sizes);
}

/** Reads `"64MiB/min"`. Undefined when it is anything else; nothing at all would be a server that cannot answer. */
export function readVolume(text: string): { readonly bytesMax: number; readonly perMs: number } | undefined {
  const [size = '', span = '', ...more] = text.split('/');
  const bytesMax = readSizeBytes(size);
  const perMs = span === 'day' ? undefined : spans.get(span);
  if (bytesMax === undefined || bytesMax < 1 || perMs === undefined || more.length > 0) return undefined;
  return { bytesMax, perMs };
}

function readAmount(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const [, amount, unit] = /^(\d{1,9})([A-Za-z]{1,3})$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : units.get(unit);
  return amount === undefined || factor === undefined ? undefined : Number(amount) * factor;
}
