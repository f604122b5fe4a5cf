import type { Charge, Exhausted } from '../domain/decision.ts';
import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { After } from './after.ts';
import { Line, type Standing } from './line.ts';

/** A place among the calls under way that count together. */
export type Want = {
  readonly key: string;
  /** Calls under way at once. */
  readonly most: number;
  /** How many may stand in line for a place. */
  readonly waiting: number;
  readonly words: string;
};

export type Waiting = {
  readonly wants: readonly Want[];
  readonly caller: string;
  readonly halt: Halt;
  /** Asked when every place is free: takes them, or says why not. May throw. */
  readonly pay: () => Charge;
};

export type PlacesParts = {
  readonly after: After;
  /** A call stands in line for so long at most, all lines together. */
  readonly waitWithinMs: number;
};

type Gate = {
  readonly key: string;
  most: number;
  waiting: number;
  inUse: number;
  readonly line: Line<Waiter>;
};
type Waiter = Standing & {
  readonly wants: readonly Want[];
  at: Gate | undefined;
  readonly go: () => void;
  readonly refuse: (want: Want) => void;
};

/** Nobody knows when a call ends; clients are told to look again soon. */
const comeBackInMs = 1000;

/** The calls under way, counted for each limit, and the lines before them. A call takes all its places at once, or none. */
export class Places {
  readonly #after: After;
  readonly #waitWithinMs: number;
  readonly #gates = new Map<string, Gate>();
  #number = 0;

  constructor({ after, waitWithinMs }: PlacesParts) {
    this.#after = after;
    this.#waitWithinMs = waitWithinMs;
  }

  /** Limits that somebody holds a place of, or waits for. */
  get count(): number {
    return this.#gates.size;
  }

  get waiting(): number {
    let sum = 0;
    for (const { line } of this.#gates.values()) sum += line.size;
    return sum;
  }

  /** The first of these that has no place left. What they say of the limit counts from now on: the orders may be new. */
  full(wants: readonly Want[]): Want | undefined {
    for (const { key, most, waiting } of wants) {
      const gate = this.#gates.get(key);
      if (gate === undefined) continue;
      gate.waiting = waiting;
      if (gate.most === most) continue;
      gate.most = most;
      this.#serve(gate);
    }
    return this.#full(wants);
  }

  /** Takes a place of each, and gives the way to give them back, once. Only right after `full` found none. */
  take(wants: readonly Want[]): () => void {
    const gates = wants.map((want) => this.#gate(want));
    for (const gate of gates) gate.inUse++;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      for (const gate of gates) gate.inUse--;
      // From the last: who stands there came through the lines before it, ahead of those who still stand in them.
      for (const gate of gates.toReversed()) this.#serve(gate);
      for (const gate of gates) this.#tidy(gate);
    };
  }

  /**
   * Stands in line where there is no place. Resolves with what `pay` says, or that the line is full or too slow; rejects with
   * `CANCELLED`, and with what `pay` throws.
   */
  wait({ wants, caller, halt, pay }: Waiting): Promise<Charge> {
    const full = this.#full(wants);
    if (full === undefined) return new Promise((resolve) => resolve(pay()));
    if (halt.reason !== undefined) return Promise.reject(new Fault('CANCELLED', { detail: halt.reason }));
    return new Promise((resolve, reject) => {
      const leave = () => {
        callOff();
        halt.unlisten();
        const { at } = waiter;
        waiter.at = undefined;
        if (at === undefined) return;
        at.line.remove(waiter);
        this.#tidy(at);
      };
      const waiter: Waiter = {
        wants,
        caller,
        number: this.#number++,
        at: undefined,
        go: () => {
          leave();
          try {
            resolve(pay());
          } catch (reason) {
            reject(Fault.from(reason));
          }
        },
        refuse: (want) => {
          leave();
          resolve(exhausted(want));
        },
      };
      // A call that is never let in must not hold its client for ever.
      const callOff = this.#after(this.#waitWithinMs, () => waiter.refuse(this.#full(wants) ?? full));
      halt.listen((reason) => {
        leave();
        reject(new Fault('CANCELLED', { detail: reason }));
      });
      this.#stand(waiter, full);
    });
  }

  /** Puts somebody in a line. Who fills it alone makes room for who has fewer calls in it. */
  #stand(waiter: Waiter, want: Want): void {
    const gate = this.#gate(want);
    if (gate.line.size >= gate.waiting) {
      const crowd = gate.waiting === 0 ? undefined : gate.line.makeRoomFor(waiter.caller);
      if (crowd === undefined) return waiter.refuse(want);
      crowd.refuse(want);
    }
    waiter.at = gate;
    gate.line.add(waiter);
  }

  /** Lets in who is next as long as there is room. Who lacks another place goes over to that line. */
  #serve(gate: Gate): void {
    while (gate.inUse < gate.most) {
      const next = gate.line.shift();
      if (next === undefined) return;
      const full = this.#full(next.wants);
      if (full === undefined) next.go();
      else this.#stand(next, full);
    }
  }

  /** A waiter's own figures may be of older orders: a gate goes by its own. */
  #full(wants: readonly Want[]): Want | undefined {
    return wants.find(({ key, most }) => {
      const gate = this.#gates.get(key);
      return gate === undefined ? most < 1 : gate.inUse >= gate.most;
    });
  }

  #gate({ key, most, waiting }: Want): Gate {
    let gate = this.#gates.get(key);
    if (gate === undefined)
      this.#gates.set(key, (gate = { key, most, waiting, inUse: 0, line: new Line<Waiter>() }));
    return gate;
  }

  #tidy(gate: Gate): void {
    if (gate.inUse === 0 && gate.line.size === 0 && this.#gates.get(gate.key) === gate)
      this.#gates.delete(gate.key);
  }
}

export function exhausted({ words }: Want): Exhausted {
  return { kind: 'exhausted', limit: words, retryInMs: comeBackInMs };
}
