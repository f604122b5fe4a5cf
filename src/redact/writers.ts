/**
 * How common libraries write a text, where they differ from `JSON.stringify` and `encodeURIComponent`. A value that a service
 * sends on as its framework writes it is the same value to whoever reads it, so each of these writings is searched for.
 */

/** What stands inside a JSON string, by those who escape more than they must. A text without such characters has one writing. */
export function jsonWritings(text: string, onlyPlain = false): readonly string[] {
  const plain = inJson(text);
  const ascii = escaped(text, /[\u0080-\uffff]/g, lower);
  if (onlyPlain) return [plain, ascii];
  return [
    plain,
    // Python.
    ascii,
    // Jackson, asked for ASCII.
    escaped(text, /[\u0080-\uffff]/g, upper),
    // PHP, and PHP asked to leave Unicode.
    slashed(ascii),
    slashed(plain),
    // Symfony: JSON that can stand in HTML.
    slashed(escaped(text, /["&'<>\u0080-\uffff]/g, (code) => (code < 0x80 ? upper(code) : lower(code)))),
    // Go and Rails.
    escaped(text, /[&<>\u2028\u2029]/g, lower),
    // .NET.
    escaped(text, /["&'+<>`\u007f-\uffff]/g, upper),
    // Gson.
    escaped(text, /[&'<=>\u2028\u2029]/g, lower),
  ];
}

type PercentTable = { readonly large: readonly string[]; readonly small: readonly string[] };

/** How every byte is written by those who leave this ASCII punctuation as it is, with digits in either case. */
function percentTable(kept: string): PercentTable {
  const large = Array.from({ length: 256 }, (_, byte) => {
    const character = String.fromCharCode(byte);
    const stays = byte < 0x80 && (/[A-Za-z0-9]/.test(character) || kept.includes(character));
    return stays ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  });
  return { large, small: large.map((it) => (it.length === 1 ? it : it.toLowerCase())) };
}

// JavaScript's encodeURIComponent.
const plainPercent = percentTable("-_.!~*'()");
const percentTables = [
  plainPercent,
  // JavaScript's encodeURI.
  percentTable("-_.!~*'();,/?:@&=+$#"),
  // RFC 3986; Python's quote and Go's QueryEscape.
  percentTable('-_.~'),
  percentTable('-_.~/'),
  // Forms in browsers and Java; PHP's urlencode.
  percentTable('-_.*'),
  percentTable('-_.'),
];

/** Percent-encoded, with digits in either case, and with a plus sign for a blank. */
export function percentWritings(text: string, onlyPlain = false): readonly string[] {
  if (!text.isWellFormed()) return [];
  const bytes = Buffer.from(text, 'utf8');
  const tables = onlyPlain ? [plainPercent] : percentTables;
  const found = new Set<string>();
  for (const { large, small } of tables) {
    const written = byTable(bytes, large);
    // Most values have little punctuation: then all of these are one, and the rest is done once.
    if (found.has(written)) continue;
    found.add(written);
    const lower = byTable(bytes, small);
    found.add(lower);
    if (written.includes('%20')) found.add(written.replaceAll('%20', '+')).add(lower.replaceAll('%20', '+'));
  }
  return [...found];
}

function byTable(bytes: Buffer, table: readonly string[]): string {
  let written = '';
  for (const byte of bytes) written += table[byte] ?? '';
  return written;
}

/** In HTML and XML with names; references by number are undone before anything is searched for. */
export function markupWritings(text: string): readonly string[] {
  const inText = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const inAttribute = inText.replaceAll('"', '&quot;');
  return [inText, inAttribute, inAttribute.replaceAll("'", '&apos;')];
}

const lower = (code: number): string => `\\u${code.toString(16).padStart(4, '0')}`;
const upper = (code: number): string => `\\u${code.toString(16).toUpperCase().padStart(4, '0')}`;

/** As it stands inside a JSON string, with these characters as `\u0026` too. */
function escaped(text: string, apart: RegExp, write: (code: number) => string): string {
  const parts: string[] = [];
  let at = 0;
  if (text.search(apart) < 0) return inJson(text);
  for (const { index } of text.matchAll(apart)) {
    parts.push(inJson(text.slice(at, index)), write(text.charCodeAt(index)));
    at = index + 1;
  }
  parts.push(inJson(text.slice(at)));
  return parts.join('');
}

/** As `JSON.stringify` writes it inside a string. */
export function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function slashed(text: string): string {
  return text.replaceAll('/', '\\/');
}
