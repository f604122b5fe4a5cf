import type { Clock } from '../domain/clock.ts';
import type { Exhausted } from '../domain/decision.ts';
import type { Claim } from './claims.ts';
import type { KeptTake, TakeStore } from './take-store.ts';
import { lastTake, noTakes, take, takesWithin, waitMs, type Takes } from './window.ts';

export type WindowsParts = {
  readonly clock: Clock;
  readonly store: TakeStore;
  /** Windows kept at once, over all callers. */
  readonly windowsMax: number;
  /** Windows that one caller may bring about, so that made-up names of targets cannot use up everybody's room. */
  readonly windowsPerCallerMax: number;
  /** Takes remembered at once, over all windows. Beyond it windows get coarser, which is stricter. */
  readonly takesMax: number;
};

type Window = {
  readonly takes: Takes;
  /** Who brought it about; undefined: an earlier run. */
  readonly owner: string | undefined;
  keepMs: number;
};

/** How often windows that nobody uses any more are cleared away. */
const sweepEveryMs = 60_000;
/** How often at most, when there is no room left. */
const sweepAgainMs = 1000;
/** A wall clock that is further off than this, counted from the steady one, was set. */
const jumpMs = 1000;

/**
 * What everybody has taken lately, in memory and in the store. A window that still counts is never forgotten to make room,
 * because that would refill it.
 *
 * Memory goes by the steady clock, the store by the wall clock, because only that outlives us. A wall clock that is set
 * while we run does no harm: the store is written anew by the new one, with the same ages. One that is set back while we
 * are down makes takes younger, never older, and one from the future counts as of now: stricter, for one span at most.
 * One that is set forward while we are down cannot be told from time that has passed.
 */
export class Windows {
  readonly #clock: Clock;
  readonly #store: TakeStore;
  readonly #bounds: WindowsParts;
  readonly #windows = new Map<string, Window>();
  /** Owner → how many of the windows are theirs. */
  readonly #owned = new Map<string, number>();
  #room = 0;
  #sweptAtMs: number;
  /** What is added to the steady clock to get the times in the store. */
  #offsetMs: number;

  /** Takes over what earlier runs took. Throws `AUDIT_UNAVAILABLE` when that cannot be written anew. */
  constructor(parts: WindowsParts) {
    this.#clock = parts.clock;
    this.#store = parts.store;
    this.#bounds = parts;
    const now = this.#clock.steadyMs();
    this.#sweptAtMs = now;
    this.#offsetMs = this.#clock.wallMs() - now;
    this.#store.rewrite(this.#takeOver(now));
  }

  /** How many windows are kept. */
  get count(): number {
    return this.#windows.size;
  }

  /** The one of these limits that makes the caller wait longest; undefined where all have room. Charges nothing. */
  refusal(claims: readonly Claim[], caller: string): Exhausted | undefined {
    const now = this.#clock.steadyMs();
    if (now - this.#sweptAtMs >= sweepEveryMs) this.#sweep(now);
    let refusal: Exhausted | undefined;
    let missing = 0;
    for (const { key, amount, bounds } of claims) {
      const window = this.#windows.get(key);
      if (window === undefined) missing++;
      for (const bound of bounds) {
        const retryInMs = waitMs(window?.takes ?? none, bound, amount, now);
        if (retryInMs > (refusal?.retryInMs ?? 0))
          refusal = { kind: 'exhausted', limit: bound.words, retryInMs: Math.ceil(retryInMs) };
      }
    }
    return refusal ?? (missing === 0 ? undefined : this.#refusalForRoom(caller, missing, now));
  }

  /**
   * Charges all of these: first where it outlives us, then in memory. Only right after `refusal` found none. Throws
   * `AUDIT_UNAVAILABLE`, and then none is charged: a limit that could not be kept would be refilled by a restart.
   */
  take(claims: readonly Claim[], caller: string): void {
    if (claims.length === 0) return;
    const now = this.#clock.steadyMs();
    this.keepTime(now);
    this.#store.add(stamp(now + this.#offsetMs), claims);
    for (const { key, amount, keepMs } of claims) {
      const window = this.#windows.get(key) ?? this.#open(key, caller, keepMs);
      window.keepMs = keepMs;
      this.#takeInto(window, amount, now);
    }
    if (this.#store.isOvergrown()) this.#rewrite(now, this.#offsetMs);
  }

  /** To be asked now and then: takes that a slow clock has stamped would be forgotten too soon after a restart. */
  keepTime(now = this.#clock.steadyMs()): void {
    const offsetMs = this.#clock.wallMs() - now;
    if (Math.abs(offsetMs - this.#offsetMs) > jumpMs) this.#rewrite(now, offsetMs);
  }

  /**
   * Gives what still counts, for the store: with its own times, or a daemon that starts again and again would renew it. What
   * falls into one step of a count is one, taken when the last of it was: else each start would make the file larger.
   */
  #takeOver(now: number): readonly KeptTake[] {
    const wallMs = this.#clock.wallMs();
    const live: KeptTake[] = [];
    /** Of each count: where its youngest stands in `live`. */
    const youngest = new Map<string, number>();
    for (const kept of this.#store.load()) {
      // Up to `jumpMs` the clocks may have drifted apart unnoticed.
      const ageMs = Math.max(0, wallMs - kept.at - jumpMs);
      if (ageMs >= kept.keepMs) continue;
      const it = { ...kept, at: Math.min(kept.at, stamp(wallMs)) };
      const place = youngest.get(kept.key) ?? -1;
      const before = live[place];
      if (before !== undefined && isOneStep(before, it))
        live[place] = { ...it, amount: before.amount + it.amount };
      else youngest.set(kept.key, live.push(it) - 1);
      const window = this.#windows.get(kept.key) ?? this.#open(kept.key, undefined, kept.keepMs);
      window.keepMs = kept.keepMs;
      this.#takeInto(window, kept.amount, now - ageMs);
    }
    return live;
  }

  #open(key: string, owner: string | undefined, keepMs: number): Window {
    const window = { takes: noTakes(), owner, keepMs };
    this.#windows.set(key, window);
    this.#room += window.takes.times.length;
    if (owner !== undefined) this.#owned.set(owner, (this.#owned.get(owner) ?? 0) + 1);
    return window;
  }

  #takeInto({ takes, keepMs }: Window, amount: number, at: number): void {
    const { length } = takes.times;
    take(takes, amount, at, { keepMs, mayGrow: this.#room + length <= this.#bounds.takesMax });
    this.#room += takes.times.length - length;
  }

  #refusalForRoom(caller: string, missing: number, now: number): Exhausted | undefined {
    if (this.#hasRoom(caller, missing)) return undefined;
    if (now - this.#sweptAtMs >= sweepAgainMs) this.#sweep(now);
    if (this.#hasRoom(caller, missing)) return undefined;
    return { kind: 'exhausted', limit: 'too many different targets at once', retryInMs: sweepAgainMs };
  }

  #hasRoom(caller: string, missing: number): boolean {
    const { windowsMax, windowsPerCallerMax } = this.#bounds;
    const own = this.#owned.get(caller) ?? 0;
    return own + missing <= windowsPerCallerMax && this.#windows.size + missing <= windowsMax;
  }

  /** Clears away windows whose youngest take counts no more. */
  #sweep(now: number): void {
    this.#sweptAtMs = now;
    for (const [key, { takes, keepMs, owner }] of this.#windows) {
      if (now - lastTake(takes) < keepMs) continue;
      this.#windows.delete(key);
      this.#room -= takes.times.length;
      if (owner === undefined) continue;
      const left = (this.#owned.get(owner) ?? 0) - 1;
      if (left > 0) this.#owned.set(owner, left);
      else this.#owned.delete(owner);
    }
  }

  #rewrite(now: number, offsetMs: number): void {
    try {
      this.#store.rewrite(this.#live(now, offsetMs));
      this.#offsetMs = offsetMs;
    } catch {
      // The old file is whole and goes on, by the old times. When it cannot even be added to, the call is refused.
    }
  }

  /** What still counts, in steps of a thousandth of its span, so that writing it anew does not hold up the calls. */
  *#live(now: number, offsetMs: number): Generator<KeptTake> {
    for (const [key, { takes, keepMs }] of this.#windows) {
      const stepMs = stepOf(keepMs);
      let step: KeptTake | undefined;
      for (const { at, amount } of takesWithin(takes, keepMs, now)) {
        const until = Math.ceil(stamp(at + offsetMs) / stepMs) * stepMs;
        if (step !== undefined && step.at !== until) yield step;
        step = { key, keepMs, amount: amount + (step?.at === until ? step.amount : 0), at: until };
      }
      if (step !== undefined) yield step;
    }
  }
}

const none = noTakes();

function stepOf(keepMs: number): number {
  return Math.max(1, Math.floor(keepMs / 1000));
}

/** Whether two of one count may be kept as one. */
function isOneStep(one: KeptTake, other: KeptTake): boolean {
  const stepMs = stepOf(one.keepMs);
  return (
    one.keepMs === other.keepMs &&
    one.at <= other.at &&
    Math.floor(one.at / stepMs) === Math.floor(other.at / stepMs) &&
    Number.isSafeInteger(one.amount + other.amount)
  );
}

/** Rounded up: what is younger is forgotten later. A clock that nobody has set yet may be near 1970, or before. */
function stamp(wallMs: number): number {
  return Math.max(0, Math.ceil(wallMs));
}
