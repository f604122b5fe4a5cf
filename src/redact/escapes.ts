import { charset, isIn } from './runs.ts';

const BACKSLASH = 0x5c;

type Stretch = { readonly from: number; readonly to: number };

/**
 * Where the JSON escape that covers the place `at` ends, or `at` itself when none does. Text may only be cut where no escape
 * is cut: `\npm_…` is a line end and `pm_…`, and cutting before its `n` would leave a backslash that breaks the message.
 */
export function escapeEnd(text: string, at: number): number {
  for (let back = 1; back <= 5; back++) {
    const start = at - back;
    if (text.charCodeAt(start) !== BACKSLASH || !isActive(text, start)) continue;
    const length = text[start + 1] === 'u' ? 6 : 2;
    return back < length ? start + length : at;
  }
  return at;
}

/**
 * A stretch of a text that may be JSON or not, widened to whole escapes: in `CORP\u12345` an account stands behind a backslash,
 * and to begin after what looks like an escape would leave all of it but a digit.
 */
export function wholeEscapes(text: string, span: Stretch): Stretch {
  return {
    from: escapeAround(text, span.from)?.from ?? span.from,
    to: escapeAround(text, span.to)?.to ?? span.to,
  };
}

/** The escape that a place lies inside of, where JSON has such an escape. */
function escapeAround(text: string, at: number): Stretch | undefined {
  for (let back = 1; back <= 5; back++) {
    const from = at - back;
    if (text.charCodeAt(from) !== BACKSLASH || !isActive(text, from)) continue;
    const letter = text.charAt(from + 1);
    if (letter === 'u' && isHex(text, from + 2, from + 6)) return { from, to: from + 6 };
    return back === 1 && letter !== '' && '"\\/bfnrt'.includes(letter) ? { from, to: from + 2 } : undefined;
  }
  return undefined;
}

/**
 * Whether an escape ends right before a place, at any depth of nesting: its last letter belongs to no word and to no run of
 * base64 that begins there. `C:\new` may count as well; to begin there costs nothing but a neighbour.
 */
export function endsEscape(text: string, at: number): boolean {
  const before = text[at - 1];
  if (before === undefined) return false;
  if (text.charCodeAt(at - 2) === BACKSLASH) return 'bfnrt/'.includes(before);
  return text[at - 5] === 'u' && text.charCodeAt(at - 6) === BACKSLASH && isHex(text, at - 4, at);
}

/** Whether a word may begin at a place: what stands before is no part of a word, or is the letter of an escape. */
export function beginsWord(text: string, at: number): boolean {
  const before = text[at - 1];
  return before === undefined || !/[A-Za-z0-9_-]/.test(before) || endsEscape(text, at);
}

/** Whether a backslash begins an escape, or is itself escaped by the one before it. */
function isActive(text: string, at: number): boolean {
  let before = 0;
  while (text.charCodeAt(at - 1 - before) === BACKSLASH) before++;
  return before % 2 === 0;
}

function isHex(text: string, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (!isIn(text, at, charset.hex)) return false;
  return true;
}
