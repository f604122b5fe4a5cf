/** Something to search for, and what finding it means. */
export type Entry<Meaning> = {
  readonly literal: string;
  readonly meaning: Meaning;
  /** It stands only inside, or right before, a long run of token characters; see `windows.ts`. */
  readonly windowed: boolean;
};

export const literalCharsMin = 3;

type Placed<Meaning> = Entry<Meaning> & { readonly offset: number };

/**
 * Finds all of many literals in one pass (Wu and Manber 1994, blocks of two): it looks at two characters, and mostly skips
 * two. The cost hardly depends on how many literals there are, and not at all on what the text would like it to be.
 */
export class Scanner<Meaning> {
  /** How far to go when these two characters are seen; 0: a literal may be here. */
  readonly #skip = new Uint8Array(1 << 14).fill(2);
  readonly #here = new Map<number, Placed<Meaning>[]>();
  /** 1: a literal may have these three characters; most places where two fit are told apart by the third. */
  readonly #three = new Uint8Array(1 << 15);

  constructor(entries: readonly Entry<Meaning>[]) {
    for (const entry of entries) this.#place(entry);
  }

  #place(entry: Entry<Meaning>): void {
    const { literal } = entry;
    if (literal.length < literalCharsMin) throw new RangeError('a literal to search for is too short');
    const offset = rarest(literal);
    const first = pair(literal.charCodeAt(offset), literal.charCodeAt(offset + 1));
    const second = pair(literal.charCodeAt(offset + 1), literal.charCodeAt(offset + 2));
    this.#skip[first] = Math.min(this.#skip[first] ?? 2, 1);
    this.#skip[second] = 0;
    const here = this.#here.get(second) ?? [];
    here.push({ ...entry, offset });
    this.#here.set(second, here);
    this.#three[blockAt(literal, offset)] = 1;
  }

  /** Tells of every place between `from` and `to` where a literal begins, roughly in order. */
  scan(
    text: string,
    found: (meaning: Meaning, at: number, literal: string) => void,
    from = 0,
    to = text.length,
  ): void {
    const skip = this.#skip;
    const three = this.#three;
    let at = from + 2;
    while (at < to) {
      const code = pair(text.charCodeAt(at - 1), text.charCodeAt(at));
      const step = skip[code] ?? 0;
      if (step !== 0) {
        at += step;
        continue;
      }
      if (three[blockAt(text, at - 2)] === 0) {
        at++;
        continue;
      }
      for (const { literal, meaning, offset } of this.#here.get(code) ?? []) {
        const start = at - 2 - offset;
        if (start >= from && text.startsWith(literal, start)) found(meaning, start, literal);
      }
      at++;
    }
  }
}

/** Characters beyond ASCII share places with others; `startsWith` tells them apart. */
function pair(a: number, b: number): number {
  return ((a & 127) << 7) | (b & 127);
}

/** Five bits of each of three characters. */
function blockAt(text: string, at: number): number {
  return (
    ((text.charCodeAt(at) & 31) << 10) |
    ((text.charCodeAt(at + 1) & 31) << 5) |
    (text.charCodeAt(at + 2) & 31)
  );
}

/** Which three characters of a literal to look for: those whose end is least like ordinary text. */
function rarest(literal: string): number {
  let best = 0;
  let bestScore = Number.POSITIVE_INFINITY;
  for (let at = 0; at + literalCharsMin <= Math.min(literal.length, 32); at++) {
    const score = commonness(literal.charCodeAt(at + 1)) * commonness(literal.charCodeAt(at + 2));
    if (score < bestScore) {
      best = at;
      bestScore = score;
    }
  }
  return best;
}

// By a table: every new secret value is looked at in some seventy writings.
const commonnessOf = Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (' eationsr'.includes(character)) return 8;
  if (/[a-z0-9",:\\]/.test(character)) return 4;
  return /[A-Z_./-]/.test(character) ? 2 : 1;
});

function commonness(code: number): number {
  return commonnessOf[code] ?? 1;
}
