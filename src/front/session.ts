import type { Outlet } from '../domain/call.ts';
import type { Principal, Session } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { legacyRevisions } from '../protocol/era.ts';

/** The callers' sessions, as far as the doors need them. */
export type FrontSessions = {
  /** Undefined where there is none, or it is somebody else's. */
  readonly peek: (
    principal: Principal,
    server: string,
    sessionId: string | undefined,
  ) => FrontSession | undefined;
  /** Throws `NO_SESSION` or `UNKNOWN_SESSION`. */
  readonly find: (principal: Principal, server: string, sessionId: string | undefined) => FrontSession;
  /** A session that was open before a restart, and that nobody has come back to. */
  readonly asleep: (
    principal: Principal,
    server: string,
    sessionId: string,
  ) => { readonly id: string } | undefined;
  /** Ends one that is asleep. */
  readonly forget: (asleep: { readonly id: string }) => void;
  /** A session that stands before its `initialize`. Throws `TOO_MANY`. */
  readonly open: (principal: Principal, server: string) => FrontSession;
  readonly end: (session: Session) => void;
};

/** A legacy session and its event streams. */
export type FrontSession = Session & {
  /** Whether somebody holds the standing stream. */
  readonly streaming: boolean;
  readonly standing: EventStream;
  readonly openStream: () => EventStream;
  readonly placeOf: (eventId: string) => Place | undefined;
  /** Says something on the standing stream. */
  readonly deliver: (text: RedactedJson) => 'sent' | 'gone';
  /** Holds the standing stream without event ids. Throws `SESSION_BUSY`. */
  readonly attach: (stream: Outlet & { readonly close: () => void }) => void;
};

export type EventStream = Outlet & {
  /** Whether nothing is left to be said to a reader that stopped after this event. */
  readonly isOver: (after: number) => boolean;
  readonly read: (reader: Reader, after: number, marked: boolean) => void;
  readonly readOn: (reader: Reader, marked: boolean) => void;
  readonly leave: (reader: Reader) => void;
  readonly end: () => void;
};

export type Place = { readonly stream: EventStream; readonly after: number };

/** One connection on which somebody reads an event stream. */
export type Reader = {
  readonly send: (text: RedactedJson, eventId: string) => 'sent' | 'gone';
  readonly mark: (eventId: string) => void;
  readonly close: () => void;
};

/** The one revision in which a client may send several messages at once (2025-03-26 basic/transports). */
const batching = '2025-03-26';
/** The revision since which an event may hold an id and nothing else, and a server may let go of a stream. */
const marking = '2025-11-25';

export function mayBatch(session: FrontSession | undefined): session is FrontSession {
  return session?.agreed?.protocolVersion === batching;
}

/** Whether the client understands marks, and comes back when a stream is let go. */
export function knowsMarks(session: FrontSession): boolean {
  return session.agreed?.protocolVersion === marking;
}

/**
 * A header that names another revision than the session agreed on says that somebody is confused about whose session this is
 * (2025-06-18 basic/transports, protocol version header). Throws `UNSUPPORTED_VERSION`. Without the header, the session knows.
 */
export function checkRevision(header: string | undefined, { agreed }: FrontSession): void {
  if (header === undefined) return;
  const fits = agreed === undefined ? legacyRevisions.includes(header) : header === agreed.protocolVersion;
  if (!fits)
    throw new Fault('UNSUPPORTED_VERSION', { detail: 'not the revision that the session agreed on' });
}
