import type { HallSession, HallSessions } from '../callers/hall-sessions.ts';
import type { Arrival, Call, Outlet } from '../domain/call.ts';
import type { Session } from '../domain/caller.ts';
import type { Denial } from '../domain/decision.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { UpstreamState } from '../domain/upstream.ts';
import type { DataPlane } from './data-plane.ts';

/** What the story of the hall needs beside the life of a call. */
export type HallPlane = {
  /** Every message that goes on to a server goes through this, as if it had come to that server's own address. */
  readonly data: DataPlane;
  readonly guests: HallSessions;
  /** Makes a stream the standing stream of a session. Throws `UNKNOWN_SESSION` when the session is over. */
  readonly attach: (session: Session, stream: Stream) => void;
  /** Profile name → servers, as the owner wrote it. */
  readonly profiles: ReadonlyMap<string, readonly string[]>;
  /** What a server's tools and prompts are called, as its standing child said. */
  readonly names: (server: string) => Iterable<string>;
  /** How the servers' standing children are. */
  readonly states: () => ReadonlyMap<string, UpstreamState>;
  /** How long one server may hold up what is asked of all. */
  readonly partWithinMs: number;
  /** Calls back once, unless it is stopped before. */
  readonly after: (ms: number, then: () => void) => () => void;
  readonly version: string;
};

export type Stream = Outlet & { readonly close: () => void };

/** A message in the hall, once it is known who sent it and what it may reach. */
export type Visit = {
  readonly arrival: Arrival;
  readonly call: Call;
  /** The servers that this caller may see and did not leave out, by name. */
  readonly open: readonly string[];
  /** Those it may see, and may not speak to now. */
  readonly off: ReadonlyMap<string, Denial>;
  /** Of the legacy era: the caller's session with the hall, once it has one. */
  readonly guest: HallSession | undefined;
};

/** How a message in the hall ended, and on whose record: what went on to one server is on that server's, under the same id. */
export type Ending = { readonly outcome: Outcome; readonly record: 'here' | 'there' };

export function here(outcome: Outcome): Ending {
  return { outcome, record: 'here' };
}
