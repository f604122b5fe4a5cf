/**
 * Everything that looks like a credential is a long run of the characters that tokens, URLs and encodings are made of, or
 * stands right behind a word like `Bearer`. Ordinary text has hardly any such runs, so the search for literals is confined
 * to them: of prose it looks at one character in three, and never at two hundred literals.
 */

/** The shortest run that is looked into. Every windowed literal is at least this long or part of a longer secret. */
export const runCharsMin = 13;
/** How far before a run a word such as `Bearer` may begin. */
const leadChars = 32;

const inRun = new Uint8Array(256);
for (let code = 0; code < 128; code++) {
  if (/[A-Za-z0-9_\-.+/=%:~@]/.test(String.fromCharCode(code))) inRun[code] = 1;
}

/** Whether a literal can only stand inside a run that is looked into. */
export function isWindowed(literal: string): boolean {
  return literal.length >= runCharsMin && /^[A-Za-z0-9_\-.+/=%:~@]*$/.test(literal);
}

/** Kept for texts of ordinary size, because a fresh megabyte for each large answer would be most of the work. */
let scratch = Buffer.alloc(0);
const scratchBytesMax = 2 * 1024 * 1024;

/** Good until the next call. */
function latin1(text: string): Buffer {
  if (text.length > scratchBytesMax) return Buffer.from(text, 'latin1');
  if (scratch.length < text.length)
    scratch = Buffer.allocUnsafeSlow(Math.min(scratchBytesMax, Math.max(65_536, text.length * 2)));
  scratch.write(text, 'latin1');
  return scratch;
}

/** Tells of every stretch that must be searched, in order and without overlap. */
export function eachWindow(text: string, tell: (from: number, to: number) => void): void {
  // One byte a character: what lies beyond Latin-1 is folded onto other codes, which can lengthen a run and never break one.
  const bytes = latin1(text);
  const { length } = text;
  let from = -1;
  let to = -1;
  let start = 0;
  while (start + runCharsMin <= length) {
    // From the far end: the first character that cannot be in a run says how far to go.
    let at = start + runCharsMin - 1;
    while (at >= start && inRun[bytes[at] as number] === 1) at--;
    if (at >= start) {
      start = at + 1;
      continue;
    }
    let end = start + runCharsMin;
    while (end < length && inRun[bytes[end] as number] === 1) end++;
    if (start - leadChars > to) {
      if (to > 0) tell(from, to);
      from = Math.max(0, start - leadChars);
    }
    to = end;
    start = end + 1;
  }
  if (to > 0) tell(from, to);
}
