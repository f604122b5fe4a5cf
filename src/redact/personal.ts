import { email } from './email.ts';
import { bsn, card, codiceFiscale, frenchNir, germanTaxId, iban, nino, spanishId, ssn } from './ids.ts';
import { phone } from './phone.ts';
import type { Span } from './shapes.ts';

/** Looks whether something personal stands around a place of a text; looks at a bounded stretch only. */
export type Personal = (text: string, at: number) => Span | undefined;

/** What a kind begins with: the only places that are looked at. */
type Begin = '@' | '+(' | 'digit' | 'letter';

export type PersonalDetector = {
  readonly name: string;
  readonly begins: readonly Begin[];
  readonly find: Personal;
  /** Where it begins with a digit: how many digits follow at least, with nothing but separators between. */
  readonly digitsMin: number;
  /** Whether a JSON number may be one. */
  readonly inNumbers: boolean;
};

/** What is looked for on request only: nothing here has a mark that makes it certain. */
export const personalDetectors: readonly PersonalDetector[] = [
  row('email', ['@'], email),
  row('card', ['digit'], card, 13, true),
  row('iban', ['letter'], iban),
  // In Corsica a letter stands after the fifth digit or the sixth.
  row('fr-nir', ['digit'], frenchNir, 5, true),
  row('de-tax-id', ['digit'], germanTaxId, 11, true),
  row('us-ssn', ['digit'], ssn, 9),
  row('uk-nino', ['letter'], nino),
  row('es-dni', ['digit', 'letter'], spanishId, 8),
  row('it-codice-fiscale', ['letter'], codiceFiscale),
  row('nl-bsn', ['digit'], bsn, 9),
  row('phone', ['+(', 'digit'], phone, 8),
];

export const nationalIds = [
  'us-ssn',
  'uk-nino',
  'de-tax-id',
  'fr-nir',
  'es-dni',
  'it-codice-fiscale',
  'nl-bsn',
];

function row(
  name: string,
  begins: readonly Begin[],
  find: Personal,
  digitsMin = 0,
  inNumbers = false,
): PersonalDetector {
  return { name, begins, find, digitsMin, inNumbers };
}

const other = 0;
const letter = 1;
const digit = 2;
const sign = 3;
const plus = 4;
const inWord = 5;
const backslash = 6;
const escapeLetter = 7;
const kinds = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const character = String.fromCharCode(code);
  if (/[A-Za-z]/.test(character)) kinds[code] = letter;
  else if (/[0-9]/.test(character)) kinds[code] = digit;
  else if (character === '@') kinds[code] = sign;
  else if (character === '+' || character === '(') kinds[code] = plus;
  else if (character === '_') kinds[code] = inWord;
  else if (character === '\\') kinds[code] = backslash;
}

/** Looks for several kinds in one pass. */
export class PersonalSearch {
  readonly #by: Readonly<Record<Begin, readonly PersonalDetector[]>>;
  /** How many places were looked at: the measure of the work, for tests. Each costs a bounded number of characters. */
  looks = 0;

  constructor(wanted: readonly PersonalDetector[]) {
    const beginning = (begin: Begin) => wanted.filter(({ begins }) => begins.includes(begin));
    this.#by = {
      '@': beginning('@'),
      '+(': beginning('+('),
      digit: beginning('digit'),
      letter: beginning('letter'),
    };
  }

  /**
   * Tells of what begins, or has its `@`, between `from` and `to`. `done`: what the call for the piece before gave back, so
   * that pieces find what the whole text finds.
   */
  run(
    text: string,
    tell: (name: string, from: number, to: number) => void,
    from = 0,
    to = text.length,
    done = 0,
  ): number {
    let before = from === 0 ? other : kindBehind(text, from - 1, from === 1 ? other : kindAt(text, from - 2));
    for (let at = from; at < to; at++) {
      const kind = kindAt(text, at);
      const begins = beginOf(kind, before);
      before = before === backslash ? kindBehind(text, at, before) : kind;
      if (begins === undefined || at < done) continue;
      const digits = begins === 'digit' ? digitsFrom(text, at) : Number.POSITIVE_INFINITY;
      for (const { name, find, digitsMin } of this.#by[begins]) {
        if (digits < digitsMin) continue;
        this.looks++;
        const span = find(text, at);
        if (span === undefined) continue;
        tell(name, span.from, span.to);
        done = span.to;
        break;
      }
    }
    return done;
  }
}

const stretchCharsMax = 40;

/** How many digits stand from a place on, with separators between them; almost always too few to look any closer. */
function digitsFrom(text: string, at: number): number {
  let digits = 0;
  for (let place = at; place < at + stretchCharsMax; place++) {
    const code = text.charCodeAt(place);
    if (code >= 0x30 && code <= 0x39) digits++;
    else if (!(code === 0x20 || (code >= 0x28 && code <= 0x29) || (code >= 0x2d && code <= 0x2f))) {
      if (code !== 0xa0 && code !== 0x2011) break;
    }
  }
  return digits;
}

function kindAt(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 128 ? (kinds[code] as number) : code > 0xbf ? inWord : other;
}

/** The letter of `\n` in a text of JSON is no part of the word or number behind it. */
function kindBehind(text: string, at: number, before: number): number {
  const kind = kindAt(text, at);
  return before === backslash && kind === letter && 'bfnrt'.includes(text.charAt(at)) ? escapeLetter : kind;
}

/** Numbers begin where no letter or digit stands before; so does a word. */
function beginOf(kind: number, before: number): Begin | undefined {
  if (kind === other || kind === inWord || kind === backslash) return undefined;
  if (kind === sign) return '@';
  if (kind === plus) return '+(';
  if (before === letter || before === digit || before === inWord) return undefined;
  return kind === digit ? 'digit' : 'letter';
}
