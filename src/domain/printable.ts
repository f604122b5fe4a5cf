/** Almost every text is plain ASCII; this says so quickly. */
const surelyPlain = /^[\x20-\x7e]*$/;

/**
 * Everything that a terminal obeys instead of showing, or that shows as nothing: C0, DEL and C1 controls, bidi and
 * zero-width characters, tags, variation selectors, line and paragraph separators, odd spaces, halves of pairs,
 * private and unassigned code points. With them a text can overwrite, reverse or hide what an operator says yes to.
 */
const unprintable =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u00a0\u1680\u2000-\u200a\u202f\u205f\u2800\u3000]/gu;

/** Any text → one line that is safe on a terminal. A backslash is doubled, so that an escape cannot be forged. */
export function printable(text: string): string {
  if (surelyPlain.test(text) && !text.includes('\\')) return text;
  return text.replaceAll('\\', '\\\\').replace(unprintable, (it) => `\\u{${codePoint(it)}}`);
}

/** JSON text → JSON text with the same meaning, safe on a terminal. The text must have no control characters of its own. */
export function printableJson(text: string): string {
  if (surelyPlain.test(text)) return text;
  return text.replace(unprintable, jsonEscape);
}

function codePoint(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16);
}

function jsonEscape(character: string): string {
  let escaped = '';
  for (let at = 0; at < character.length; at++) {
    escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
  }
  return escaped;
}
