import type { Span } from './shapes.ts';

/** A stretch of a text with its HTML character references undone, and where each character stood. */
export type Reading = { readonly text: string; readonly spanOf: (from: number, to: number) => Span };

/** So far a reading goes without another reference. */
const plainCharsMax = 128;
const beforeChars = 64;
const readingCharsMax = 64 * 1024;

/** Whether anything is written so. */
export function hasReferences(text: string): boolean {
  return text.includes('&#');
}

/**
 * Reads the stretches with references like `&#103;` and `&#x67;`, in order: one reference is enough to hide a token from every
 * search for its begin. A stretch ends where a JSON string does.
 */
export function* readings(text: string): Generator<Reading, void> {
  let done = 0;
  for (let next = text.indexOf('&#'); next >= 0;) {
    const reading = readFrom(text, begin(text, Math.max(done, next - beforeChars), next));
    if (reading.count > 0) yield reading.reading;
    done = Math.max(reading.to, next + 2);
    // A stretch that was cut for its length goes on a little earlier: a token may lie across the cut.
    if (reading.isCut) done = Math.max(next + 2, done - beforeChars * 8);
    next = text.indexOf('&#', done);
  }
}

function begin(text: string, from: number, to: number): number {
  for (let at = to; at > from; at--) if (endsStretch(text.charCodeAt(at - 1))) return at;
  return from;
}

type Read = {
  readonly reading: Reading;
  /** References in it. */
  readonly count: number;
  readonly to: number;
  readonly isCut: boolean;
};

function readFrom(text: string, from: number): Read {
  const parts: string[] = [];
  const places: number[] = [];
  let at = from;
  let last = from;
  let count = 0;
  while (at < text.length && at - last < plainCharsMax && at - from < readingCharsMax) {
    const code = text.charCodeAt(at);
    if (endsStretch(code)) break;
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
  return code === 0x22 || code === 0x5c || code < 0x20;
}

const reference = /&#(?:([0-9]{1,7})|[xX]([0-9a-fA-F]{1,6}));/y;

function referenceAt(
  text: string,
  at: number,
): { readonly character: string; readonly to: number } | undefined {
  if (text.charCodeAt(at + 1) !== 0x23) return undefined;
  reference.lastIndex = at;
  const read = reference.exec(text);
  if (read === null) return undefined;
  const code = read[1] === undefined ? Number.parseInt(read[2] ?? '', 16) : Number(read[1]);
  if (code === 0 || code > 0x10ffff) return undefined;
  return { character: String.fromCodePoint(code), to: reference.lastIndex };
}
