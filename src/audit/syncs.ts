import { Fault } from '../domain/faults.ts';
import type { Position } from './chain.ts';

/** Runs something later; gives the way to call it off. */
export type Later = (afterMs: number, run: () => void) => () => void;

export type SyncsParts = {
  /** Resolves when all that was written before the call is on the disk, with how far that is. */
  readonly sync: () => Promise<Position>;
  readonly later: Later;
  /** A sync that takes longer has whoever waits for it turned away. */
  readonly slowAfterMs: number;
  readonly waitingMax: number;
  /** A sync takes too long and somebody waits. Told again when it has ended after all. */
  readonly onSlow: (fault: Fault) => void;
  readonly onLate: () => void;
  /** The disk said no: nothing that was not confirmed before counts as saved. */
  readonly onFailed: (fault: Fault) => void;
};

type Waiting = PromiseWithResolvers<Position> & { count: number };

/**
 * Group commit: one sync at a time, and all who come while it is under way share the next one, because only a sync that
 * began after a record was written says something about it.
 */
export class Syncs {
  readonly #parts: SyncsParts;
  #running: Waiting | undefined;
  #next: Waiting | undefined;
  /** The one that runs takes too long, and those who waited were turned away. */
  #isSlow = false;
  #isFlying = false;

  constructor(parts: SyncsParts) {
    this.#parts = parts;
  }

  /** Too many wait, or the disk does not answer: nobody should be added to them. */
  get busy(): Fault | undefined {
    const waiting = (this.#running?.count ?? 0) + (this.#next?.count ?? 0);
    if (this.#isSlow) return slow(`it has not answered for ${this.#parts.slowAfterMs} ms`);
    return waiting < this.#parts.waitingMax ? undefined : slow(`${waiting} groups of calls wait for it`);
  }

  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** Everything that was written before this call is on the disk. Rejects with `AUDIT_UNAVAILABLE`. */
  wait(): Promise<Position> {
    const waiting = (this.#next ??= { ...Promise.withResolvers<Position>(), count: 0 });
    waiting.count++;
    const { promise } = waiting;
    if (!this.#isFlying) void this.#fly();
    return promise;
  }

  /** Whoever waits is turned away. What runs goes on, because nothing can stop it. */
  abandon(fault: Fault): void {
    const waiting = [this.#running, this.#next];
    this.#running = undefined;
    this.#next = undefined;
    for (const it of waiting) it?.reject(fault);
  }

  async #fly(): Promise<void> {
    this.#isFlying = true;
    while (this.#next !== undefined) {
      this.#running = this.#next;
      this.#next = undefined;
      const calledOff = this.#watch();
      const result = await this.#parts.sync().catch((reason: unknown) => Fault.from(reason));
      calledOff();
      if (result instanceof Fault) this.#failed(result);
      else this.#done(result);
    }
    this.#isFlying = false;
  }

  #done(position: Position): void {
    const running = this.#running;
    this.#running = undefined;
    running?.resolve(position);
    if (!this.#isSlow) return;
    this.#isSlow = false;
    this.#parts.onLate();
  }

  #failed(fault: Fault): void {
    this.#isSlow = false;
    this.abandon(fault);
    this.#parts.onFailed(fault);
  }

  /** Gives the way to stop watching. */
  #watch(): () => void {
    return this.#parts.later(this.#parts.slowAfterMs, () => {
      this.#isSlow = true;
      const fault = slow(`it has not answered for ${this.#parts.slowAfterMs} ms`);
      this.abandon(fault);
      this.#parts.onSlow(fault);
    });
  }
}

function slow(detail: string): Fault {
  return new Fault('AUDIT_UNAVAILABLE', {
    detail: `the disk of the journal is slow: ${detail}`,
    hint: 'See what the disk is busy with: iostat -x 1. A running mcpd goes on by itself.',
  });
}
