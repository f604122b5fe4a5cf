import { hash } from 'node:crypto';
import { readJson } from '../domain/read-json.ts';

/** JSON text in, JSON text of the same shape out, secrets replaced. */
export type Redact = (text: string) => string;

export type Outside = {
  /** A string that somebody else chose → a JSON string without secrets, at most about `charsMax` characters of it. */
  (text: string): string;
  /** The same, not looked through where it is short: for what is to stand in an object for `named`. */
  readonly capped: (text: string) => string;
  /**
   * Members that somebody else named: JSON text of an object of such strings → without secrets. Looked through as a whole, because
   * a name can say that its value is a secret that nobody would know by itself: `authorization`, `x-api-key`.
   */
  readonly named: (object: string) => string;
  /** As of `OutsideParts`. */
  readonly knows?: OutsideParts['knows'];
};

export type OutsideParts = {
  readonly redact: Redact;
  /** Another number whenever `redact` looks for something else. Without it, nothing that it found is remembered. */
  readonly knows?: (() => number) | undefined;
};

const charsMax = 1024;
/** How much of a long string the redactor sees. */
const windowChars = 32 * 1024;
/** Longer than any secret that a detector knows. */
const marginChars = 8 * 1024;
/** Names of servers, tools, rules and clients, addresses and the like are the same from call to call. */
const rememberedMax = 1024;
const rememberedCharsMax = 256;

/**
 * Redacts strings from outside, caps them, and marks that it did. Redacts before it cuts: half a secret is one that no detector
 * finds any more. Each by itself, because no secret begins in one string of a record and ends in another, and what we name
 * ourselves has no name that makes it one; so the strings that a thousand calls share are looked through once.
 */
export function outsideText({ redact, knows }: OutsideParts): Outside {
  const clean = new Map<string, string>();
  let knew: number | undefined;
  const one = (text: string): string => {
    if (text.length > charsMax) return cut(text, redact);
    const knownNow = knows?.();
    if (knownNow === undefined || text.length > rememberedCharsMax) return redact(quote(text));
    if (knownNow !== knew) {
      // What was harmless may be the value of a secret by now.
      clean.clear();
      knew = knownNow;
    }
    const found = clean.get(text);
    if (found !== undefined) return found;
    const quoted = quote(text);
    const redacted = redact(quoted);
    // What held a secret is not kept.
    if (redacted === quoted) {
      if (clean.size >= rememberedMax) clean.clear();
      clean.set(text, quoted);
    }
    return redacted;
  };
  const capped = (text: string): string => (text.length > charsMax ? cut(text, redact) : quote(text));
  return Object.assign(one, { capped, named: redact, knows });
}

function cut(text: string, redact: Redact): string {
  const mark = `…[${text.length} characters, sha256 ${shortHash(text)}]`;
  const clean = readJson(redact(JSON.stringify(text.slice(0, windowChars)))) as string;
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
