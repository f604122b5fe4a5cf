/**
 * What the redactor is known not to catch, by the row of the test data that shows it, with the reason in a sentence. The
 * tests compare: each row is either redacted or stands here, so this list cannot grow stale.
 */
export const notCaught: ReadonlyMap<string, string> = new Map([
  [
    'red-034',
    'A secret split over two writes is whole again only after lines are put together, which is done before text comes here.',
  ],
]);

/** The same for what no row shows; `docs/redaction.md` lists both. */
export const neverCaught: readonly string[] = [
  'Injected values shorter than 6 or longer than 65,536 characters are not looked for; the log says so when a child gets one.',
  'A secret that was compressed, encrypted, reversed, spelled with other letters or spread over several members is another text.',
  'A value that is encoded twice (base64 of base64), or in base32, UTF-16 or quoted-printable, is not decoded.',
  'A value in base64 with line breaks inside is found only where it is a private key; a known value may straddle the break.',
  'Passwords and tokens without a mark of their own are found only behind a name that says whose they are.',
  'Secrets split over two answers, two progress messages, or two lines of a log are never seen together.',
  'Personal data in files that are no text (pictures, PDF, archives) is not looked for.',
  'Telephone numbers without any separator or plus sign, names, addresses and dates of birth are not looked for.',
  'Personal data in base64, hexadecimal or percent-encoding is not looked for, except in files of text in base64.',
  "Matches of an owner's pattern that are longer than 2,048 characters may be missed in texts of more than 16,384 characters.",
  'A server can always agree with its caller on a code of their own; redaction guards against leaks, not against accomplices.',
];
