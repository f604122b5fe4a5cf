import { inJson, jsonWritings, markupWritings, percentWritings } from './writers.ts';

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

/** Longer values are keys or certificates, not passwords: every framework's writing of them would cost more than it finds. */
const manyFormsCharsMax = 4096;

/** How a secret value may be written; `raw` also as it is, for text that is not JSON. No form twice. */
export function formsOf(secret: string, raw: boolean): readonly Form[] {
  const bytes = Buffer.from(secret, 'utf8');
  const isLong = secret.length > manyFormsCharsMax;
  const markup = isLong ? [] : markupWritings(secret);
  // Each once before the next step: most of these are the same for most values.
  const written = new Set(jsonWritings(secret, isLong));
  const inMarkup = new Set(markup.map(inJson));
  const nested = new Set([...written, ...inMarkup].map(inJson));
  const deeper = new Set([...written].map((it) => inJson(inJson(it))));
  const exact = new Set([
    ...written,
    ...inMarkup,
    ...nested,
    ...deeper,
    ...percentWritings(secret, isLong),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    percentAll(bytes),
    percentAll(bytes).toUpperCase(),
  ]);
  if (raw) for (const it of [secret, ...markup]) exact.add(it);
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
