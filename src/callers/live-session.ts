import type { Outlet } from '../domain/call.ts';
import type { Agreed, Principal, Session } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import type { Replay } from './replay.ts';
import { Streams, type EventStream, type Place } from './streams.ts';

/** A standing stream whose reader needs no event ids: it cannot come back for what it missed. */
export type Stream = Outlet & { readonly close: () => void };

/** One caller's standing conversation with one server (legacy era), and the streams on which it is told things. */
export class LiveSession implements Session {
  readonly id: string;
  readonly principal: Principal;
  readonly server: string;
  readonly era = 'legacy';
  agreed: Agreed | undefined = undefined;
  usedAt: number;
  readonly #replay: Replay;
  #streams: Streams | undefined;
  #plain: Stream | undefined;
  #closed = false;

  constructor(id: string, principal: Principal, server: string, now: number, replay: Replay) {
    this.id = id;
    this.principal = principal;
    this.server = server;
    this.usedAt = now;
    this.#replay = replay;
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
