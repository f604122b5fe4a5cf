import { Fault } from '../domain/faults.ts';
import type { Json, JsonObject } from '../domain/message.ts';
import { canonical, decodeUtf8, objectOf } from '../protocol/codec.ts';

/** What a token says of itself. Nothing of it is believed until the signature is checked. */
export type UnverifiedToken = { readonly header: JsonObject; readonly claims: JsonObject };

const charsMax = 8192;
const bounds = { bytesMax: charsMax, depthMax: 16 };
const threeParts = /^[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*$/;
/** RFC 6750 section 2.1. */
const bearerForm = /^[A-Za-z0-9._~+/-]+=*$/;

/** Whether a token is meant to be read by us (RFC 7519); any other is one that only its issuer understands. */
export function isReadable(token: string): boolean {
  return threeParts.test(token);
}

/** Throws `UNAUTHENTICATED` for what no issuer hands out, so that nobody is asked about it. */
export function checkForm(token: string): void {
  if (token.length > charsMax) throw refused(`a token of ${token.length} characters`);
  if (!bearerForm.test(token)) throw refused('a token with characters that no token has');
}

/** Reads a JWT in compact form. Throws `UNAUTHENTICATED`, naming what is wrong with it and nothing of what it holds. */
export function readToken(token: string): UnverifiedToken {
  checkForm(token);
  if (!isReadable(token)) throw refused('not a JWT of three parts');
  const [header = '', claims = '', signature = ''] = token.split('.');
  if (signature === '') throw refused('a token without a signature');
  bytesOf(signature, 'signature');
  return { header: jsonOf(header, 'header'), claims: jsonOf(claims, 'claims') };
}

/** A refusal; the reason is for the operator's log and the journal. */
export function refused(detail: string): Fault {
  return new Fault('UNAUTHENTICATED', { detail });
}

/** A member of what came from outside: only its own, so that `constructor` is as absent as any other. */
export function own(of: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(of, key) ? of[key] : undefined;
}

function jsonOf(part: string, what: string): JsonObject {
  try {
    // A member that stands twice is refused: another reader of the same token may see the other one.
    return objectOf(canonical(decodeUtf8(bytesOf(part, what)), bounds));
  } catch (reason) {
    const { code, detail, says } = Fault.from(reason);
    if (code === 'UNAUTHENTICATED') throw reason;
    throw refused(`the ${what} of the token: ${detail ?? says}`);
  }
}

function bytesOf(part: string, what: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  // Bits that nobody reads would make many spellings of one token.
  if (bytes.toString('base64url') !== part) throw refused(`the ${what} of the token is not base64url`);
  return bytes;
}
