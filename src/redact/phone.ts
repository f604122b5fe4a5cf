import { endsEscape } from './escapes.ts';
import { beginsWith } from './ids.ts';
import type { Span } from './shapes.ts';

const charsMax = 32;
const between = ' -./()\u00a0\u2011';

/** Groups of digits and what stands between them, from a place on: at most 15 digits in 32 characters. */
type Groups = {
  readonly to: number;
  readonly digits: string;
  readonly sizes: readonly number[];
  readonly seams: string;
};

/**
 * A telephone number: international with `+` or `00` (E.164, 8 to 15 digits), North American in three groups, and national
 * ones that begin with 0 and have separators. Digits without any separator are left: most of them are something else.
 */
export function phone(text: string, at: number): Span | undefined {
  const first = text[at];
  if (isInside(text, at)) return undefined;
  const start = first === '+' ? at + 1 : at;
  if (first !== '+' && first !== '(' && !mayBegin(text, at)) return undefined;
  const groups = groupsFrom(text, start);
  if (groups === undefined) return undefined;
  const { to, digits, sizes, seams } = groups;
  const span = { from: at, to };
  if (first === '+') return digits.length >= 8 && digits[0] !== '0' ? span : undefined;
  if (digits.startsWith('00'))
    return seams !== '' && digits.length >= 11 && sizes[0] === 2 ? span : undefined;
  if (isNorthAmerican(digits, sizes, seams)) return span;
  if (!/^0[1-9]/.test(digits) || sizes.length < 2 || (sizes[0] ?? 0) < 2 || seams.includes('.'))
    return undefined;
  return digits.length >= 9 && digits.length <= 12 && !isDate(sizes) ? span : undefined;
}

/** What stands before says that it is a part of something else: of a word, an amount, a time, a path. */
function isInside(text: string, at: number): boolean {
  const before = text[at - 1] ?? ' ';
  if (text[at] === '+') return /[A-Za-z0-9+]/.test(before) && !endsEscape(text, at);
  // `Jane,555-…` and `Tel:030 …` are a column and a label; `12:…` is a time.
  if (before === ',' || before === ':') return !/[A-Za-z]/.test(text[at - 2] ?? ' ');
  return /[.+/=#$€£-]/.test(before);
}

/** `0n`, `00`, three digits, or `1` before them: columns of short figures do not begin so. */
function mayBegin(text: string, at: number): boolean {
  if (text[at] === '0') return beginsWith(text, at, 2);
  return beginsWith(text, at, 3) || (text[at] === '1' && beginsWith(text, at + 2, 3));
}

/** `(555) 123-4567`, `555-123-4567`, `1 555.123.4567`: area and exchange begin with 2 to 9. */
function isNorthAmerican(digits: string, sizes: readonly number[], seams: string): boolean {
  const national = digits.length === 11 && digits[0] === '1' ? digits.slice(1) : digits;
  const form = sizes.join('-');
  if (form !== '3-3-4' && form !== '1-3-3-4') return false;
  const kinds = new Set(seams.replaceAll(/[() ]/g, ''));
  return kinds.size <= 1 && /^[2-9][0-9]{2}[2-9][0-9]{6}$/.test(national);
}

/** `01-02-2024 10`, `04/05/06 …`: groups of two before a year. */
function isDate(sizes: readonly number[]): boolean {
  const form = sizes.slice(0, 3).join('-');
  return form === '2-2-4' || form === '4-2-2';
}

function groupsFrom(text: string, start: number): Groups | undefined {
  let digits = '';
  let seams = '';
  let seam = '';
  const sizes: number[] = [];
  let to = start;
  for (let at = start; at < start + charsMax; at++) {
    const character = text.charAt(at);
    if (character >= '0' && character <= '9') {
      if (seam !== '' || sizes.length === 0) sizes.push(0);
      sizes[sizes.length - 1] = (sizes.at(-1) ?? 0) + 1;
      digits += character;
      if (at > start) seams += seam;
      seam = '';
      to = at + 1;
      if (digits.length > 15) return undefined;
    } else if (character !== '' && between.includes(character) && seam.length < 2) {
      seam += character === '\u00a0' ? ' ' : character === '\u2011' ? '-' : character;
    } else break;
  }
  if (digits.length < 8 || /[A-Za-z0-9_%]/.test(text.charAt(to))) return undefined;
  return { to, digits, sizes, seams };
}
