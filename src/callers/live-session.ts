import type { Outlet } from '../domain/call.ts';
import type { Agreed, Principal, Session } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { opensNoLess } from './opens-no-less.ts';
import type { Replay } from './replay.ts';
import { Streams, type EventStream, type Place } from './streams.ts';

/** A standing stream whose reader needs no event ids: it cannot come back for what it missed. */
export type Stream = Outlet & { readonly close: () => void };

/** Credentials that may come and go in one session: rotated keys, tokens with ever better scopes. */
const credentialsMax = 16;

/** One caller's standing conversation with one server (legacy era), and the streams on which it is told things. */
export class LiveSession implements Session {
  readonly id: string;
  readonly principal: Principal;
  readonly server: string;
  readonly era = 'legacy';
  agreed: Agreed | undefined = undefined;
  usedAt: number;
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

  /**
   * Whether a credential may be used here: one of the same caller that opens no less than any before it. A session is full of
   * what those opened: answers that can be read again, questions that wait for a reply. Whoever has stolen a lesser
   * credential of the caller and a session id would have all of that.
   */
  admits(principal: Principal): boolean {
    if (principal === this.#last) return true;
    if (principal.name !== this.principal.name) return false;
    if (this.#shown.size >= credentialsMax && !this.#shown.has(principal.via)) return false;
    for (const before of this.#shown.values()) if (!opensNoLess(principal, before)) return false;
    return true;
  }

  /** A credential that is admitted is used. */
  use(principal: Principal): void {
    if (principal === this.#last) return;
    this.#last = principal;
    this.#shown.set(principal.via, principal);
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
    return this.#streams?.placeOf(eventId);
  }

  /**
   * Opens the standing stream, for good: it ends with the session. Throws `SESSION_BUSY` when there is one, because taking it
   * over would hide messages from its reader.
   */
  attach(stream: Stream): void {
    if (this.streaming) throw new Fault('SESSION_BUSY');
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
