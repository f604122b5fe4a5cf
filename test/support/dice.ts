/** The same cases in every run: of one seed, or as a list of bytes has it. */
export class Dice {
  readonly #next: () => number;
  constructor(from: number | Buffer) {
    this.#next = typeof from === 'number' ? mulberry32(from) : bytesOf(from);
  }
  /** From 0 to below 1. */
  next(): number {
    return this.#next();
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

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let it = Math.imul(state ^ (state >>> 15), 1 | state);
    it = (it + Math.imul(it ^ (it >>> 7), 61 | it)) ^ it;
    return ((it ^ (it >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One byte for each throw, and nothing but the lowest number when they are used up. */
function bytesOf(bytes: Buffer): () => number {
  let at = 0;
  return () => (bytes[at++] ?? 0) / 256;
}
