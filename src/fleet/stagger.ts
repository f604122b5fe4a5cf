/** A place in the line of those who want to start. */
export type Turn = {
  /** Resolves when it may start; also when it has left the line. */
  readonly come: Promise<void>;
  /** Somebody waits for it. */
  readonly hurry: () => void;
  /** It has started, or will not. */
  readonly done: () => void;
};

type Place = { readonly go: () => void };

/**
 * So many children start at once, and the others one after the other: when the machine ran out of memory and all of them died
 * together, or at boot with many servers, they would else be slow together, and too slow. A start is over when the child was
 * greeted, and at the latest after `turnMs`: one that waits for a network needs no processor.
 */
export class Stagger {
  readonly #max: number;
  readonly #turnMs: number;
  #starting = 0;
  /** Those for whom somebody waits come first. */
  #wanted: Place[] = [];
  #line: Place[] = [];

  constructor(max: number, turnMs: number) {
    this.#max = Math.max(1, max);
    this.#turnMs = turnMs;
  }

  get waiting(): number {
    return this.#wanted.length + this.#line.length;
  }

  take(isWanted: boolean): Turn {
    const { promise, resolve } = Promise.withResolvers<void>();
    let state: 'waits' | 'starts' | 'over' = 'waits';
    let timer: NodeJS.Timeout | undefined;
    const done = () => {
      clearTimeout(timer);
      if (state === 'starts') this.#starting--;
      else this.#leave(place);
      state = 'over';
      resolve();
      this.#next();
    };
    const place: Place = {
      go: () => {
        state = 'starts';
        this.#starting++;
        timer = setTimeout(() => turn.done(), this.#turnMs).unref();
        resolve();
      },
    };
    const turn: Turn = {
      come: promise,
      hurry: () => {
        if (state !== 'waits' || this.#wanted.includes(place)) return;
        this.#leave(place);
        this.#wanted.push(place);
      },
      done: () => {
        if (state !== 'over') done();
      },
    };
    (isWanted ? this.#wanted : this.#line).push(place);
    this.#next();
    return turn;
  }

  #leave(place: Place): void {
    this.#wanted = this.#wanted.filter((it) => it !== place);
    this.#line = this.#line.filter((it) => it !== place);
  }

  #next(): void {
    while (this.#starting < this.#max) {
      const place = this.#wanted.shift() ?? this.#line.shift();
      if (place === undefined) return;
      place.go();
    }
  }
}
