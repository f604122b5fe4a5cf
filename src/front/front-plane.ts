import type { IncomingMessage } from 'node:http';
import type { DataPlane } from '../call/data-plane.ts';
import type { Arrival } from '../domain/call.ts';
import type { Credentials } from '../domain/caller.ts';
import type { Fault } from '../domain/faults.ts';
import type { Risk } from '../domain/orders.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Bounds } from '../protocol/codec.ts';
import type { Approvals } from './approvals.ts';
import type { OAuthFace } from './metadata.ts';
import type { Pressure } from './pressure.ts';
import type { FrontSessions } from './session.ts';

/** What the doors need of the house. */
export type FrontPlane = {
  readonly data: DataPlane;
  /** The life of a call, or of a message to the address where all servers are shown as one. */
  readonly handle: (arrival: Arrival) => Promise<Outcome>;
  /** Brings back the session of an arrival that was open before a restart; undefined: there is nothing to wait for. */
  readonly resume: (arrival: Arrival, credentials: Credentials) => Promise<void> | undefined;
  /**
   * Checks a credential once for the whole request. Throws `UNAUTHENTICATED`, or `TOO_MANY` to a peer that guesses. At once
   * where nobody outside has to be asked.
   */
  readonly signIn: (credentials: Credentials, door: Door) => Credentials | Promise<Credentials>;
  /** What is known of the peers of this listener. */
  readonly peers: Peers;
  /** What clients are told about where to get a token. */
  readonly oauth: OAuthFace;
  readonly sessions: FrontSessions;
  /** Where chat and ticket systems answer. */
  readonly approvals: Approvals;
  readonly bounds: Bounds;
  /** A connection on which a call's events are read is let go after this long; undefined: never. */
  readonly pollAfterMs: number | undefined;
  /** Told of each client that was let go, and how long it may be on its way back: while mcpd stops, it is waited for. */
  readonly awaits: (ms: number) => void;
  readonly wallMs: () => number;
  /** How much may come in at once; one for all doors. */
  readonly pressure: Pick<Pressure, 'admission' | 'connections' | 'pace' | 'unreadBytesMax'>;
  /** True while the daemon stops: nothing new is begun. */
  readonly draining: () => boolean;
  /** Where a mistake of ours is told with everything we know; the caller learns only its id. */
  readonly report: (fault: Fault, callId: string) => void;
};

/** Where somebody stands: the server in the address, `''` for the house's own routes, and the peer's address. */
export type Door = {
  readonly server: string;
  readonly remote: string;
  /** What was let in here before is looked at again: how many others failed to sign in from there does not matter. */
  readonly again?: boolean;
};

/** `presented`: a credential was there, and is not good. `needs`: it is good, and not for this class of tool. */
export type Challenged = { readonly presented: boolean; readonly needs: Risk | undefined };

export type Peers = {
  readonly credentials: (req: IncomingMessage) => Credentials;
  /** The address of the client: the peer's, or what a proxy says that the owner trusts. */
  readonly remote: (req: IncomingMessage) => string;
};
