import type { Breaker } from '../domain/orders.ts';

/**
 * How a tool has done lately. `closed`: it works, for all we know; `failures` are the times of the last failures in a row.
 * `open`: it rests. `half-open`: the rest is over, and one call is on its way to find out. Times are steady-clock
 * milliseconds.
 */
export type Health =
  | { readonly kind: 'closed'; readonly failures: readonly number[] }
  | { readonly kind: 'open'; readonly since: number; readonly until: number }
  | { readonly kind: 'half-open'; readonly since: number; readonly until: number; readonly trier: string };

export const healthy: Health = { kind: 'closed', failures: [] };

export type Admission = { readonly retryInMs: number } | { readonly health: Health };

/**
 * Whether a call may go to the tool, and what is so from then on. The one that tries a tool which rested has as long as a
 * rest to say how it went; then another may, because a call that is cancelled says nothing.
 */
export function admit(health: Health, { restMs }: Breaker, trier: string, now: number): Admission {
  if (health.kind === 'closed') return { health };
  if (now < health.until && !(health.kind === 'half-open' && health.trier === trier))
    return { retryInMs: health.until - now };
  return { health: { kind: 'half-open', since: health.since, until: now + restMs, trier } };
}

/** What is so after a call went badly. What set out before the tool rested says nothing new. */
export function failed(health: Health, breaker: Breaker, who: string, now: number): Health {
  const { failures, withinMs, restMs } = breaker;
  switch (health.kind) {
    case 'closed': {
      const recent = [...health.failures.filter((at) => now - at < withinMs), now];
      return recent.length < failures
        ? { kind: 'closed', failures: recent }
        : { kind: 'open', since: now, until: now + restMs };
    }
    case 'half-open':
      return health.trier === who ? { kind: 'open', since: health.since, until: now + restMs } : health;
    case 'open':
      return health;
  }
}

/** What is so after a call went well. */
export function succeeded(health: Health, who: string): Health {
  if (health.kind === 'closed') return healthy;
  return health.kind === 'half-open' && health.trier === who ? healthy : health;
}
