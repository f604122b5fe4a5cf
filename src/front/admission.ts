import type { OverloadTerms } from '../domain/care.ts';
import type { TurnedAway } from '../protocol/wire-errors.ts';

export type AdmissionTerms = Pick<OverloadTerms, 'requestsMax' | 'perCallerMax' | 'bodyBytesMax'>;

export type AdmissionParts = {
  readonly terms: AdmissionTerms;
  /** Whether the daemon is so late that nothing new is begun. */
  readonly isLate: () => boolean;
  /** From 0 to 1: those who are turned away together should not come back together. */
  readonly random: () => number;
};

/** How many were turned away since the start, by what there was too much of. */
export type TurnedAwayCounts = Record<
  'late' | 'requests' | 'perCaller' | 'bodies' | 'streams' | 'connections',
  number
>;

/**
 * What is under way, of one caller or of all. `requests`: everything that was let in; a batch is as many as it sets going.
 * `calls`: of them, those that are known to ask for something.
 */
type Tally = { requests: number; calls: number; streams: number; bytes: number };
/** The most of them at once. */
type Cap = Readonly<Pick<Tally, 'requests' | 'calls'>>;

/** Callers that are remembered without having anything under way; beyond it, they are forgotten together. */
const idleCallersMax = 4096;
/** Answers of people in a chat, whose calls wait: never turned away for calls, and so few at once. */
const asidesMax = 64;

/**
 * Who may come in: so many requests at once, so many of one caller, so many bytes of bodies. To come in and to leave is to
 * count up and down; nobody waits here, because a line in front of a door that is too narrow only makes everybody late.
 */
export class Admission {
  readonly turnedAway: TurnedAwayCounts = {
    late: 0,
    requests: 0,
    perCaller: 0,
    bodies: 0,
    streams: 0,
    connections: 0,
  };
  readonly #parts: AdmissionParts;
  readonly #cap: Cap;
  readonly #callerCap: Cap;
  readonly #callerBytesMax: number;
  readonly #callers = new Map<string, Tally>();
  #callersMax = idleCallersMax;
  readonly #all: Tally = nothing();
  #asides = 0;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    const { requestsMax, perCallerMax, bodyBytesMax } = parts.terms;
    this.#cap = capOf(requestsMax);
    this.#callerCap = capOf(perCallerMax);
    // One caller's half: who fills it leaves the other half to everybody else.
    this.#callerBytesMax = Math.ceil(bodyBytesMax / 2);
  }

  get requests(): number {
    return this.#all.requests;
  }

  get streams(): number {
    return this.#all.streams;
  }

  get bodyBytes(): number {
    return this.#all.bytes;
  }

  get callers(): number {
    return this.#callers.size;
  }

  /**
   * A request has come, and nothing of its body was read. `surely`: it is one that asks for something. What may also be an
   * answer that a waiting call needs, or takes one back, is let in a little beyond the cap and looked at: see `Stay.begins`.
   */
  enter(surely: boolean): Stay | TurnedAway {
    if (this.#parts.isLate()) return this.#away('late');
    const calls = surely ? 1 : 0;
    if (!hasRoom(this.#all, this.#cap, 1, calls)) return this.#away('requests');
    count(this.#all, 1, calls);
    return new Stay(this, calls);
  }

  /** Says yes or no to calls that wait: however full it is, they are let in, a few at once. Gives the way to leave. */
  enterAside(): (() => void) | TurnedAway {
    if (this.#asides >= asidesMax) return this.#away('requests');
    this.#asides++;
    return once(() => void this.#asides--);
  }

  /** A stream that its caller may hold for as long as it likes. Gives the way to leave. */
  enterStream(caller: string): (() => void) | TurnedAway {
    if (this.#parts.isLate()) return this.#away('late');
    const tally = this.#tally(caller);
    if (tally.streams >= this.#parts.terms.perCallerMax) return this.#away('streams');
    tally.streams++;
    this.#all.streams++;
    return once(() => {
      tally.streams--;
      this.#all.streams--;
    });
  }

  /** There is no room for the connection that a request came on. */
  noRoom(): TurnedAway {
    return this.#away('connections');
  }

  /** For `Stay` alone: of whom one more request is, which is a call already where `calls` is 1. */
  claim(caller: string, calls: number): Tally | TurnedAway {
    const tally = this.#tally(caller);
    if (!hasRoom(tally, this.#callerCap, 1, calls)) return this.#away('perCaller');
    count(tally, 1, calls);
    return tally;
  }

  /** For `Stay` alone: counts `more` requests besides the one that is counted already, and `calls` more calls. */
  begin(tally: Tally, more: number, calls: number): TurnedAway | undefined {
    // Who has too much of their own under way is told that, also when there is too much of everybody's.
    if (!hasRoom(tally, this.#callerCap, more, calls)) return this.#away('perCaller');
    if (!hasRoom(this.#all, this.#cap, more, calls)) return this.#away('requests');
    count(this.#all, more, calls);
    count(tally, more, calls);
    return undefined;
  }

  /** For `Stay` alone. */
  hold(tally: Tally, bytes: number): TurnedAway | undefined {
    if (this.#all.bytes + bytes > this.#parts.terms.bodyBytesMax) return this.#away('bodies');
    if (tally.bytes + bytes > this.#callerBytesMax) return this.#away('bodies', 'caller');
    this.#all.bytes += bytes;
    tally.bytes += bytes;
    return undefined;
  }

  /** For `Stay` alone. */
  left(tally: Tally | undefined, requests: number, calls: number, bytes: number): void {
    count(this.#all, -requests, -calls);
    if (tally === undefined) return;
    this.#all.bytes -= bytes;
    count(tally, -requests, -calls);
    tally.bytes -= bytes;
  }

  #tally(caller: string): Tally {
    const found = this.#callers.get(caller);
    if (found !== undefined) return found;
    if (this.#callers.size >= this.#callersMax) this.#forgetIdle();
    const fresh = nothing();
    this.#callers.set(caller, fresh);
    return fresh;
  }

  /** Those who have something under way stay, so there are never more than these and the requests and streams there are. */
  #forgetIdle(): void {
    for (const [caller, { requests, streams }] of this.#callers)
      if (requests === 0 && streams === 0) this.#callers.delete(caller);
    // With many callers at work, each new one would otherwise go through all of them.
    this.#callersMax = Math.max(idleCallersMax, this.#callers.size * 2);
  }

  #away(why: keyof TurnedAwayCounts, who = whose[why]): TurnedAway {
    this.turnedAway[why]++;
    // One to three seconds: long enough for a wave to pass, and short enough to be well again soon.
    return { kind: 'turned away', who, retryInMs: 1000 + Math.floor(this.#parts.random() * 2000) };
  }
}

const whose: Readonly<Record<keyof TurnedAwayCounts, TurnedAway['who']>> = {
  late: 'everybody',
  requests: 'everybody',
  perCaller: 'caller',
  bodies: 'everybody',
  streams: 'caller',
  connections: 'everybody',
};

/** One request while it is under way. */
export class Stay {
  readonly kind = 'stay';
  readonly #house: Admission;
  #tally: Tally | undefined;
  #requests = 1;
  #calls: number;
  #bytes = 0;

  /** `calls`: 1 where it is known already that it asks for something. */
  constructor(house: Admission, calls: number) {
    this.#house = house;
    this.#calls = calls;
  }

  /** It is known who sent it. Must be said before `holds` and `begins`. */
  of(caller: string): TurnedAway | undefined {
    const claimed = this.#house.claim(caller, this.#calls);
    if ('kind' in claimed) return claimed;
    this.#tally = claimed;
    return undefined;
  }

  /** So many bytes more of it are held. Those of somebody unknown are not read at all. */
  holds(bytes: number): TurnedAway | undefined {
    if (this.#tally === undefined) return undefined;
    const away = this.#house.hold(this.#tally, bytes);
    if (away === undefined) this.#bytes += bytes;
    return away;
  }

  /** It was read and sets so many requests going: none where it is an answer or a notification, which never are too many. */
  begins(requests: number): TurnedAway | undefined {
    if (this.#tally === undefined || requests === 0) return undefined;
    const away = this.#house.begin(this.#tally, requests - 1, requests - this.#calls);
    if (away === undefined) this.#requests = this.#calls = requests;
    return away;
  }

  /** It is over. May be called twice. */
  leave(): void {
    // It counts as one for everybody before it counts for its caller.
    this.#house.left(this.#tally, this.#requests, this.#calls, this.#bytes);
    this.#tally = undefined;
    this.#requests = this.#calls = this.#bytes = 0;
  }
}

function nothing(): Tally {
  return { requests: 0, calls: 0, streams: 0, bytes: 0 };
}

function count(tally: Tally, requests: number, calls: number): void {
  tally.requests += requests;
  tally.calls += calls;
}

/** More requests than calls: some are read before it is known whether they ask for anything. */
function capOf(calls: number): Cap {
  return { calls, requests: calls + Math.max(8, Math.ceil(calls / 8)) };
}

/**
 * What is not read yet, or waits for its turn, may be an answer: held against the cap of calls, it would take the places of other
 * callers' calls.
 */
function hasRoom(tally: Tally, cap: Cap, requests: number, calls: number): boolean {
  return tally.calls + calls <= cap.calls && tally.requests + requests <= cap.requests;
}

function once(leave: () => void): () => void {
  let left = false;
  return () => {
    if (left) return;
    left = true;
    leave();
  };
}
