import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { Connection } from './connection.ts';

type Waiter = {
  readonly resolve: (connection: Connection) => void;
  readonly reject: (reason: Error) => void;
};

/** Calls that wait for a child to come back: not too many, and not too long. */
export class Waiters {
  readonly #max: number;
  readonly #all = new Set<Waiter>();

  constructor(max: number) {
    this.#max = Math.max(1, max);
  }

  get size(): number {
    return this.#all.size;
  }

  /** Rejects with `UPSTREAM_BUSY` when too many wait, `CANCELLED` when halted, and with `why()` when it took too long. */
  wait(withinMs: number, halt: Halt, why: () => Fault): Promise<Connection> {
    if (this.#all.size >= this.#max)
      return Promise.reject(new Fault('UPSTREAM_BUSY', { detail: 'too many wait for a restart' }));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiter.reject(why()), withinMs);
      const leave = () => {
        clearTimeout(timer);
        halt.unlisten();
        this.#all.delete(waiter);
      };
      const waiter: Waiter = {
        resolve: (connection) => {
          leave();
          resolve(connection);
        },
        reject: (reason) => {
          leave();
          reject(reason);
        },
      };
      this.#all.add(waiter);
      halt.listen((reason) => waiter.reject(new Fault('CANCELLED', { detail: reason })));
    });
  }

  succeed(connection: Connection): void {
    for (const waiter of [...this.#all]) waiter.resolve(connection);
  }

  fail(why: Fault): void {
    for (const waiter of [...this.#all]) waiter.reject(why);
  }
}
