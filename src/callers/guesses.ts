import { placeOf } from '../domain/place-of.ts';

/** Bounds of failed sign-ins from one place. */
export type GuessBounds = {
  /** Failures a minute that are answered as what they are. */
  readonly failuresMax: number;
  /** Checks of tokens that one place may have under way at once. */
  readonly checksMax: number;
  /** How many of them may ask an issuer: fewer than `introspection.ts` asks at once, so that one place cannot fill that. */
  readonly asksMax: number;
  /** Places that are counted at once; beyond, the oldest is forgotten. */
  readonly placesMax: number;
};

export const guessBounds: GuessBounds = { failuresMax: 30, checksMax: 128, asksMax: 16, placesMax: 8192 };

type Tally = { startedMs: number; failures: number; checks: number; asks: number; nextAskMs: number };

const spanMs = 60_000;
/** How often a place that guesses may still have an issuer asked. */
const trickleMs = 1000;

/**
 * Counts failed sign-ins by the place they come from, an address or a /64 of IPv6, whose holder has 2^64 addresses of it.
 *
 * This is not what keeps guessers out: a key is 256 random bits, and a signature is harder still. It keeps them from costing
 * us anything. And nobody is locked out by it, which is what a guesser behind the same proxy, or on the same machine,
 * would otherwise use it for: whoever presents something good is let in as ever, because a key costs one hash, a token that is
 * known a look-up, and one that we can read ourselves a signature, which is no more than the rest of its request costs. Only
 * where an issuer has to be asked about a token that is seen for the first time, a place that guesses has to wait: one a
 * second still is asked about, and a client that comes back later is known from then on.
 *
 * Times are steady milliseconds, handed in.
 */
export class Guesses {
  readonly #bounds: GuessBounds;
  readonly #byPlace = new Map<string, Tally>();

  constructor(bounds: GuessBounds = guessBounds) {
    this.#bounds = bounds;
  }

  /** A sign-in has failed. `too many`: from there, that is all that is said from now on. */
  failed(remote: string, nowMs: number): 'said' | 'too many' {
    const tally = this.#tally(remote, nowMs);
    tally.failures++;
    return tally.failures > this.#bounds.failuresMax ? 'too many' : 'said';
  }

  /** Leave to check a token, and to ask somebody about it. `done` must be called when that is over. */
  begin(
    remote: string,
    nowMs: number,
    asking: 'its issuer' | 'nobody',
  ): { readonly done: () => void } | undefined {
    const tally = this.#tally(remote, nowMs);
    const { checksMax, asksMax, failuresMax } = this.#bounds;
    const asks = asking === 'its issuer' ? 1 : 0;
    if (tally.checks >= checksMax || tally.asks + asks > asksMax) return undefined;
    if (asks > 0 && tally.failures >= failuresMax) {
      if (nowMs < tally.nextAskMs) return undefined;
      tally.nextAskMs = nowMs + trickleMs;
    }
    tally.checks++;
    tally.asks += asks;
    let over = false;
    return {
      done: () => {
        if (over) return;
        over = true;
        tally.checks--;
        tally.asks -= asks;
      },
    };
  }

  /** How many places are counted. */
  get places(): number {
    return this.#byPlace.size;
  }

  #tally(remote: string, nowMs: number): Tally {
    const place = placeOf(remote);
    const found = this.#byPlace.get(place);
    if (found !== undefined) {
      if (nowMs - found.startedMs >= spanMs) {
        found.startedMs = nowMs;
        found.failures = 0;
      }
      return found;
    }
    // In the order in which they came; to forget one is to be lenient with it, never with a neighbour's key.
    for (const [oldest] of this.#byPlace) {
      if (this.#byPlace.size < this.#bounds.placesMax) break;
      this.#byPlace.delete(oldest);
    }
    const fresh = { startedMs: nowMs, failures: 0, checks: 0, asks: 0, nextAskMs: 0 };
    this.#byPlace.set(place, fresh);
    return fresh;
  }
}
