/** Work that can be interrupted: it yields wherever something else may go on. */
export type Work<Result> = Generator<void, Result>;

/** Does all of it now. */
export function now<Result>(work: Work<Result>): Result {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Does large works step by step. Each turn of the event loop takes one step of one of them, however many there are: a step
 * of each would make everybody else wait for all.
 */
export class Turns {
  readonly #line: (() => boolean)[] = [];

  take<Result>(work: Work<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#line.push(() => {
        try {
          const step = work.next();
          if (step.done === true) resolve(step.value);
          return step.done === true;
        } catch (reason) {
          reject(reason instanceof Error ? reason : new Error(String(reason)));
          return true;
        }
      });
      if (this.#line.length === 1) setImmediate(() => this.#turn());
    });
  }

  #turn(): void {
    const [first] = this.#line;
    if (first === undefined) return;
    const isDone = first();
    this.#line.shift();
    if (!isDone) this.#line.push(first);
    if (this.#line.length > 0) setImmediate(() => this.#turn());
  }
}
