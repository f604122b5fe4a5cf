import { createHmac, timingSafeEqual } from 'node:crypto';

/*
 * The symmetric scheme of Standard Webhooks, in both directions: HMAC-SHA256 over `ID.TIMESTAMP.BODY`, in the headers
 * `webhook-id`, `webhook-timestamp` (seconds since 1970) and `webhook-signature` (`v1,BASE64`, several with spaces between).
 */

export type SignedHeaders = {
  readonly 'webhook-id': string;
  readonly 'webhook-timestamp': string;
  readonly 'webhook-signature': string;
};

/** How far the clocks of both sides may be apart, and how late a message may come. */
export const toleranceMs = 5 * 60_000;
/** A key that is shorter could be guessed by whoever sees one message. */
const keyBytesMin = 24;
const signaturesMax = 16;
const headerCharsMax = 2048;
/** No dot: `a.1` and `2` would sign the same text as `a` and `1.2`. */
const idForm = /^[A-Za-z0-9_-]{1,128}$/;
const timestampForm = /^\d{1,12}$/;

export type Key =
  { readonly ok: true; readonly bytes: Buffer } | { readonly ok: false; readonly why: string };

/** A secret as it was stored → the key: `whsec_` and base64, or the text itself. `why` never quotes it. */
export function readKey(secret: string): Key {
  const coded = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : undefined;
  if (coded !== undefined && !/^[A-Za-z0-9+/]+={0,2}$/.test(coded))
    return { ok: false, why: 'begins with whsec_, and what follows is not base64' };
  const bytes = coded === undefined ? Buffer.from(secret, 'utf8') : Buffer.from(coded, 'base64');
  if (bytes.length < keyBytesMin) return { ok: false, why: `is shorter than ${keyBytesMin} bytes` };
  return { ok: true, bytes };
}

/** The headers under which a body goes out. A repeated message keeps its id and gets a new timestamp. */
export function sign(key: Buffer, id: string, atMs: number, body: Buffer): SignedHeaders {
  const timestamp = String(Math.floor(atMs / 1000));
  const signature = `v1,${mac(key, id, timestamp, body).toString('base64')}`;
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature };
}

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;
export type Verified =
  { readonly kind: 'signed'; readonly id: string } | { readonly kind: 'unsigned'; readonly why: string };

/** Whether whoever has the key said just this, just now. Says nothing about whether it was said before. */
export function verify(key: Buffer, headers: Headers, body: Buffer, nowMs: number): Verified {
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'];
  const signatures = headers['webhook-signature'];
  if (typeof id !== 'string' || !idForm.test(id)) return unsigned('no webhook-id, or a bad one');
  if (typeof timestamp !== 'string' || !timestampForm.test(timestamp))
    return unsigned('no webhook-timestamp, or a bad one');
  if (typeof signatures !== 'string' || signatures.length > headerCharsMax)
    return unsigned('no webhook-signature, or a bad one');
  const expected = mac(key, id, timestamp, body);
  // The signature first: a stranger learns nothing about our clock.
  if (!anyIs(expected, signatures)) return unsigned('the signature does not fit');
  if (Math.abs(nowMs - Number(timestamp) * 1000) > toleranceMs)
    return unsigned('too old, or from the future: see that both clocks are right');
  return { kind: 'signed', id };
}

function unsigned(why: string): Verified {
  return { kind: 'unsigned', why };
}

/** While a secret is changed, a sender signs with the old and with the new one. */
function anyIs(expected: Buffer, signatures: string): boolean {
  let found = false;
  for (const signature of signatures.split(' ', signaturesMax)) {
    if (!signature.startsWith('v1,')) continue;
    const given = Buffer.from(signature.slice('v1,'.length), 'base64');
    // How long a comparison takes must not say how many bytes were right.
    if (given.length === expected.length && timingSafeEqual(given, expected)) found = true;
  }
  return found;
}

function mac(key: Buffer, id: string, timestamp: string, body: Buffer): Buffer {
  return createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
}
