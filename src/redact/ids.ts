import {
  ibanLength,
  isCardRange,
  isCodiceFiscale,
  isDutchBsn,
  isFrenchNir,
  isGermanTaxId,
  isIban,
  isNino,
  isSpanishId,
  isSsn,
  luhn,
} from './checks.ts';
import type { Span } from './shapes.ts';

/** A number with single separators between its groups, read to so many digits or letters. */
type Read = {
  readonly to: number;
  readonly value: string;
  readonly groups: readonly number[];
  readonly seam: string;
};

type CodeSet = (code: number) => boolean;
const isDigit: CodeSet = (code) => code >= 0x30 && code <= 0x39;
const isLetter: CodeSet = (code) => (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
const isAlnum: CodeSet = (code) => isDigit(code) || isLetter(code);
const isNirCharacter: CodeSet = (code) => isDigit(code) || 'ABab'.includes(String.fromCharCode(code));

/** Reads `count` characters of a set with at most one separator, always the same, between them. */
function read(text: string, from: number, count: number, set: CodeSet, seams: string): Read | undefined {
  let value = '';
  let seam = '';
  let size = 0;
  const groups: number[] = [];
  let at = from;
  for (; value.length < count; at++) {
    const character = text.charAt(at);
    if (set(text.charCodeAt(at))) {
      value += character;
      size++;
    } else if (
      character !== '' &&
      size > 0 &&
      (seam === '' ? seams.includes(character) : seam === character)
    ) {
      seam = character;
      groups.push(size);
      size = 0;
    } else return undefined;
  }
  groups.push(size);
  return { to: at, value, groups, seam };
}

/** Whether so many digits stand side by side: what columns of figures do not begin with. */
export function beginsWith(text: string, at: number, digits: number): boolean {
  for (let place = at; place < at + digits; place++) if (!isDigit(text.charCodeAt(place))) return false;
  return true;
}

/** Whether a number that was read goes on as part of a longer one or of a word. Not behind a comma: so stand columns of CSV. */
function goesOn(text: string, to: number): boolean {
  const code = text.charCodeAt(to);
  if (isAlnum(code) || code === 0x5f) return true;
  return code === 0x2e && isDigit(text.charCodeAt(to + 1));
}

/** A decimal place or the rest of a longer number stands before: `0.4111…`, `-4111…`. */
function comesFrom(text: string, at: number): boolean {
  return text.charAt(at - 1) === '.' && isDigit(text.charCodeAt(at - 2));
}

/** How long cards are: those that most are come first. */
const cardLengths = [16, 15, 19, 14, 13, 17, 18];
const cardDigitsMax = 19;

/** 13 to 19 digits in groups, of a range that cards have, with the right check digit. */
export function card(text: string, at: number): Span | undefined {
  const first = text.charCodeAt(at);
  // No range begins with another digit than 2 to 6.
  if (first < 0x32 || first > 0x36 || !beginsWith(text, at, 3) || comesFrom(text, at)) return undefined;
  // Read once for all lengths: a column of figures has a place to look at in each line.
  const ends = digitEnds(text, at);
  if (ends.length < 13) return undefined;
  const digits = text.slice(at, ends.at(-1)).replaceAll(/[^0-9]/g, '');
  for (const count of cardLengths) {
    const to = ends[count - 1];
    if (to === undefined || goesOn(text, to)) continue;
    const value = digits.slice(0, count);
    if (isCardRange(value) && luhn(value) && !/^(.)\1+$/.test(value)) return { from: at, to };
  }
  return undefined;
}

/**
 * Where each digit of a number ends that may have separators, always the same, between groups. Of one or two digits only the
 * last group may be: others are dates, versions and columns of figures.
 */
function digitEnds(text: string, from: number): readonly number[] {
  const ends: number[] = [];
  let seam = -1;
  let size = 0;
  for (let at = from; ends.length < cardDigitsMax; at++) {
    const code = text.charCodeAt(at);
    if (isDigit(code)) {
      size++;
      ends.push(at + 1);
    } else {
      const isSeam = seam < 0 ? code === 0x20 || code === 0x2d || code === 0x2e : code === seam;
      if (!isSeam || size < 3) break;
      seam = code;
      size = 0;
    }
  }
  return ends;
}

export function iban(text: string, at: number): Span | undefined {
  if (!isLetter(text.charCodeAt(at + 1)) || !isDigit(text.charCodeAt(at + 2))) return undefined;
  const length = ibanLength(text.slice(at, at + 2));
  if (length === undefined) return undefined;
  const number = read(text, at, length, isAlnum, ' -');
  if (number === undefined || goesOn(text, number.to)) return undefined;
  return isIban(number.value) ? { from: at, to: number.to } : undefined;
}

export function frenchNir(text: string, at: number): Span | undefined {
  if (!beginsWith(text, at + (isDigit(text.charCodeAt(at + 1)) ? 1 : 2), 2)) return undefined;
  const number = read(text, at, 15, isNirCharacter, ' .');
  if (number === undefined || goesOn(text, number.to) || comesFrom(text, at)) return undefined;
  return isFrenchNir(number.value.toUpperCase()) ? { from: at, to: number.to } : undefined;
}

export function germanTaxId(text: string, at: number): Span | undefined {
  if (!beginsWith(text, at, 2)) return undefined;
  const number = read(text, at, 11, isDigit, ' /');
  if (number === undefined || goesOn(text, number.to) || comesFrom(text, at)) return undefined;
  if (number.groups.length > 1 && number.groups.join('-') !== '2-3-3-3') return undefined;
  return isGermanTaxId(number.value) ? { from: at, to: number.to } : undefined;
}

export function ssn(text: string, at: number): Span | undefined {
  if (!beginsWith(text, at, 3) || isDigit(text.charCodeAt(at + 3))) return undefined;
  const number = read(text, at, 9, isDigit, ' -');
  if (number === undefined || goesOn(text, number.to) || number.groups.join('-') !== '3-2-4')
    return undefined;
  if (text[number.to] === '-' || '-/'.includes(text[at - 1] ?? ' ')) return undefined;
  return isSsn(number.value) ? { from: at, to: number.to } : undefined;
}

/** A digit, or one after a separator. */
function isSoonDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return isDigit(code) || ((code === 0x20 || code === 0x2d) && isDigit(text.charCodeAt(at + 1)));
}

export function nino(text: string, at: number): Span | undefined {
  if (!isLetter(text.charCodeAt(at + 1)) || !isSoonDigit(text, at + 2)) return undefined;
  const number = read(text, at, 9, isAlnum, ' -');
  if (number === undefined || goesOn(text, number.to)) return undefined;
  return isNino(number.value) ? { from: at, to: number.to } : undefined;
}

export function spanishId(text: string, at: number): Span | undefined {
  if (!isSoonDigit(text, at + 1) || !beginsWith(text, at + 2, 2)) return undefined;
  const number = read(text, at, 9, isAlnum, ' -');
  if (number === undefined || goesOn(text, number.to)) return undefined;
  if (!/^[XYZ0-9][0-9]{7}[A-Z]$/.test(number.value)) return undefined;
  return isSpanishId(number.value) ? { from: at, to: number.to } : undefined;
}

export function codiceFiscale(text: string, at: number): Span | undefined {
  // Six letters, then what may be digits: hardly any word gets so far.
  if (!isLetter(text.charCodeAt(at + 5)) || !isLetter(text.charCodeAt(at + 8))) return undefined;
  if (!isAlnum(text.charCodeAt(at + 15)) || goesOn(text, at + 16)) return undefined;
  const value = text.slice(at, at + 16).toUpperCase();
  return isCodiceFiscale(value) ? { from: at, to: at + 16 } : undefined;
}

/** One of eleven numbers of nine digits passes its test, so the word must stand before it. */
export function bsn(text: string, at: number): Span | undefined {
  if (!beginsWith(text, at, 3)) return undefined;
  const number = read(text, at, 9, isDigit, ' .');
  if (number === undefined || goesOn(text, number.to) || !isDutchBsn(number.value)) return undefined;
  return /bsn|burgerservicenummer|sofinummer/i.test(text.slice(Math.max(0, at - 32), at))
    ? { from: at, to: number.to }
    : undefined;
}
