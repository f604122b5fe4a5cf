/** Arithmetic that tells a number of a kind from any other digits. All take text without separators. */

/** Luhn (ISO/IEC 7812-1 annex B). */
export function luhn(digits: string): boolean {
  let sum = 0;
  for (let back = 0; back < digits.length; back++) {
    const digit = digits.charCodeAt(digits.length - 1 - back) - 0x30;
    const doubled = back % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Whether a card of so many digits may begin so (the ranges that the schemes publish). */
export function isCardRange(digits: string): boolean {
  const { length } = digits;
  const two = Number(digits.slice(0, 2));
  const three = Number(digits.slice(0, 3));
  const four = Number(digits.slice(0, 4));
  if (digits.startsWith('4')) return length === 13 || length === 16 || length === 19;
  if (two === 34 || two === 37) return length === 15;
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return length === 16;
  if (four === 6011 || (three >= 644 && three <= 649) || two === 65 || two === 62 || two === 60)
    return length >= 16;
  if (four >= 3528 && four <= 3589) return length >= 16;
  if ((three >= 300 && three <= 305) || two === 36 || two === 38 || two === 39) return length >= 14;
  return (two === 50 || (two >= 56 && two <= 69)) && length >= 13;
}

/** What is left of a number of any length after division by 97. */
export function modulo97(digits: string): number {
  let rest = 0;
  for (let at = 0; at < digits.length; at += 7) {
    const part = digits.slice(at, at + 7);
    rest = (rest * 10 ** part.length + Number(part)) % 97;
  }
  return rest;
}

/** Country → characters of its account numbers (ISO 13616, the registry). */
const ibanChars: ReadonlyMap<string, number> = new Map(
  Object.entries({
    AD: 24, AE: 23, AL: 28, AT: 20, AZ: 28, BA: 20, BE: 16, BG: 22, BH: 22, BI: 27, BR: 29, BY: 28, CH: 21,
    CR: 22, CY: 28, CZ: 24, DE: 22, DJ: 27, DK: 18, DO: 28, EE: 20, EG: 29, ES: 24, FI: 18, FK: 18, FO: 18,
    FR: 27, GB: 22, GE: 22, GI: 23, GL: 18, GR: 27, GT: 28, HN: 28, HR: 21, HU: 28, IE: 22, IL: 23, IQ: 23,
    IS: 26, IT: 27, JO: 30, KW: 30, KZ: 20, LB: 28, LC: 32, LI: 21, LT: 20, LU: 20, LV: 21, LY: 25, MC: 27,
    MD: 24, ME: 22, MK: 19, MN: 20, MR: 27, MT: 31, MU: 30, NI: 28, NL: 18, NO: 15, OM: 23, PK: 24, PL: 28,
    PS: 29, PT: 25, QA: 29, RO: 24, RS: 22, RU: 33, SA: 24, SC: 31, SD: 18, SE: 24, SI: 19, SK: 24, SM: 27,
    SO: 23, ST: 25, SV: 28, TL: 23, TN: 24, TR: 26, UA: 29, VA: 22, VG: 24, XK: 20, YE: 30,
  }),
); // prettier-ignore

/** How long an IBAN of the country is that this begins with; undefined for no country with IBANs. */
export function ibanLength(begin: string): number | undefined {
  return ibanChars.get(begin.slice(0, 2).toUpperCase());
}

/** The check digits of an IBAN (ISO 13616, ISO 7064 mod 97-10). */
export function isIban(text: string): boolean {
  const moved = (text.slice(4) + text.slice(0, 4)).toUpperCase();
  return modulo97(moved.replaceAll(/[A-Z]/g, (it) => String(it.charCodeAt(0) - 55))) === 1;
}

/** A German tax id: eleven digits, of the first ten one stands twice or three times; ISO 7064 mod 11,10. */
export function isGermanTaxId(digits: string): boolean {
  if (!/^[1-9][0-9]{10}$/.test(digits)) return false;
  const counts = new Array<number>(10).fill(0);
  for (const digit of digits.slice(0, 10)) counts[Number(digit)] = (counts[Number(digit)] ?? 0) + 1;
  const repeated = counts.filter((it) => it > 1);
  if (repeated.length !== 1 || (repeated[0] ?? 0) > 3) return false;
  let product = 10;
  for (const digit of digits.slice(0, 10)) {
    const sum = (Number(digit) + product) % 10 || 10;
    product = (sum * 2) % 11;
  }
  return (11 - product) % 10 === Number(digits[10]);
}

/** A French NIR: thirteen characters and a key of two digits; Corsica counts as 19 and 18. */
export function isFrenchNir(text: string): boolean {
  const read = /^([1-478])([0-9]{2})([0-9]{2})([0-9]{2}|2[AB])([0-9]{6})([0-9]{2})$/.exec(text);
  if (read === null) return false;
  const month = Number(read[3]);
  if (month < 1 || (month > 12 && month < 20) || (month > 42 && month < 50)) return false;
  const number = text.slice(0, 13).replace('2A', '19').replace('2B', '18');
  return 97 - modulo97(number) === Number(read[6]);
}

/** A Spanish DNI or NIE: the last letter follows from the number. */
export function isSpanishId(text: string): boolean {
  const digits = text.slice(0, -1).replace('X', '0').replace('Y', '1').replace('Z', '2');
  return 'TRWAGMYFPDXBNJZSQVHLCKE'[Number(digits) % 23] === text.at(-1);
}

/** A Dutch BSN: the eleven-test. */
export function isDutchBsn(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < 9; at++) sum += Number(digits[at]) * (at === 8 ? -1 : 9 - at);
  return sum % 11 === 0 && digits !== '000000000';
}

const oddValues = [
  1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

/** An Italian codice fiscale: sixteen characters, the last of which follows from the others. */
export function isCodiceFiscale(text: string): boolean {
  const form = /^[A-Z]{6}[0-9LMNP-V]{2}[ABCDEHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]$/;
  if (!form.test(text)) return false;
  let sum = 0;
  for (let at = 0; at < 15; at++) {
    const code = text.charCodeAt(at);
    const value = code < 0x41 ? code - 0x30 : code - 0x41;
    sum += at % 2 === 0 ? (oddValues[value] ?? 0) : value;
  }
  return text.charCodeAt(15) - 0x41 === sum % 26;
}

/** A social security number of the United States that could have been given out. */
export function isSsn(digits: string): boolean {
  const area = Number(digits.slice(0, 3));
  if (area === 0 || area === 666 || area >= 900) return false;
  return digits.slice(3, 5) !== '00' && digits.slice(5) !== '0000';
}

/** A British national insurance number: the letters that are given out. */
export function isNino(text: string): boolean {
  return (
    /^[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]$/.test(text) && !/^(?:BG|GB|NK|KN|TN|NT|ZZ)/.test(text)
  );
}
