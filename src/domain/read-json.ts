import type { Json } from './message.ts';

/**
 * A member name with an escape in it: the last escape of the name, what is left of it, its quote and the colon. It also fits where
 * a value ends with an escape and the next name begins with a colon, and then no harm is done.
 */
const escapedName = /\\["\\/bfnrtu][^"\\]*"[ \t\n\r]*:/;
const depthMax = 1000;

/**
 * What a JSON text means; the only place where texts with member names are read. Throws `SyntaxError` as `JSON.parse` does.
 *
 * V8 12.8 to 14.6 at least (Node 24 to 26; nodejs/node#63785) gives a member another name than the text does: one with an escape, such
 * as `"\u0070ath"`, is taken for a name without it that an earlier object had and that the raw text begins with, here `\u00`. Who
 * can send two messages could have the second judged as another call than its server reads. So names with escapes are not left
 * to the engine.
 */
export function readJson(text: string): Json {
  const value = JSON.parse(text) as Json;
  return text.includes('\\') && escapedName.test(text) ? new Reader(text).read() : value;
}

/** Reads a text that is known to be JSON. Single strings with escapes are read by the engine, which does those right. */
class Reader {
  readonly #text: string;
  #at = 0;
  /** Where the next backslash stands; found once, used by every string before it. */
  #escape = -1;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Json {
    return this.#value(0);
  }

  #value(depth: number): Json {
    if (depth > depthMax) throw new SyntaxError(`JSON of more than ${depthMax} levels`);
    this.#space();
    const open = this.#text[this.#at];
    if (open === '{') return this.#object(depth);
    if (open === '[') return this.#array(depth);
    return open === '"' ? this.#string() : this.#word();
  }

  #object(depth: number): Json {
    const found: Record<string, Json> = {};
    for (;;) {
      // Past the brace or the comma.
      this.#at++;
      this.#space();
      if (this.#text[this.#at] === '}') break;
      const name = this.#string();
      this.#space();
      this.#at++;
      const value = this.#value(depth + 1);
      // By assignment this one would be the prototype.
      if (name === '__proto__')
        Object.defineProperty(found, name, { value, writable: true, enumerable: true, configurable: true });
      else found[name] = value;
      this.#space();
      if (this.#text[this.#at] === '}') break;
    }
    this.#at++;
    return found;
  }

  #array(depth: number): Json {
    const found: Json[] = [];
    for (;;) {
      this.#at++;
      this.#space();
      if (this.#text[this.#at] === ']') break;
      found.push(this.#value(depth + 1));
      this.#space();
      if (this.#text[this.#at] === ']') break;
    }
    this.#at++;
    return found;
  }

  #string(): string {
    const from = this.#at;
    let at = from + 1;
    let quote = this.#text.indexOf('"', at);
    for (;;) {
      if (this.#escape < at) this.#escape = next(this.#text, '\\', at);
      if (quote < this.#escape) break;
      at = this.#escape + 2;
      if (quote < at) quote = this.#text.indexOf('"', at);
    }
    this.#at = quote + 1;
    // To ask the engine for each would make a large message wait for one escaped name.
    if (at === from + 1) return this.#text.slice(at, quote);
    return JSON.parse(this.#text.slice(from, this.#at)) as string;
  }

  /** A number, `true`, `false` or `null`. */
  #word(): Json {
    const from = this.#at;
    let code = this.#text.charCodeAt(from);
    // Past the end it is no number, and compares as false.
    while (code > 0x20 && code !== 0x2c && code !== 0x5d && code !== 0x7d)
      code = this.#text.charCodeAt(++this.#at);
    const word = this.#text.slice(from, this.#at);
    if (word === 'null') return null;
    return word === 'true' || word === 'false' ? word === 'true' : Number(word);
  }

  #space(): void {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at++;
  }
}

/** Where `what` stands next, or past the end. */
function next(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}
