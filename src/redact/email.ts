import { escapeEnd } from './escapes.ts';
import type { Span } from './shapes.ts';

const localCharsMax = 64;
const domainCharsMax = 253;

const MAY_BE_JSON = /^\s{0,64}[[{"]/;

/** An address around an `@`: up to 64 characters before it, a domain with a dot behind it (RFC 5321 section 4.5.3.1). */
export function email(text: string, at: number): Span | undefined {
  let from = at;
  while (from > 0 && at - from < localCharsMax && isLocal(text.charCodeAt(from - 1))) from--;
  // `\n` in a text that is JSON: the letter belongs to the escape, not to the name. Elsewhere it is the first one of the name.
  if (
    from + 1 < at &&
    text[from - 1] === '\\' &&
    MAY_BE_JSON.test(text) &&
    escapeEnd(text, from) === from + 1
  )
    from++;
  while (from < at && ".!=/{|}'`".includes(text.charAt(from))) from++;
  if (from === at || text[at - 1] === '.') return undefined;
  let to = at + 1;
  let dot = -1;
  for (; to - at <= domainCharsMax; to++) {
    const code = text.charCodeAt(to);
    if (code === 0x2e) {
      if (to === at + 1 || text.charCodeAt(to - 1) === 0x2e) break;
      dot = to;
    } else if (!isDomain(code)) break;
  }
  while (to > at && (text[to - 1] === '.' || text[to - 1] === '-')) to--;
  if (dot >= to) dot = text.lastIndexOf('.', to - 1);
  if (dot <= at || to - dot < 3) return undefined;
  // A top-level domain has letters: `user@10.0.0.12` is a login, `left@1.25` a price.
  return /^[^0-9.]{2}/.test(text.slice(dot + 1, to)) ? { from, to } : undefined;
}

function isLocal(code: number): boolean {
  if (code >= 0x80) return isWordBeyondAscii(code);
  return isAlnum(code) || ".!#$%&'*+/=?^_`{|}~-".includes(String.fromCharCode(code));
}

function isDomain(code: number): boolean {
  return code >= 0x80 ? isWordBeyondAscii(code) : isAlnum(code) || code === 0x2d;
}

function isAlnum(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

/** Letters of other scripts, not the typographic quotes and spaces, nor CJK full stops. */
function isWordBeyondAscii(code: number): boolean {
  return (
    code >= 0xc0 &&
    !(code >= 0x2000 && code <= 0x206f) &&
    !(code >= 0x3000 && code <= 0x303f) &&
    code < 0xff00
  );
}
