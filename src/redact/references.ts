import { inJson } from './writers.ts';
import type { Span } from './shapes.ts';

/** A stretch of a text with its HTML character references undone, and where each character stood. */
export type Reading = { readonly text: string; readonly spanOf: (from: number, to: number) => Span };

/** So far a reading goes without another reference, at the least. */
const plainCharsMin = 128;
const beforeCharsMin = 64;
const readingCharsMax = 64 * 1024;
/** Two readings share no more than this, so that no text is read many times over. */
const sharedCharsMax = readingCharsMax / 2;
const BACKSLASH = 0x5c;

/** Whether anything is written so. */
export function hasReferences(text: string): boolean {
  return text.includes('&#');
}

/**
 * Reads the stretches with references like `&#103;` and `&#x67;`, in order: one reference is enough to hide a token from every
 * search for its begin. A stretch ends where a JSON string does. `charsMax`: the longest text that is searched for; a key in
 * base64 may have a reference for the `=` at its very end only, so a reading reaches as far on either side.
 */
export function* readings(text: string, charsMax: number): Generator<Reading, void> {
  const reach = Math.min(charsMax, sharedCharsMax);
  const beforeChars = Math.max(beforeCharsMin, reach);
  const sharedChars = Math.max(beforeCharsMin * 8, reach);
  const plainCharsMax = Math.max(plainCharsMin, reach);
  let done = 0;
  for (let next = text.indexOf('&#'); next >= 0;) {
    const reading = readFrom(
      text,
      begin(text, Math.max(done, next - beforeChars), next),
      next,
      plainCharsMax,
    );
    if (reading.count > 0) yield reading.reading;
    done = Math.max(reading.to, next + 2);
    // A stretch that was cut for its length goes on a little earlier: a token may lie across the cut.
    if (reading.isCut) done = Math.max(next + 2, done - sharedChars);
    next = text.indexOf('&#', done);
  }
}

function begin(text: string, from: number, to: number): number {
  for (let at = to; at > from; at--) {
    const before = text.charCodeAt(at - 1);
    // With the backslash: without it the letter of `\n` would be the begin of the word behind it.
    if (endsStretch(before)) return before === BACKSLASH ? at - 1 : at;
  }
  return from;
}

type Read = {
  readonly reading: Reading;
  /** References in it. */
  readonly count: number;
  readonly to: number;
  readonly isCut: boolean;
};

/** `next`: the first reference, however far behind `from` it stands. */
function readFrom(text: string, from: number, next: number, plainCharsMax: number): Read {
  const parts: string[] = [];
  const places: number[] = [];
  let at = from;
  let last = next;
  let count = 0;
  while (at < text.length && at - last < plainCharsMax && at - from < readingCharsMax) {
    const code = text.charCodeAt(at);
    if (endsStretch(code) && !(at === from && code === BACKSLASH)) break;
    const reference = code === 0x26 ? referenceAt(text, at) : undefined;
    const character = reference?.character ?? text.charAt(at);
    parts.push(character);
    for (let unit = 0; unit < character.length; unit++) places.push(at);
    at = reference?.to ?? at + 1;
    if (reference === undefined) continue;
    count++;
    last = at;
  }
  const end = at;
  const spanOf = (first: number, after: number): Span => ({
    from: places[first] ?? end,
    to: places[after] ?? end,
  });
  return {
    reading: { text: parts.join(''), spanOf },
    count,
    to: end,
    isCut: at - from >= readingCharsMax,
  };
}

/** A quote, a backslash or a control: in JSON a hit may not reach over it. */
function endsStretch(code: number): boolean {
  return code === 0x22 || code === BACKSLASH || code < 0x20;
}

const reference = /&(?:#(?:([0-9]{1,7})|[xX]([0-9a-fA-F]{1,6}))|(amp|lt|gt|quot|apos));/y;
const named: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  // As in a JSON string, because that is how known values are searched for.
  ['quot', '\\"'],
  ['apos', "'"],
]);

function referenceAt(
  text: string,
  at: number,
): { readonly character: string; readonly to: number } | undefined {
  reference.lastIndex = at;
  const read = reference.exec(text);
  if (read === null) return undefined;
  const [, decimal, hex, name] = read;
  const to = reference.lastIndex;
  if (name !== undefined) return { character: named.get(name) ?? '', to };
  const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
  if (code === 0 || code > 0x10ffff) return undefined;
  return { character: inJson(String.fromCodePoint(code)), to };
}
