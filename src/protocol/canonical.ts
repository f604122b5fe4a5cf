import { Fault } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';
import { readJson } from '../domain/read-json.ts';

/** Bounds on one JSON text. */
export type Bounds = { readonly bytesMax: number; readonly depthMax: number };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** Escapes that canonical text keeps: `\" \\ \b \f \n \r \t`. The others (`\/`, `\u…`) are written anew. */
const KEPT_ESCAPES = new Uint8Array(128);
for (const character of '"\\bfnrt') KEPT_ESCAPES[character.charCodeAt(0)] = 1;

/** Where a member of the outermost object stands in the text. */
export type Span = { readonly key: string; readonly from: number; readonly to: number };

/** What is known of the text beforehand: that no control character stands anywhere in it, or nothing. */
export type Controls = 'none' | 'perhaps';

/** A text that was checked, and, when it needed no rewriting and is an object, where its members are. */
export type Checked = { readonly text: JsonText; readonly spans: readonly Span[] | undefined };

/**
 * Checks a JSON text strictly (RFC 8259) and brings it into canonical form in one pass: no white space, no duplicate
 * member at any depth, strings with only the escapes they need. Numbers keep their digits, members keep their order.
 * Duplicate members are refused because readers disagree on which one counts, so a later reader could see another call
 * than the one that was decided. Throws `BAD_JSON`, `TOO_DEEP` or `TOO_LARGE`.
 */
export function check(text: string, bounds: Bounds, controls: Controls = 'perhaps'): Checked {
  if (text.length > bounds.bytesMax) throw new Fault('TOO_LARGE', { detail: `${text.length} characters` });
  return new Scanner(text, bounds.depthMax, controls).run();
}

class Scanner {
  readonly #text: string;
  readonly #depthMax: number;
  readonly #spans: Span[] = [];
  #at = 0;
  /** Rewritten text so far, and up to where the source is accounted for. Empty while nothing had to change. */
  #out = '';
  #kept = 0;
  /** Where the next backslash and the next control character stand; found once, used by every string before them. */
  #backslash = -1;
  #control = -1;

  constructor(text: string, depthMax: number, controls: Controls) {
    this.#text = text;
    this.#depthMax = depthMax;
    if (controls === 'none') this.#control = Number.POSITIVE_INFINITY;
  }

  run(): Checked {
    this.#white();
    const isObject = this.#text.charCodeAt(this.#at) === OPEN_OBJECT;
    this.#value(1);
    this.#white();
    if (this.#at !== this.#text.length) this.#fail('text after the end');
    const dirty = this.#kept !== 0 || this.#out !== '';
    const text = (dirty ? this.#out + this.#text.slice(this.#kept) : this.#text) as JsonText;
    return { text, spans: dirty || !isObject ? undefined : this.#spans };
  }

  #fail(what: string): never {
    throw new Fault('BAD_JSON', { detail: `${what} at character ${this.#at}` });
  }

  /** Steps over white space; what it steps over is left out of the result. */
  #white(): void {
    const text = this.#text;
    let at = this.#at;
    let code = text.charCodeAt(at);
    if (code > 0x20 || code !== code) return;
    const from = at;
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) code = text.charCodeAt(++at);
    if (at === from) return;
    this.#out += text.slice(this.#kept, from);
    this.#kept = at;
    this.#at = at;
  }

  #value(depth: number): void {
    const code = this.#text.charCodeAt(this.#at);
    if (code === QUOTE) this.#string(false);
    else if (code === OPEN_OBJECT) this.#object(depth);
    else if (code === OPEN_ARRAY) this.#array(depth);
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) this.#number();
    else if (code === 0x74) this.#word('true');
    else if (code === 0x66) this.#word('false');
    else if (code === 0x6e) this.#word('null');
    else this.#fail('no value');
  }

  #word(word: string): void {
    if (!this.#text.startsWith(word, this.#at)) this.#fail('no value');
    this.#at += word.length;
  }

  #object(depth: number): void {
    if (depth > this.#depthMax) throw new Fault('TOO_DEEP', { detail: `more than ${this.#depthMax} levels` });
    const text = this.#text;
    this.#at++;
    this.#white();
    if (text.charCodeAt(this.#at) === CLOSE_OBJECT) {
      this.#at++;
      return;
    }
    const keys = new Keys();
    for (;;) {
      if (text.charCodeAt(this.#at) !== QUOTE) this.#fail('no member name');
      const key = this.#string(true);
      if (!keys.add(key)) this.#fail('a member stands twice');
      this.#white();
      if (text.charCodeAt(this.#at) !== COLON) this.#fail('no colon');
      this.#at++;
      this.#white();
      const from = this.#at;
      this.#value(depth + 1);
      if (depth === 1) this.#spans.push({ key, from, to: this.#at });
      this.#white();
      const code = text.charCodeAt(this.#at++);
      if (code === CLOSE_OBJECT) return;
      if (code !== COMMA) this.#fail('no comma');
      this.#white();
    }
  }

  #array(depth: number): void {
    if (depth > this.#depthMax) throw new Fault('TOO_DEEP', { detail: `more than ${this.#depthMax} levels` });
    const text = this.#text;
    this.#at++;
    this.#white();
    if (text.charCodeAt(this.#at) === CLOSE_ARRAY) {
      this.#at++;
      return;
    }
    for (;;) {
      this.#value(depth + 1);
      this.#white();
      const code = text.charCodeAt(this.#at++);
      if (code === CLOSE_ARRAY) return;
      if (code !== COMMA) this.#fail('no comma');
      this.#white();
    }
  }

  /** Steps over a string; gives what it means where that is wanted, else nothing. */
  #string(wanted: boolean): string {
    const text = this.#text;
    const from = this.#at + 1;
    let end = text.indexOf('"', from);
    if (end < 0) this.#fail('a string without an end');
    if (this.#backslash < from) this.#backslash = next(text, '\\', from);
    let rewrite = false;
    let escaped = false;
    // A backslash before the quote: step from escape to escape until the quote stands alone.
    while (this.#backslash < end) {
      escaped = true;
      const code = text.charCodeAt(this.#backslash + 1);
      if (KEPT_ESCAPES[code] !== 1) rewrite = true;
      const after = this.#backslash + 2;
      if (code === QUOTE || code === BACKSLASH) {
        end = text.indexOf('"', after);
        if (end < 0) this.#fail('a string without an end');
      }
      this.#backslash = next(text, '\\', after);
    }
    if (this.#control < from) this.#control = nextControl(text, from);
    if (this.#control < end) this.#fail('a control character in a string');
    this.#at = end + 1;
    if (!escaped) return wanted ? text.slice(from, end) : '';
    // A long text full of line ends is canonical already, and only member names are wanted by value.
    if (!rewrite && !wanted) return '';
    const raw = text.slice(from - 1, end + 1);
    const value = this.#unescape(raw);
    const written = JSON.stringify(value);
    if (written !== raw) {
      this.#out += text.slice(this.#kept, from - 1) + written;
      this.#kept = end + 1;
    }
    return value;
  }

  #unescape(raw: string): string {
    try {
      return readJson(raw) as string;
    } catch {
      this.#fail('a bad escape');
    }
  }

  #number(): void {
    const text = this.#text;
    let at = this.#at;
    let code = text.charCodeAt(at);
    if (code === 0x2d) code = text.charCodeAt(++at);
    if (code === 0x30) code = text.charCodeAt(++at);
    else if (isDigit(code)) while (isDigit(code)) code = text.charCodeAt(++at);
    else this.#fail('a bad number');
    if (code === 0x2e) {
      code = text.charCodeAt(++at);
      if (!isDigit(code)) this.#fail('a bad number');
      while (isDigit(code)) code = text.charCodeAt(++at);
    }
    if (code === 0x65 || code === 0x45) {
      code = text.charCodeAt(++at);
      if (code === 0x2b || code === 0x2d) code = text.charCodeAt(++at);
      if (!isDigit(code)) this.#fail('a bad number');
      while (isDigit(code)) code = text.charCodeAt(++at);
    }
    this.#at = at;
  }
}

/** The member names of one object. Most objects are small; a Set only pays beyond a handful. */
class Keys {
  #few: string[] | undefined = [];
  #many: Set<string> | undefined;

  /** False when the name was there already. */
  add(key: string): boolean {
    if (this.#few !== undefined) {
      if (this.#few.includes(key)) return false;
      this.#few.push(key);
      if (this.#few.length > 12) {
        this.#many = new Set(this.#few);
        this.#few = undefined;
      }
      return true;
    }
    const many = this.#many as Set<string>;
    if (many.has(key)) return false;
    many.add(key);
    return true;
  }
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** Where `what` stands next, or past the end. */
function next(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}

const control = /[\u0000-\u001f]/g;

function nextControl(text: string, from: number): number {
  control.lastIndex = from;
  return control.test(text) ? control.lastIndex - 1 : Number.POSITIVE_INFINITY;
}
