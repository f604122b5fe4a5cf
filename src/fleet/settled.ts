import type { Halt } from '../domain/halt.ts';

/**
 * Waits until nothing is to be waited for any more, the time is over, or the call is stopped. Never rejects: what comes then
 * tells the caller why.
 */
export class Settled {
  readonly #isSo: () => boolean;
  readonly #withinMs: number;
  readonly #waiting = new Set<() => void>();

  constructor(isSo: () => boolean, withinMs: number) {
    this.#isSo = isSo;
    this.#withinMs = withinMs;
  }

  come(halt: Halt): Promise<void> {
    if (this.#isSo()) return Promise.resolve();
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        halt.unlisten();
        this.#waiting.delete(go);
        resolve();
      };
      const timer = setTimeout(go, this.#withinMs);
      this.#waiting.add(go);
      halt.listen(go);
    });
  }

  /** Something has changed that it depends on. */
  changed(): void {
    if (this.#waiting.size > 0 && this.#isSo()) for (const go of [...this.#waiting]) go();
  }
}
