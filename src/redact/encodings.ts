/** How many base64 characters a literal takes from the start of a group of four until it decides a whole character. */
export const base64Lead = [0, 2, 3] as const;

/**
 * The base64 characters that a stretch of bytes alone decides, when 0, 1 or 2 bytes of its first group come before it. The
 * characters at either end depend on the neighbours and are left out.
 */
export function base64Interior(bytes: Buffer, before: 0 | 1 | 2): string {
  const padded = Buffer.concat([Buffer.alloc(before), bytes, Buffer.alloc(2)]).toString('base64');
  return padded.slice(base64Lead[before], Math.floor(((before + bytes.length) * 8) / 6));
}

export function toBase64Url(text: string): string {
  return text.replaceAll('+', '-').replaceAll('/', '_');
}

/** Every byte as `%67`. */
export function percentAll(bytes: Buffer): string {
  return bytes.toString('hex').replaceAll(/../g, '%$&');
}

/** A way in which a secret may stand in a text. `edge`: base64, where one character more on either side tells of it. */
export type Form = { readonly text: string; readonly edge: boolean };

/** How a secret value may be written; `raw` also as it is, for text that is not JSON. No form twice. */
export function formsOf(secret: string, raw: boolean): readonly Form[] {
  const bytes = Buffer.from(secret, 'utf8');
  const once = escaped(secret);
  const percent = secret.isWellFormed() ? encodeURIComponent(secret) : '';
  const exact = new Set([
    once,
    escaped(once),
    ascii(once),
    escaped(ascii(once)),
    escaped(escaped(once)),
    percent,
    percent.replaceAll(/%../g, (it) => it.toLowerCase()),
    percent.replaceAll('%20', '+'),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    percentAll(bytes),
    percentAll(bytes).toUpperCase(),
  ]);
  if (raw) exact.add(secret);
  exact.delete('');
  const base64 = new Set<string>();
  for (const before of [0, 1, 2] as const) {
    const interior = base64Interior(bytes, before);
    base64.add(interior);
    base64.add(toBase64Url(interior));
  }
  return [
    ...[...exact].map((text) => ({ text, edge: false })),
    ...[...base64].map((text) => ({ text, edge: true })),
  ];
}

/** As it stands inside a JSON string. */
function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** As a writer puts it who keeps to ASCII (Python's json by default). */
function ascii(text: string): string {
  return text.replaceAll(/[\u0080-\uffff]/g, (it) => `\\u${it.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
