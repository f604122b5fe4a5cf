export type HaltReason =
  | 'cancelled by the caller'
  | 'the caller went away'
  | 'switched off by the operator'
  | 'session ended'
  | 'its credential is not good any more'
  | 'took too long'
  | 'daemon stopping';

/**
 * One call's stop signal. A call waits in one place at a time (for a yes, in a line, or for an answer), so one listener
 * is enough; an AbortController would cost the hot path ten times as much.
 */
export class Halt {
  #reason: HaltReason | undefined;
  #listener: ((reason: HaltReason) => void) | undefined;

  get reason(): HaltReason | undefined {
    return this.#reason;
  }

  /** Stops the call. The first reason stays; later ones are ignored. */
  call(reason: HaltReason): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.(reason);
  }

  /** Says who to tell; replaces the one before. Told at once when the call was already stopped. */
  listen(listener: (reason: HaltReason) => void): void {
    if (this.#reason === undefined) this.#listener = listener;
    else listener(this.#reason);
  }

  /** The wait is over: nobody needs to be told. */
  unlisten(): void {
    this.#listener = undefined;
  }
}
