import type { Rate } from '../domain/decision.ts';

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
]);

export const rateExample = 'a rate such as "5/s", "10/min", "100/h" or "1000/day"';
export const durationExample = 'a time such as "500ms", "55s", "2m" or "1h"';
export const sizeExample = 'a size such as "512KiB" or "4MiB"';

/** Reads `"10/min"`. Undefined when it is anything else; a rate of nothing is written as a deny rule. */
export function readRate(text: string): Rate | undefined {
  const [, count, unit] = /^([1-9]\d{0,6})\/([a-z]{1,3})$/.exec(text) ?? [];
  const perMs = unit === undefined ? undefined : spans.get(unit);
  return count === undefined || perMs === undefined ? undefined : { count: Number(count), perMs, text };
}

/** Reads `"55s"` into milliseconds. Undefined when it is anything else. */
export function readDurationMs(text: string): number | undefined {
  return readAmount(text, durations);
}

/** Reads `"4MiB"` into bytes. Undefined when it is anything else: MB and kB mean different numbers to different people. */
export function readSizeBytes(text: string): number | undefined {
  return readAmount(text, sizes);
}

function readAmount(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const [, amount, unit] = /^(\d{1,9})([A-Za-z]{1,3})$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : units.get(unit);
  return amount === undefined || factor === undefined ? undefined : Number(amount) * factor;
}
