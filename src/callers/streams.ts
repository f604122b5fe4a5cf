import { randomBytes } from 'node:crypto';
import type { Outlet } from '../domain/call.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import type { Replay, Shelf } from './replay.ts';

/** One connection on which somebody reads a stream. */
export type Reader = {
  readonly send: (text: RedactedJson, eventId: string) => 'sent' | 'gone';
  /** Tells the reader where it is, without a message, so that it can come back from here. */
  readonly mark: (eventId: string) => void;
  /** Ends the connection. */
  readonly close: () => void;
};

/** A place in a stream: right after one of its events. */
export type Place = { readonly stream: EventStream; readonly after: number };

/** Messages that may wait for a standing stream's first reader, or for its next. */
const waitingMax = 64;
const standingNumber = 0;

/**
 * A session's event streams: the standing one, and one for each POST whose answer became a stream. An event id says which
 * session, which stream and which event, `tag.stream.event`; a fourth number makes the ids of marks different from each
 * other, so that no id stands twice in a session (2025-11-25 basic/transports, resumability).
 */
export class Streams {
  readonly standing: EventStream;
  readonly #shelf: Shelf;
  readonly #tag = randomBytes(6).toString('base64url');
  readonly #byNumber = new Map<number, EventStream>();
  #count = standingNumber;

  constructor(replay: Replay) {
    this.#shelf = replay.shelf();
    this.standing = this.#make(standingNumber, waitingMax);
  }

  /** A new stream, for one POST. */
  open(): EventStream {
    return this.#make(++this.#count, Number.POSITIVE_INFINITY);
  }

  /**
   * Where a reader stopped; undefined when this session never told that id, or what came after it is gone in part. Both are
   * the same to the reader: the rest cannot be had.
   */
  placeOf(eventId: string): Place | undefined {
    const [, tag, number, after] = idForm.exec(eventId) ?? [];
    // The tag is random: an id of another session is as unknown as an invented one, whoever holds it.
    if (tag !== this.#tag) return undefined;
    const stream = this.#byNumber.get(Number(number));
    return stream?.has(Number(after)) === true ? { stream, after: Number(after) } : undefined;
  }

  /** The session is over. Streams whose answer is still to come say that answer to whoever reads, and nothing is kept. */
  close(): void {
    this.#shelf.close();
    this.standing.end();
  }

  #make(number: number, waiting: number): EventStream {
    const stream = new EventStream({
      prefix: `${this.#tag}.${number}`,
      shelf: this.#shelf,
      waitingMax: waiting,
      forget: () => this.#byNumber.delete(number),
    });
    this.#byNumber.set(number, stream);
    return stream;
  }
}

const idForm = /^([A-Za-z0-9_-]{8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:\.[1-9]\d{0,8})?$/;

type StreamParts = {
  readonly prefix: string;
  readonly shelf: Shelf;
  readonly waitingMax: number;
  /** Called when it has ended and nothing of it is left to be asked for. */
  readonly forget: () => void;
};

/** One stream of events. It outlives the connections on which it is read, one at a time. */
export class EventStream implements Outlet {
  readonly #parts: StreamParts;
  #reader: Reader | undefined;
  #marks = 0;
  /** Numbers of events: the newest there is, the newest that a reader was given, the newest that is lost. */
  #newest = 0;
  #given = 0;
  #lost = 0;
  #ended = false;

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  get isRead(): boolean {
    return this.#reader !== undefined;
  }

  /** Everything was said, and whoever stopped after this event has heard all of it. */
  isOver(after: number): boolean {
    return this.#ended && after === this.#newest;
  }

  /** Whether all that was said after this event can still be had. */
  has(event: number): boolean {
    return event >= this.#lost && event <= this.#newest;
  }

  /** Says something to the reader, or keeps it for when there is one. `gone`: nobody will hear it. */
  send = (text: RedactedJson): 'sent' | 'gone' => {
    const { shelf, waitingMax } = this.#parts;
    if (this.#ended) return 'gone';
    if (this.#reader === undefined && this.#newest - this.#heard >= waitingMax) return 'gone';
    const event = ++this.#newest;
    shelf.keep(this, event, text);
    if (this.#give(event, text)) return 'sent';
    return event > this.#lost ? 'sent' : 'gone';
  };

  /**
   * Gives a reader everything after an event, and from then on what is new. A reader that was there before is closed: its
   * client has come back, often before we notice that the old connection is dead. `marked`: the client understands an event
   * that says nothing but where it is.
   */
  read(reader: Reader, after: number, marked: boolean): void {
    this.#reader?.close();
    this.#reader = reader;
    if (marked) reader.mark(this.#idOf(after, ++this.#marks));
    for (const { event, text } of this.#parts.shelf.after(this, after)) this.#give(event, text);
    if (this.#ended) this.#letGo();
  }

  /** For a client that was never told where it is: from what no reader was given. */
  readOn(reader: Reader, marked: boolean): void {
    this.read(reader, this.#heard, marked);
  }

  /** The reader is gone, or is sent away. */
  leave(reader: Reader): void {
    if (this.#reader === reader) this.#reader = undefined;
  }

  /** Nothing more will be said. */
  end(): void {
    this.#ended = true;
    this.#letGo();
    this.#forgetIfEmpty();
  }

  lose = (event: number): void => {
    this.#lost = Math.max(this.#lost, event);
    this.#forgetIfEmpty();
  };

  /** The newest event that no new reader can be given. */
  get #heard(): number {
    return Math.max(this.#given, this.#lost);
  }

  #give(event: number, text: RedactedJson): boolean {
    if (this.#reader === undefined) return false;
    if (this.#reader.send(text, this.#idOf(event)) === 'gone') {
      this.#reader = undefined;
      return false;
    }
    this.#given = Math.max(this.#given, event);
    return true;
  }

  #letGo(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }

  #forgetIfEmpty(): void {
    if (this.#ended && this.#lost === this.#newest) this.#parts.forget();
  }

  #idOf(event: number, mark?: number): string {
    const { prefix } = this.#parts;
    return mark === undefined ? `${prefix}.${event}` : `${prefix}.${event}.${mark}`;
  }
}
