import { Fault } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';

/** What another reader could take for the end of a line, or for nothing at all. */
const ambiguous = /[\u0000-\u001f\u0085\u2028\u2029]/;
const breaks = /[\u0085\u2028\u2029]/g;
const loneSurrogate = /\p{Surrogate}/gu;

/**
 * A message as the one line a child reads. Readers disagree on what ends a line: Python's universal newlines also cut at
 * U+0085, U+2028 and U+2029, and would see a second message inside a string. So these are written as escapes, and so are
 * lone surrogates, which UTF-8 cannot hold. Throws `BUG` for anything else that canonical text never contains.
 */
export function writeLine(text: JsonText): string {
  if (!ambiguous.test(text) && text.isWellFormed()) return `${text}\n`;
  const safe = text.replace(breaks, escape).replace(loneSurrogate, escape);
  if (ambiguous.test(safe)) throw new Fault('BUG', { detail: 'a control character in canonical text' });
  return `${safe}\n`;
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
