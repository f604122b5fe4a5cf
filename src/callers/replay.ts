import type { RedactedJson } from '../domain/redacted.ts';

export type ReplayBounds = {
  /** For each session. */
  readonly eventsMax: number;
  /** For each session. */
  readonly bytesMax: number;
  /** For all sessions together. */
  readonly allBytesMax: number;
};

/** What readers of sessions' streams may come back for. */
export const usualReplay: ReplayBounds = {
  eventsMax: 1000,
  bytesMax: 8 * 1024 * 1024,
  allBytesMax: 64 * 1024 * 1024,
};

/** A stream whose events are kept. */
export type Origin = {
  /** Told that this event and all before it cannot be had any more. */
  readonly lose: (event: number) => void;
};

/** An event that its reader may ask for once more. */
export type Kept = {
  readonly origin: Origin;
  readonly event: number;
  readonly text: RedactedJson;
  readonly bytes: number;
};

/** What one event costs beside its text, so that a flood of empty ones is bounded too. */
const overheadBytes = 128;

/**
 * The events that readers may come back for (2025-11-25 basic/transports, resumability). Each session has a shelf; when all
 * of them together hold too much, the fullest one gives up its oldest, so that a caller who fills the store empties only his
 * own shelf.
 */
export class Replay {
  readonly #bounds: ReplayBounds;
  /** Those that hold something. */
  readonly #shelves = new Set<Shelf>();
  #bytes = 0;

  constructor(bounds: ReplayBounds) {
    this.#bounds = bounds;
  }

  get bytes(): number {
    return this.#bytes;
  }

  shelf(): Shelf {
    return new Shelf(this.#bounds, (shelf, change) => this.#weigh(shelf, change));
  }

  #weigh(shelf: Shelf, change: number): void {
    this.#bytes += change;
    if (shelf.count === 0) this.#shelves.delete(shelf);
    else this.#shelves.add(shelf);
    // Only what is added makes room, so giving up an event does not come back here.
    if (change > 0)
      while (this.#bytes > this.#bounds.allBytesMax && this.#shelves.size > 0) this.#giveUpOne();
  }

  #giveUpOne(): void {
    let fullest: Shelf | undefined;
    for (const shelf of this.#shelves)
      if (fullest === undefined || shelf.bytes > fullest.bytes) fullest = shelf;
    fullest?.dropOldest();
  }
}

/** The kept events of one session, oldest first. */
export class Shelf {
  readonly #bounds: ReplayBounds;
  readonly #weigh: (shelf: Shelf, change: number) => void;
  #events: Kept[] = [];
  #bytes = 0;
  #closed = false;

  constructor(bounds: ReplayBounds, weigh: (shelf: Shelf, change: number) => void) {
    this.#bounds = bounds;
    this.#weigh = weigh;
  }

  get count(): number {
    return this.#events.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps the newest event of a stream. One that is too large to be kept is lost, and with it what came before it. */
  keep(origin: Origin, event: number, text: RedactedJson): void {
    const bytes = overheadBytes + Buffer.byteLength(text);
    if (this.#closed || bytes > this.#bounds.bytesMax) return this.#lose(origin, event);
    this.#events.push({ origin, event, text, bytes });
    this.#bytes += bytes;
    while (this.#bytes > this.#bounds.bytesMax || this.#events.length > this.#bounds.eventsMax)
      this.dropOldest();
    this.#weigh(this, bytes);
  }

  /** What a stream said after one of its events, oldest first. */
  after(origin: Origin, event: number): readonly Kept[] {
    return this.#events.filter((kept) => kept.origin === origin && kept.event > event);
  }

  dropOldest(): void {
    const oldest = this.#events.shift();
    if (oldest === undefined) return;
    this.#bytes -= oldest.bytes;
    this.#weigh(this, -oldest.bytes);
    oldest.origin.lose(oldest.event);
  }

  /** The session is over: nothing is kept any more. */
  close(): void {
    const bytes = this.#bytes;
    this.#closed = true;
    this.#events = [];
    this.#bytes = 0;
    this.#weigh(this, -bytes);
  }

  #lose(origin: Origin, event: number): void {
    const gone = this.#events.filter((kept) => kept.origin === origin);
    if (gone.length > 0) {
      const bytes = gone.reduce((sum, kept) => sum + kept.bytes, 0);
      this.#events = this.#events.filter((kept) => kept.origin !== origin);
      this.#bytes -= bytes;
      this.#weigh(this, -bytes);
    }
    origin.lose(event);
  }
}
