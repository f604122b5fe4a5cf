import type { DataPlane } from '../call/data-plane.ts';
import type { Arrival } from '../domain/call.ts';
import type { Credentials } from '../domain/caller.ts';
import type { Fault } from '../domain/faults.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Bounds } from '../protocol/codec.ts';
import type { Approvals } from './approvals.ts';
import type { FrontSessions } from './session.ts';

/** What the doors need of the house. */
export type FrontPlane = {
  readonly data: DataPlane;
  /** The life of a call, or of a message to the address where all servers are shown as one. */
  readonly handle: (arrival: Arrival) => Promise<Outcome>;
  /** Checks a credential once for the whole request. Throws `UNAUTHENTICATED`. */
  readonly signIn: (credentials: Credentials) => Credentials;
  readonly sessions: FrontSessions;
  /** Where chat and ticket systems answer. */
  readonly approvals: Approvals;
  readonly bounds: Bounds;
  /** A connection on which a call's events are read is let go after this long; undefined: never. */
  readonly pollAfterMs: number | undefined;
  readonly wallMs: () => number;
  /** True while the daemon stops: nothing new is begun. */
  readonly draining: () => boolean;
  /** Where a mistake of ours is told with everything we know; the caller learns only its id. */
  readonly report: (fault: Fault, callId: string) => void;
};
