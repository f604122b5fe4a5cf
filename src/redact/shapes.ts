import { beginsWord, endsEscape } from './escapes.ts';
import { charset, isIn, Runs, type Charset } from './runs.ts';

/** A stretch of text, `to` not included. */
export type Span = { readonly from: number; readonly to: number };

/**
 * Looks whether a secret begins where one of its literals stands, and says which stretch to take out. Each looks at a
 * bounded or remembered stretch, so that no text makes it slow, and none takes in a `"` or a lone backslash, so that JSON
 * stays JSON.
 */
export type Shape = (runs: Runs, at: number, literal: string) => Span | undefined;

/** The literal and at least `min` characters of a set after it. `digit`: words do not look like that. */
export function token(
  set: Charset,
  min: number,
  more: { readonly word?: boolean; readonly digit?: boolean; readonly upper?: boolean } = {},
): Shape {
  return (runs, at, literal) => {
    const start = at + literal.length;
    if (more.word === true && !beginsWord(runs.text, at)) return undefined;
    const to = runs.end(start, set);
    if (to - start < min) return undefined;
    if (more.digit === true && !has(runs.text, start, to, /[0-9]/)) return undefined;
    if (more.upper === true && !has(runs.text, start, to, /[A-Z]/)) return undefined;
    return { from: at, to };
  };
}

/** An AWS key id: four letters and exactly sixteen characters, standing alone. */
export const awsKeyId: Shape = (runs, at, literal) => {
  const to = runs.end(at + literal.length, charset.upper);
  if (to !== at + 20 || !beginsWord(runs.text, at) || isIn(runs.text, to, charset.word)) return undefined;
  return { from: at, to };
};

/** `SG.` and two parts with a dot between. */
export const sendGrid: Shape = (runs, at, literal) => {
  if (!beginsWord(runs.text, at)) return undefined;
  const middle = runs.end(at + literal.length, charset.dash);
  if (middle - at < 19 || runs.text[middle] !== '.') return undefined;
  const to = runs.end(middle + 1, charset.dash);
  return to - middle < 20 ? undefined : { from: at, to };
};

/** A JWT (RFC 7519) of three parts, the second again an object, or a JWE of five. */
export const jwt: Shape = (runs, at) => {
  const { text } = runs;
  // Only the first `eyJ` of a run begins a word, so a run of them is walked once.
  if (!beginsWord(text, at)) return undefined;
  const head = runs.end(at, charset.dash);
  if (head - at < 12 || text[head] !== '.') return undefined;
  const signed = text.startsWith('eyJ', head + 1);
  let to = head;
  let parts = 1;
  while (parts < 5 && text[to] === '.') {
    to = runs.end(to + 1, charset.dash);
    parts++;
  }
  return (signed && parts >= 3) || parts === 5 ? { from: at, to } : undefined;
};

/** The token after `Bearer `. Short plain words are left: `Bearer authentication is required`. */
export const bearer: Shape = (runs, at, literal) => {
  const from = skipSpaces(runs.text, at + literal.length);
  const to = runs.end(from, charset.token68);
  return to - from >= 16 && looksRandom(runs.text, from, to) ? { from, to } : undefined;
};

/** A JWT once more in base64: `ZXlK` is `eyJ` (a Kubernetes secret, a cookie). */
export const jwtInBase64: Shape = (runs, at) => {
  // Only the first of a run: in `+ZXlK+ZXlK…` each begins a word, and each would be decoded as far as the run goes.
  if (isIn(runs.text, at - 1, charset.base64) && !endsEscape(runs.text, at)) return undefined;
  const to = runs.end(at, charset.base64);
  if (to - at < 48) return undefined;
  const decoded = Buffer.from(runs.text.slice(at, Math.min(to, at + 4096)), 'base64').toString('latin1');
  return jwt(new Runs(decoded), 0, 'eyJ') === undefined ? undefined : { from: at, to };
};

const schemes = /^(?:basic|bearer|token|digest|negotiate|api-?key)$/i;

/** The value of an Authorization header, in a header line, an assignment, or JSON at any depth of nesting. */
export const authorization: Shape = (runs, at, literal) => {
  const { text } = runs;
  const start = afterSeparator(text, at + literal.length);
  if (start === undefined) return undefined;
  const first = runs.end(start, charset.token68);
  const next = skipSpaces(text, first);
  if (first - start <= 12 && next > first && schemes.test(text.slice(start, first))) {
    const to = runs.end(next, charset.token68);
    return to - next >= 6 && looksRandom(text, next, to) ? { from: next, to } : undefined;
  }
  return first - start >= 12 && looksRandom(text, start, first) ? { from: start, to: first } : undefined;
};

/**
 * Steps over `: `, `=`, `":"` and the like. Of bare quotes it takes two, from the end of a JSON string to the begin of the
 * next, or one at the very end; otherwise what follows might be a number or `null`, and to replace that would break the JSON.
 */
export function afterSeparator(text: string, from: number): number | undefined {
  let quotes = 0;
  let assigns = false;
  let at = from;
  for (; at < from + 24; at++) {
    const character = text[at];
    if (character === undefined || !' \t:=>\'"\\'.includes(character)) break;
    if (character === ':' || character === '=') assigns = true;
    if (character === '"' && text[at - 1] !== '\\') quotes++;
  }
  if (!assigns || quotes > 2) return undefined;
  return quotes === 1 && text[at - 1] !== '"' ? undefined : at;
}

/** The password in `scheme://user:password@host`. */
export const urlPassword: Shape = (runs, at, literal) => {
  const { text } = runs;
  const start = at + literal.length;
  let colon = -1;
  let sign = -1;
  for (let end = start; end < start + 2048; end++) {
    const code = text.charCodeAt(end);
    if (code !== code || code <= 0x20 || code === 0x22 || code === 0x5c || code === 0x3c || code === 0x3e)
      break;
    if (code === 0x2f || code === 0x3f || code === 0x23) break;
    if (code === 0x5b) end = markerEnd(text, end);
    if (code === 0x3a && colon < 0) colon = end;
    if (code === 0x40) sign = end;
  }
  if (colon < 0 || sign <= colon + 1) return undefined;
  const isMarker = text[colon + 1] === '[' && markerEnd(text, colon + 1) === sign - 1;
  return isMarker ? undefined : { from: colon + 1, to: sign };
};

/** Where a marker of ours ends that begins here, so that its colon is not taken for one before a password. */
function markerEnd(text: string, at: number): number {
  const length = /^\[(?:redacted|hash):[a-z0-9: -]{1,52}\]/.exec(text.slice(at, at + 64))?.[0].length;
  return length === undefined ? at : at + length - 1;
}

const PEM_BODY = /[A-Za-z0-9+/=:;,.()_ \t\r\n\\-]/;
const pemBodyCharsMax = 64 * 1024;

/** A private key in PEM (RFC 7468), to its end line or, where that is cut off, to the end of what can belong to it. */
export const privateKey: Shape = (runs, at, literal) => {
  const { text } = runs;
  const label = text.slice(at + literal.length, at + literal.length + 64);
  const kind = /^[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/.exec(label)?.[0];
  if (kind === undefined) return undefined;
  const begin = at + literal.length + kind.length;
  const ended = endLine(text, begin);
  if (ended !== undefined) return { from: at, to: ended };
  let to = begin;
  const last = Math.min(text.length, to + pemBodyCharsMax);
  while (to < last && PEM_BODY.test(text.charAt(to))) to++;
  // The backslashes before a quote belong to the quote.
  while (text[to - 1] === '\\') to--;
  return { from: at, to };
};

const PEM_MARK = /-----(BEGIN|END) |"/g;
const PEM_END = /-----END [A-Z0-9 ]{0,48}-----/y;

/**
 * Where the end line of a key ends. Whatever stands before it is the key's: an armour header may say anything, and a walk
 * that stops at an `@` in it lets the body go. Not over the end of a JSON string, nor over the begin of another block, which
 * also keeps a text full of begins from being read again for each.
 */
function endLine(text: string, begin: number): number | undefined {
  // As deep as the text is nested, so many backslashes make a line end, and less than twice as many a quote that ends a string.
  const lineEnd = /^(?:(\\+)[nr]|[\n\r])/.exec(text.slice(begin, begin + 16));
  const own = lineEnd === null ? Number.POSITIVE_INFINITY : 2 * (lineEnd[1] ?? '').length - 1;
  PEM_MARK.lastIndex = begin;
  for (let mark = PEM_MARK.exec(text); mark !== null; mark = PEM_MARK.exec(text)) {
    if (mark.index - begin > pemBodyCharsMax || mark[1] === 'BEGIN') return undefined;
    if (mark[1] === 'END') {
      PEM_END.lastIndex = mark.index;
      return PEM_END.test(text) ? PEM_END.lastIndex : mark.index;
    }
    let backslashes = 0;
    while (text.charCodeAt(mark.index - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes < own) return undefined;
  }
  return undefined;
}

function skipSpaces(text: string, from: number): number {
  let at = from;
  while (at < from + 4 && text[at] === ' ') at++;
  return at;
}

function looksRandom(text: string, from: number, to: number): boolean {
  return (
    to - from >= 32 || has(text, from, to, /[0-9]/) || (to - from >= 8 && has(text, from + 1, to, /[A-Z=]/))
  );
}

/** Looks at the first 64 characters only: a token that has none there has no need of one. */
export function has(text: string, from: number, to: number, what: RegExp): boolean {
  return what.test(text.slice(from, Math.min(to, from + 64)));
}
