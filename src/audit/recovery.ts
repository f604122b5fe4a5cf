import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Backlog, Line } from './backlog.ts';
import type { HeldJournal } from './held-journal.ts';
import { Syncs, type Later } from './syncs.ts';

export type RecoveryParts = {
  readonly clock: Clock;
  readonly later: Later;
  readonly held: HeldJournal;
  readonly backlog: Backlog;
  /** Writes and seals what the journal says of itself. Throws `AUDIT_UNAVAILABLE`. */
  readonly say: (texts: readonly string[]) => void;
  /** The journal failed: nobody who waits for it gets a yes. May be told again for another reason. */
  readonly onTrouble: (fault: Fault) => void;
  /** It works again. */
  readonly onWorks: () => void;
  readonly waitingMax: number;
  readonly slowAfterMs: number;
};

/** What was written for a disk to confirm that had failed before. */
type Proving = { readonly lines: readonly Line[]; readonly lost: number };

/** How long a failed journal is left alone before the next try. */
const retryAfterMs = 1000;

/**
 * Knows whether the journal works, and brings it back. A write that failed is followed by a try with a real write. A disk that
 * did not confirm what it was asked to has to confirm a new file first: the kernel may have dropped what it failed to write,
 * and would say yes the next time. A disk that does not answer is waited for.
 */
export class Recovery {
  readonly syncs: Syncs;
  readonly #parts: RecoveryParts;
  #trouble: { readonly fault: Fault; readonly atMs: number } | undefined;
  #proving: Proving | undefined;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;

  constructor(parts: RecoveryParts) {
    const { held, later, waitingMax, slowAfterMs } = parts;
    this.#parts = parts;
    this.syncs = new Syncs({
      sync: () => held.sync(),
      later,
      slowAfterMs,
      waitingMax,
      onSlow: (fault) => this.#slow(fault),
      onLate: () => (this.#proving === undefined ? void this.ready() : this.#proved()),
      onFailed: (fault) => this.#unconfirmed(fault),
    });
  }

  /** Why nothing is written at this moment. */
  get trouble(): Fault | undefined {
    return this.#trouble?.fault;
  }

  /** Whether something would be written now. A journal that failed a second ago or earlier is tried. */
  ready(): boolean {
    if (this.#trouble === undefined) return true;
    const since = this.#parts.clock.steadyMs() - this.#trouble.atMs;
    const isAsked = this.#proving !== undefined || this.syncs.isSlow;
    return !this.#stopped && !isAsked && since >= retryAfterMs && this.#recover();
  }

  /** A write failed; `lines` are not in the journal. */
  unwritten(fault: Fault, lines: readonly Line[]): void {
    this.#parts.held.letGo();
    this.syncs.abandon(fault);
    this.#parts.backlog.putBack(lines);
    this.#isTroubled(fault);
  }

  /** No more tries. */
  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
  }

  #unconfirmed(fault: Fault): void {
    if (this.#stopped) return;
    if (this.#proving === undefined) this.#parts.held.suspect();
    else {
      // The try to go on, as if it had not been made.
      this.#parts.held.undo();
      this.#parts.backlog.putBack(this.#proving.lines);
      this.#proving = undefined;
    }
    this.#isTroubled(fault);
  }

  #slow(fault: Fault): void {
    // While a disk is asked whether it works again, that it takes long is no news.
    if (!this.#stopped && this.#proving === undefined) this.#isTroubled(fault);
  }

  #isTroubled(fault: Fault): void {
    this.#trouble = { fault, atMs: this.#parts.clock.steadyMs() };
    this.#retryLater();
    this.#parts.onTrouble(fault);
  }

  /** Without this, a red readiness check would keep away the very calls that could turn it green. */
  #retryLater(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = this.#parts.later(retryAfterMs, () => {
      if (!this.ready() && !this.#stopped) this.#retryLater();
    });
  }

  #recover(): boolean {
    const { held, backlog } = this.#parts;
    const { lost } = backlog;
    const { isSuspect } = held;
    const lines = backlog.take();
    try {
      const gap = lost === 0 ? [] : [held.own('lost', `,"count":${lost}`)];
      this.#parts.say([held.own('recovered'), ...gap, ...lines.map(({ text }) => text)]);
    } catch (reason) {
      if (isSuspect) held.undo();
      else held.letGo();
      backlog.putBack(lines);
      this.#trouble = { fault: Fault.from(reason), atMs: this.#parts.clock.steadyMs() };
      return false;
    }
    if (!isSuspect) return this.#works(lost);
    this.#proving = { lines, lost };
    const proved = () => this.#proved();
    // Where it fails, `onFailed` is told; where it takes long, `onLate` comes after all.
    this.syncs.wait().then(proved, () => undefined);
    return false;
  }

  #proved(): void {
    if (this.#proving === undefined) return;
    const { lost } = this.#proving;
    this.#proving = undefined;
    this.#works(lost);
  }

  #works(lost: number): true {
    this.#parts.held.trust();
    this.#parts.backlog.found(lost);
    this.#trouble = undefined;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#parts.onWorks();
    return true;
  }
}
