import type { Outlet } from '../domain/call.ts';
import type { Agreed, Principal, Session } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { Request } from '../domain/message.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { admitted, opensNoLess } from './opens-no-less.ts';
import type { Replay } from './replay.ts';
import { Streams, type EventStream, type Place } from './streams.ts';

/** A standing stream whose reader needs no event ids: it cannot come back for what it missed. */
export type Stream = Outlet & { readonly close: () => void };

/** What is kept of a session so that it may be resumed after a restart of mcpd. */
export type Keeping = {
  /** Another credential was used in it. */
  readonly showed: () => void;
  /** It cannot be resumed any more. */
  readonly forget: () => void;
};

/** A session that is being brought back after a restart: nobody may use it before it is. */
export type Return = {
  /** The one request that introduces its new child. */
  readonly hello: Request;
  /** See `offersOf`. */
  readonly offers: string;
};

/** The standing stream of a session as an earlier run of mcpd named its events; see `streams.ts`. */
const earlierStanding = /^[A-Za-z0-9_-]{8}\.0\.\d{1,9}(?:\.\d{1,9})?$/;

/** One caller's standing conversation with one server (legacy era), and the streams on which it is told things. */
export class LiveSession implements Session {
  readonly id: string;
  readonly principal: Principal;
  readonly server: string;
  readonly era = 'legacy';
  agreed: Agreed | undefined = undefined;
  usedAt: number;
  /** Undefined where it ends with mcpd. */
  keeping: Keeping | undefined = undefined;
  /** While it is being brought back. */
  returning: Return | undefined = undefined;
  /** Whether it was open before mcpd was started. */
  isResumed = false;
  readonly #replay: Replay;
  /** Each credential that was used in it, by what it is called on record; the last one stands in `#last`, too. */
  readonly #shown = new Map<string | undefined, Principal>();
  #last: Principal;
  #streams: Streams | undefined;
  #plain: Stream | undefined;
  #closed = false;

  constructor(id: string, principal: Principal, server: string, now: number, replay: Replay) {
    this.id = id;
    this.principal = principal;
    this.server = server;
    this.usedAt = now;
    this.#replay = replay;
    this.#last = principal;
    this.#shown.set(principal.via, principal);
  }

  /** Whether a credential may be used here; see `admitted`. */
  admits(principal: Principal): boolean {
    return principal === this.#last || admitted(principal, this.shown());
  }

  /** A credential that is admitted is used. */
  use(principal: Principal): void {
    if (principal === this.#last) return;
    this.#last = principal;
    const before = this.#shown.get(principal.via);
    this.#shown.set(principal.via, principal);
    if (before === undefined || !opensNoLess(before, principal)) this.keeping?.showed();
  }

  /** Every credential that was used in it. */
  shown(): readonly Principal[] {
    return [...this.#shown.values()];
  }

  /** Whether somebody holds the standing stream. */
  get streaming(): boolean {
    return this.#plain !== undefined || this.#streams?.standing.isRead === true;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get standing(): EventStream {
    return this.#all.standing;
  }

  /** A stream for one POST. */
  openStream(): EventStream {
    return this.#all.open();
  }

  /** Where a reader of one of this session's streams stopped; undefined when it cannot go on from there. */
  placeOf(eventId: string): Place | undefined {
    const place = this.#streams?.placeOf(eventId);
    if (place !== undefined || !this.isResumed || !earlierStanding.test(eventId)) return place;
    // What was on the standing stream before the restart is gone, as the child is that said it. What is on it now has not
    // been read by whoever still names an event of then; unless some of it is lost, that is all of it.
    const { standing } = this;
    return standing.has(0) ? { stream: standing, after: 0 } : undefined;
  }

  /**
   * Opens the standing stream, for good: it ends with the session. Throws `SESSION_BUSY` when there is one, because taking it
   * over would hide messages from its reader.
   */
  attach(stream: Stream): void {
    if (this.streaming) throw new Fault('SESSION_BUSY');
    // Such a stream cannot be come back to, and with it ends the session.
    this.keeping?.forget();
    this.keeping = undefined;
    this.#plain = stream;
    const waiting = { send: stream.send, mark: () => undefined, close: () => undefined };
    this.standing.readOn(waiting, false);
    this.standing.leave(waiting);
  }

  deliver = (text: RedactedJson): 'sent' | 'gone' =>
    this.#plain === undefined ? this.standing.send(text) : this.#plain.send(text);

  close(): void {
    this.#closed = true;
    this.#plain?.close();
    this.#plain = undefined;
    this.#streams?.close();
  }

  get #all(): Streams {
    if (this.#streams === undefined) {
      this.#streams = new Streams(this.#replay);
      // A call that was under way when the session ended may still have something to say.
      if (this.#closed) this.#streams.close();
    }
    return this.#streams;
  }
}
