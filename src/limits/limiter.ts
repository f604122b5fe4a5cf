import type { Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { Charge, Exhausted, Permit, Receipt } from '../domain/decision.ts';
import type { Orders } from '../domain/orders.ts';
import { realAfter, type After } from './after.ts';
import { claimsOf, type Claims } from './claims.ts';
import { isObserving } from './observing.ts';
import { exhausted, Places } from './places.ts';
import type { TakeStore } from './take-store.ts';
import { Windows } from './windows.ts';

export type LimiterParts = {
  readonly clock: Clock;
  readonly store: TakeStore;
  readonly after?: After;
  /** How long a call may stand in line for a place. */
  readonly waitWithinMs?: number;
  readonly windowsMax?: number;
  readonly windowsPerCallerMax?: number;
  readonly takesMax?: number;
};

/** Less than clients wait for an answer by default, so that they hear of it. */
const waitWithinMsDefault = 50_000;
const windowsMaxDefault = 100_000;
const windowsPerCallerMaxDefault = 10_000;
/** 16 bytes each. */
const takesMaxDefault = 1_000_000;

/** Charges calls: so many in a span, so much in a span, so many at once. All limits of a call, or none. */
export class Limiter {
  readonly #windows: Windows;
  readonly #places: Places;

  /** Takes over what earlier runs took. Throws what the store throws. */
  constructor({
    clock,
    store,
    after = realAfter,
    waitWithinMs = waitWithinMsDefault,
    windowsMax = windowsMaxDefault,
    windowsPerCallerMax = windowsPerCallerMaxDefault,
    takesMax = takesMaxDefault,
  }: LimiterParts) {
    this.#windows = new Windows({ clock, store, windowsMax, windowsPerCallerMax, takesMax });
    this.#places = new Places({ after, waitWithinMs });
  }

  /** How many windows are kept. */
  get count(): number {
    return this.#windows.count;
  }

  /** Calls that stand in line. */
  get waiting(): number {
    return this.#places.waiting;
  }

  /** Limits on calls at once that somebody holds a place of. */
  get held(): number {
    return this.#places.count;
  }

  /**
   * Charges all limits of a call, or none and says when to come back. Waits only where the policy lets calls stand in line;
   * then it is charged when its turn comes, so that no window is passed by calls that stood there. Throws or rejects with
   * `AUDIT_UNAVAILABLE`, and with `CANCELLED`. A call that was `charged` before, when somebody was asked about it, only needs
   * its place.
   */
  readonly charge = (
    orders: Orders,
    call: Call,
    permit: Permit,
    charged = false,
  ): Charge | Promise<Charge> => {
    const claims = claimsOf(orders, call, permit, charged);
    if (claims === undefined) return paid;
    const caller = call.principal.name;
    if (isObserving(orders, call)) return this.#observe(claims, caller);
    const refusal = this.#refusal(claims, caller);
    if (refusal !== undefined) return refusal;
    const { places } = claims;
    const full = places.length === 0 ? undefined : this.#places.full(places);
    if (full === undefined) return this.#pay(claims, caller);
    if (full.waiting === 0) return exhausted(full);
    const pay = () => this.#refusal(claims, caller) ?? this.#pay(claims, caller);
    return this.#places.wait({ wants: places, caller, halt: call.halt, pay });
  };

  /** Nothing is refused here, but what would have been is charged to nothing, just as if it were. */
  #observe(claims: Claims, caller: string): Receipt {
    const full = this.#places.full(claims.places);
    const would = this.#refusal(claims, caller)?.limit ?? full?.words;
    return would === undefined ? this.#pay(claims, caller) : { ...paid, would };
  }

  #refusal({ unfit, counts }: Claims, caller: string): Exhausted | undefined {
    if (unfit !== undefined) return { kind: 'exhausted', limit: unfit, retryInMs: Infinity };
    return this.#windows.refusal(counts, caller);
  }

  #pay({ counts, places }: Claims, caller: string): Receipt {
    this.#windows.take(counts, caller);
    return places.length === 0 ? paid : { ...paid, done: this.#places.take(places) };
  }

  /** To be called now and then, so that a wall clock that is set while nobody calls is noticed before a restart. */
  keepTime(): void {
    this.#windows.keepTime();
  }
}

const paid: Receipt = { kind: 'paid', done: () => undefined, would: undefined };
