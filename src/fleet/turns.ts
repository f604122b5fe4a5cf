import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';

type Waiting = { readonly go: () => void };

/** One at a time, in the order they came: for what a child must do alone. */
export class Turns {
  readonly #max: number;
  #taken = false;
  #line: Waiting[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  get load(): number {
    return (this.#taken ? 1 : 0) + this.#line.length;
  }

  /** Resolves with the way to give the turn back. Rejects with `UPSTREAM_BUSY` when it takes too long, or `CANCELLED`. */
  take(withinMs: number, halt: Halt): Promise<() => void> {
    if (!this.#taken) {
      this.#taken = true;
      return Promise.resolve(this.#giver());
    }
    if (this.#line.length >= this.#max)
      return Promise.reject(new Fault('UPSTREAM_BUSY', { detail: `${this.#max} calls are waiting already` }));
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        halt.unlisten();
        this.#line = this.#line.filter((it) => it !== waiting);
      };
      const fail = (fault: Fault) => {
        leave();
        reject(fault);
      };
      const waiting: Waiting = {
        go: () => {
          leave();
          resolve(this.#giver());
        },
      };
      const timer = setTimeout(
        () => fail(new Fault('UPSTREAM_BUSY', { detail: `no turn in ${withinMs} ms` })),
        withinMs,
      );
      this.#line.push(waiting);
      halt.listen((reason) => fail(new Fault('CANCELLED', { detail: reason })));
    });
  }

  #giver(): () => void {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = this.#line[0];
      if (next === undefined) this.#taken = false;
      else next.go();
    };
  }
}
