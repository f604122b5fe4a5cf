/**
 * Makes texts that a regular expression matches: enough of the language for the rules that the tests read. The same seed
 * gives the same text; letters, digits and repetitions vary with it.
 */
export function sampleOf(regex: string, seed: number): string {
  return new Sampler(regex, seed).all();
}

const letters = 'abcdefghijklmnopqrstuvwxyz';
const digits = '0123456789';
const wordSet = `${letters}${letters.toUpperCase()}${digits}_`;

class Sampler {
  readonly #regex: string;
  #at = 0;
  #state: number;

  constructor(regex: string, seed: number) {
    this.#regex = regex;
    this.#state = (seed + 1) * 2654435761;
  }

  all(): string {
    return this.#alternatives();
  }

  #random(below: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * below);
  }

  /** Every alternative is made, so that the place moves on; one of them is given. */
  #alternatives(): string {
    const made = [this.#sequence()];
    while (this.#regex[this.#at] === '|') {
      this.#at++;
      made.push(this.#sequence());
    }
    return made[this.#random(made.length)] ?? '';
  }

  #sequence(): string {
    let text = '';
    while (this.#at < this.#regex.length && !'|)'.includes(this.#regex[this.#at] ?? ''))
      text += this.#repeated();
    return text;
  }

  #repeated(): string {
    const from = this.#at;
    const first = this.#atom();
    const end = this.#at;
    const [min, max] = this.#times();
    const after = this.#at;
    const count = min + this.#random(Math.min(max - min, 24) + 1);
    if (count === 0) return '';
    let text = first;
    for (let made = 1; made < count; made++) {
      this.#at = from;
      text += this.#atom();
      if (this.#at !== end) throw new Error('an atom of two lengths');
    }
    this.#at = after;
    return text;
  }

  #times(): [number, number] {
    const rest = this.#regex.slice(this.#at);
    const read = /^(?:\{(\d+)(,?)(\d*)\}|[*+?])\??/.exec(rest);
    if (read === null) return [1, 1];
    this.#at += read[0].length;
    if (rest[0] === '*') return [0, 4];
    if (rest[0] === '+') return [1, 12];
    if (rest[0] === '?') return [0, 1];
    const min = Number(read[1]);
    if (read[2] === '') return [min, min];
    return [min, read[3] === '' ? min + 8 : Number(read[3])];
  }

  #atom(): string {
    const character = this.#regex[this.#at] ?? '';
    if (character === '(') return this.#group();
    if (character === '[') return this.#pick(this.#set());
    this.#at++;
    if (character === '\\') return this.#escape();
    if (character === '.') return 'x';
    return character === '^' || character === '$' ? '' : character;
  }

  #group(): string {
    const head = /^\((?:\?(?:[a-z-]*:|P<\w+>))?|^\(\?[a-z-]+\)/;
    const flags = /^\(\?[a-z-]+\)/.exec(this.#regex.slice(this.#at));
    if (flags !== null) {
      this.#at += flags[0].length;
      return '';
    }
    this.#at += head.exec(this.#regex.slice(this.#at))?.[0].length ?? 1;
    const text = this.#alternatives();
    this.#at++;
    return text;
  }

  #escape(): string {
    const character = this.#regex[this.#at++] ?? '';
    if (character === 'b' || character === 'z') return '';
    if (character === 'd') return this.#pick(digits);
    if (character === 'w') return this.#pick(wordSet);
    if (character === 's') return ' ';
    if (character === 'S') return this.#pick(wordSet);
    if (character === 'x') {
      this.#at += 2;
      return String.fromCharCode(Number.parseInt(this.#regex.slice(this.#at - 2, this.#at), 16));
    }
    return character;
  }

  #set(): string {
    this.#at++;
    let members = '';
    while (this.#regex[this.#at] !== ']') {
      const posix = /^\[:alnum:\]/.exec(this.#regex.slice(this.#at));
      if (posix !== null) {
        this.#at += posix[0].length;
        members += wordSet.slice(0, -1);
        continue;
      }
      let from = this.#regex[this.#at++] ?? '';
      if (from === '\\') {
        const escaped = this.#regex[this.#at++] ?? '';
        if (escaped === 'w') members += wordSet;
        else if (escaped === 'd') members += digits;
        else if (escaped === 's') members += ' ';
        else if (escaped === 'x') {
          members += String.fromCharCode(Number.parseInt(this.#regex.slice(this.#at, this.#at + 2), 16));
          this.#at += 2;
        }
        if ('wdsx'.includes(escaped)) continue;
        from = escaped;
      }
      if (this.#regex[this.#at] === '-' && this.#regex[this.#at + 1] !== ']') {
        const to = this.#regex[this.#at + 1] ?? '';
        this.#at += 2;
        for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++)
          members += String.fromCharCode(code);
      } else members += from;
    }
    this.#at++;
    return members;
  }

  /** A letter or a digit wherever the set has one: signs at the ends of a token are not how tokens look. */
  #pick(members: string): string {
    const plain = members.replaceAll(/[^A-Za-z0-9]/g, '');
    const from = plain === '' ? members : plain;
    return from[this.#random(from.length)] ?? '';
  }
}
