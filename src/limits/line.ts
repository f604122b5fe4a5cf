/** Somebody who stands in a line. */
export type Standing = {
  readonly caller: string;
  /** Who came earlier has the smaller number. */
  readonly number: number;
};

/**
 * A line that callers share: each caller's own calls in the order they came, and the callers in turn, so that one who sends
 * a hundred calls does not make another wait for all of them.
 */
export class Line<Waiter extends Standing> {
  /** In the order of their turns. */
  readonly #callers = new Map<string, Waiter[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(waiter: Waiter): void {
    const own = this.#callers.get(waiter.caller);
    this.#size++;
    if (own === undefined) {
      this.#callers.set(waiter.caller, [waiter]);
      return;
    }
    let at = own.length;
    while (at > 0 && (own[at - 1]?.number ?? 0) > waiter.number) at--;
    own.splice(at, 0, waiter);
  }

  /** Takes out who is next. That caller's turn comes again after everybody else's. */
  shift(): Waiter | undefined {
    for (const [caller, own] of this.#callers) {
      const next = own.shift();
      this.#callers.delete(caller);
      if (own.length > 0) this.#callers.set(caller, own);
      if (next !== undefined) this.#size--;
      return next;
    }
    return undefined;
  }

  remove(waiter: Waiter): void {
    const own = this.#callers.get(waiter.caller);
    const at = own?.indexOf(waiter) ?? -1;
    if (own === undefined || at < 0) return;
    own.splice(at, 1);
    this.#size--;
    if (own.length === 0) this.#callers.delete(waiter.caller);
  }

  /**
   * Takes out the youngest of whoever stands here most often, to make room for this caller; undefined when that would only
   * make another caller the one with too few.
   */
  makeRoomFor(caller: string): Waiter | undefined {
    let crowd: Waiter[] = [];
    for (const own of this.#callers.values()) if (own.length > crowd.length) crowd = own;
    const own = this.#callers.get(caller)?.length ?? 0;
    const youngest = own + 1 < crowd.length ? crowd.at(-1) : undefined;
    if (youngest !== undefined) this.remove(youngest);
    return youngest;
  }
}
