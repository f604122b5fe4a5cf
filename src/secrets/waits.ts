/** Does something later, and gives the way not to. */
export type After = (ms: number, work: () => void) => () => void;

const firstMs = 5_000;
const mostMs = 5 * 60_000;
/** setTimeout counts in 32 bits; more than 24 days would be at once. */
const timerMsMax = 2 ** 31 - 1;

const realAfter: After = (ms, work) => {
  // A stopping daemon does not wait for a secret to expire.
  const timer = setTimeout(work, Math.min(ms, timerMsMax)).unref();
  return () => clearTimeout(timer);
};

/** Things that are to be done later, one for each name, with growing pauses where they fail. */
export class Waits {
  readonly #after: After;
  readonly #waiting = new Map<string, { readonly cancel: () => void; readonly failures: number }>();
  #closed = false;

  constructor(after: After | undefined) {
    this.#after = after ?? realAfter;
  }

  has(name: string): boolean {
    return this.#waiting.has(name);
  }

  in(name: string, ms: number, work: () => void): void {
    this.#set(name, ms, 0, () => {
      this.#waiting.delete(name);
      work();
    });
  }

  /** It failed: 5 s, then twice as long each time, up to 5 minutes. */
  again(name: string, work: () => void): void {
    const failures = (this.#waiting.get(name)?.failures ?? 0) + 1;
    this.#set(name, Math.min(mostMs, firstMs * 2 ** (failures - 1)), failures, work);
  }

  cancel(name: string): void {
    this.#waiting.get(name)?.cancel();
    this.#waiting.delete(name);
  }

  close(): void {
    this.#closed = true;
    for (const name of [...this.#waiting.keys()]) this.cancel(name);
  }

  #set(name: string, ms: number, failures: number, work: () => void): void {
    this.#waiting.get(name)?.cancel();
    if (this.#closed) return;
    this.#waiting.set(name, { cancel: this.#after(ms, work), failures });
  }
}
