import type { Care } from '../domain/care.ts';
import type { Pace } from './pace.ts';

export type RestartTerms = Pick<Care, 'deathsMax' | 'deathsWithinMs'> &
  Pick<Pace, 'backoffBaseMs' | 'backoffCapMs'>;

/** The deaths that count against a child. `at` in steady milliseconds, oldest first. */
export type Deaths = { readonly at: readonly number[]; readonly inARow: number };

export const noDeaths: Deaths = { at: [], inARow: 0 };

export type Verdict =
  | { readonly kind: 'again'; readonly inMs: number; readonly deaths: Deaths }
  | { readonly kind: 'give-up'; readonly deaths: Deaths };

/**
 * What to do after a death at `now`, when the child had been ready for `upMs` (0: it never was). Exponential backoff with
 * half of each pause random, so that the children of a machine that was short of memory do not all come back at once. A good run of `deathsWithinMs` forgives all
 * earlier deaths.
 */
export function afterDeath(
  before: Deaths,
  now: number,
  upMs: number,
  random: number,
  terms: RestartTerms,
): Verdict {
  const past = upMs >= terms.deathsWithinMs ? noDeaths : before;
  const at = [...past.at.filter((it) => now - it < terms.deathsWithinMs), now];
  const deaths = { at, inARow: past.inARow + 1 };
  if (at.length > terms.deathsMax) return { kind: 'give-up', deaths };
  return { kind: 'again', inMs: pauseMs(deaths.inARow, random, terms), deaths };
}

/** How long to wait after so many failures in a row: exponential, half of it random. */
export function pauseMs(
  inARow: number,
  random: number,
  { backoffBaseMs, backoffCapMs }: Pick<RestartTerms, 'backoffBaseMs' | 'backoffCapMs'>,
): number {
  const full = Math.min(backoffCapMs, backoffBaseMs * 2 ** Math.min(inARow - 1, 30));
  return full / 2 + (random * full) / 2;
}
