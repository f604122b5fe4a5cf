import { hash } from 'node:crypto';

/** JSON text in, JSON text of the same shape out, secrets replaced. */
export type Redact = (text: string) => string;

/** A string that somebody else chose → a JSON string, at most about `charsMax` characters of it. */
export type Outside = (text: string) => string;

const charsMax = 1024;
/** How much of a long string the redactor sees. */
const windowChars = 32 * 1024;
/** Longer than any secret that a detector knows. */
const marginChars = 8 * 1024;

/**
 * Caps strings from outside, and marks that it did. Redacts before it cuts: half a secret is one that no detector finds any
 * more. Short ones are left alone, because the whole line is redacted once.
 */
export function outsideText(redact: Redact): Outside {
  return (text) => (text.length <= charsMax ? quote(text) : cut(text, redact));
}

function cut(text: string, redact: Redact): string {
  const mark = `…[${text.length} characters, sha256 ${shortHash(text)}]`;
  const clean = JSON.parse(redact(JSON.stringify(text.slice(0, windowChars)))) as string;
  // Where redaction shortened the window a lot, its cut end has moved close and may hold half a secret: show nothing.
  const whole = text.length <= windowChars;
  if (!whole && clean.length < charsMax + marginChars) return JSON.stringify(mark);
  return JSON.stringify(clean.length <= charsMax ? clean : clean.slice(0, charsMax) + mark);
}

const needsNoEscape = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** A JSON string. Most need no escapes, and this is three times as fast for them. */
export function quote(text: string): string {
  return needsNoEscape.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** 48 bits: enough to tell sessions apart in a journal, worthless to whoever wants to use one. */
export function shortHash(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 12);
}
