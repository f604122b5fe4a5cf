import type { FrontPlane } from './front-plane.ts';
import { retryMs } from './stream.ts';

/** How long after it was let go a client may still be on its way back. */
const backWithinMs = retryMs + 500;

/** What letting go needs of the house. */
export type Leave = Pick<FrontPlane, 'draining' | 'awaits'>;

/**
 * Lets go of a connection after a while; its client is to come back for the rest. Not when mcpd stops by then: the client
 * would come back to a closed door, and a call that was carried out would have no answer.
 */
export function letGoAfter(ms: number, { draining, awaits }: Leave, letGo: () => void): NodeJS.Timeout {
  return setTimeout(() => {
    if (draining()) return;
    awaits(backWithinMs);
    letGo();
  }, ms);
}
