import { Refused } from './reply.ts';

const units: ReadonlyMap<string, number> = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** `--for 2h` → milliseconds. Throws `BAD_ARGUMENTS` for anything else, and for more than `mostMs`. */
export function readSpan(text: string, mostMs: number): number {
  const [, amount, unit] = /^([1-9]\d{0,6})(s|m|h|d)$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : units.get(unit);
  if (amount === undefined || factor === undefined)
    throw new Refused(
      'BAD_ARGUMENTS',
      `${text} is no time`,
      'write for example --for 30m, --for 2h or --for 7d',
    );
  const ms = Number(amount) * factor;
  if (ms > mostMs)
    throw new Refused(
      'BAD_ARGUMENTS',
      `${text} is longer than ${spanText(mostMs)}`,
      'write a rule with `until` instead',
    );
  return ms;
}

/** 7200000 → `2h`; what is no whole number of units, in the next smaller ones. */
export function spanText(ms: number): string {
  for (const [unit, factor] of [...units].reverse())
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  return `${Math.ceil(ms / 1000)}s`;
}
