/** Sets of ASCII characters that tokens are made of. One bit each, so that one table answers for all. */
export const charset = {
  /** `A-Z a-z 0-9` */
  alnum: 1,
  /** and `_` */
  word: 2,
  /** and `-` */
  dash: 4,
  /** and `.` */
  dotted: 8,
  /** Base64 in both alphabets, without padding. */
  base64: 16,
  hex: 32,
  /** What a credential in an Authorization header may hold (RFC 9110 token68). */
  token68: 64,
  upper: 128,
  digit: 256,
  /** What the rest of a URL may hold. */
  url: 512,
} as const;

export type Charset = (typeof charset)[keyof typeof charset];

const table = new Uint16Array(128);
for (let code = 0; code < 128; code++) {
  const character = String.fromCharCode(code);
  const upper = /[A-Z0-9]/.test(character);
  const alnum = /[A-Za-z0-9]/.test(character);
  const bits =
    (alnum ? charset.alnum : 0) |
    (alnum || character === '_' ? charset.word : 0) |
    (alnum || '_-'.includes(character) ? charset.dash : 0) |
    (alnum || '_-.'.includes(character) ? charset.dotted : 0) |
    (alnum || '+/_-'.includes(character) ? charset.base64 : 0) |
    (/[0-9A-Fa-f]/.test(character) ? charset.hex : 0) |
    (alnum || '-._~+/='.includes(character) ? charset.token68 : 0) |
    (upper ? charset.upper : 0) |
    (/[0-9]/.test(character) ? charset.digit : 0) |
    (alnum || '-._~+/=@%:?&'.includes(character) ? charset.url : 0);
  table[code] = bits;
}

/** Whether the character at a place belongs to a set; not past the ends. */
export function isIn(text: string, at: number, set: Charset): boolean {
  const code = text.charCodeAt(at);
  return code < 128 && ((table[code] ?? 0) & set) !== 0;
}

/**
 * Where runs of characters end, remembered. A text such as `sk-sk-sk-…` begins a token at every third character, and all of
 * them share one run: without the memory each would walk it again, and the cost would be quadratic.
 */
export class Runs {
  readonly text: string;
  readonly #from = new Map<Charset, number>();
  readonly #to = new Map<Charset, number>();
  /** Characters looked at so far: the measure of the work, for tests. */
  steps = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** The first place at or after `at` whose character is not in the set. */
  end(at: number, set: Charset): number {
    const from = this.#from.get(set);
    const to = this.#to.get(set);
    if (from !== undefined && to !== undefined && at >= from && at < to) return to;
    let end = at;
    while (isIn(this.text, end, set)) end++;
    this.steps += end - at + 1;
    this.#from.set(set, at);
    this.#to.set(set, end);
    return end;
  }
}
