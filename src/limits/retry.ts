import type { Fault, FaultCode } from '../domain/faults.ts';
import type { Retry } from '../domain/orders.ts';

/** What may be otherwise the next time. A garbled answer is not: the server would only say it again. */
const transient: ReadonlySet<FaultCode> = new Set([
  'UPSTREAM_DOWN',
  'UPSTREAM_DIED',
  'UPSTREAM_BUSY',
  'UPSTREAM_TIMEOUT',
]);

/**
 * How long to wait before try number `attempt + 1`; undefined: there is none. Exponential backoff with full jitter: anything
 * from nothing to the whole wait, so that calls which failed together do not come back together. `random`: 0 to 1.
 */
export function backoffMs(
  retry: Retry,
  attempt: number,
  { code }: Fault,
  random: number,
): number | undefined {
  if (attempt > retry.times || !transient.has(code)) return undefined;
  // 2 ** 1024 is infinite, and the smaller one is taken all the same.
  return Math.ceil(random * Math.min(retry.mostMs, retry.firstMs * 2 ** (attempt - 1)));
}
