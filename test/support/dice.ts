/** Mulberry32: the same cases in every run. The seed of a failing case stands in its message. */
export class Dice {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let it = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    it = (it + Math.imul(it ^ (it >>> 7), 61 | it)) ^ it;
    return ((it ^ (it >>> 14)) >>> 0) / 2 ** 32;
  }
  upTo(most: number): number {
    return Math.floor(this.next() * (most + 1));
  }
  is(chance: number): boolean {
    return this.next() < chance;
  }
  one<T>(from: readonly T[]): T {
    return from[this.upTo(from.length - 1)] as T;
  }
  some<T>(from: readonly T[], most: number): T[] {
    return Array.from({ length: this.upTo(most) }, () => this.one(from));
  }
  many<T>(from: readonly T[], most: number): T[] {
    return [this.one(from), ...this.some(from, most - 1)];
  }
}
