import type { Clock } from '../domain/clock.ts';
import type { Halt } from '../domain/halt.ts';
import type { ServerSpec } from '../domain/orders.ts';
import { Settled } from './settled.ts';

export type Sleeper = {
  readonly clock: Clock;
  readonly spec: ServerSpec;
  /** Whether the child that shows what the server offers is there and has said it. */
  readonly isAwake: () => boolean;
  /** Whether there is nothing to wait for any more: it is awake, or it cannot come. */
  readonly isSettled: () => boolean;
  /** Whether somebody uses it without calling. */
  readonly isFollowed: () => boolean;
  readonly wake: () => void;
  readonly sleep: (why: string) => void;
};

/**
 * A server that is started when the first call wants it, and stopped when nobody has used it for a while. Whoever comes while it
 * sleeps waits until it has said what it offers: else a tool that has changed would be called as what it was before.
 */
export class Slumber {
  readonly #it: Sleeper;
  #busy = 0;
  /** Steady milliseconds. */
  #usedAt: number;
  readonly #settled: Settled;

  constructor(it: Sleeper) {
    this.#it = it;
    this.#settled = new Settled(it.isSettled, it.spec.startWithinMs);
    this.#usedAt = it.clock.steadyMs();
  }

  /** Does something with the server, which does not go to sleep meanwhile. */
  async use<T>(halt: Halt, work: () => Promise<T>): Promise<T> {
    const leave = await this.hold(halt);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** Wakes it, and keeps it awake until it is left. Never rejects; see `#awake`. */
  async hold(halt: Halt): Promise<() => void> {
    this.#busy++;
    if (!this.#it.isAwake()) await this.#awake(halt);
    let isLeft = false;
    return () => {
      if (isLeft) return;
      isLeft = true;
      this.#busy--;
      this.#usedAt = this.#it.clock.steadyMs();
    };
  }

  /** Stops it if nobody has used it for so long. In the same breath as the look, so that no call comes between. */
  look(now: number): void {
    const { spec, isAwake, isFollowed, sleep } = this.#it;
    if (this.#busy === 0 && isAwake() && !isFollowed() && now - this.#usedAt >= spec.idleMs)
      sleep('nobody used it');
  }

  /** Its state has changed. */
  changed(): void {
    this.#settled.changed();
  }

  /** Resolves when it has said what it offers, or will not; and as `Settled`. */
  #awake(halt: Halt): Promise<void> {
    this.#it.wake();
    return this.#settled.come(halt);
  }
}
