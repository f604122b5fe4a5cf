import { createHash, createHmac, hash } from 'node:crypto';
import type { JsonText } from '../domain/message.ts';
import { member, members } from '../protocol/codec.ts';
import type { Outside } from './outside.ts';

/** The JSON text of a value → `hmac:` and 22 characters, the same for the same value as long as the key is the same. */
export type ArgumentDigest = (value: string) => string;

/** Arguments beyond these have no digest, and the record says how many. */
const argumentsMax = 32;
/** 132 bits of 256: nobody finds a second value for one, and a record stays short. */
const digestChars = 22;
const blockBytes = 64;
const hashBytes = 32;
/** A longer value is not joined to the padded key first: that would be a copy of it for the collector. */
const joinedCharsMax = 4096;

/** The key of the digests, from the key that seals what passes through clients' hands: another use is another key. */
export function argumentKey(sealKey: Buffer): string {
  return createHmac('sha256', sealKey).update('mcpd audit arguments').digest('base64url');
}

/**
 * HMAC-SHA-256 (RFC 2104) of the value in UTF-8, the first 22 characters of its base64url. Without a key whoever reads the journal
 * could try values until one fits: paths, names and amounts are guessed at once. `key`: ASCII, at most 64 characters. Two one-shot
 * hashes give the same digest as `createHmac` in a third of the time, and this runs before a call goes out: of an ASCII key the
 * padded block is ASCII as well, so that it and the value are one string that nobody has to copy into a buffer.
 */
export function argumentDigest(key: string): ArgumentDigest {
  const inner = padded(key, 0x36);
  const innerDigest = (value: string): string =>
    value.length <= joinedCharsMax
      ? hash('sha256', inner + value, 'binary')
      : createHash('sha256').update(inner, 'latin1').update(value, 'utf8').digest('latin1');
  const outer = Buffer.alloc(blockBytes + hashBytes);
  outer.write(padded(key, 0x5c), 'latin1');
  return (value) => {
    outer.write(innerDigest(value), blockBytes, 'latin1');
    return `hmac:${hash('sha256', outer, 'base64url').slice(0, digestChars)}`;
  };
}

const argumentsPath = ['arguments'];

function padded(key: string, pad: number): string {
  const codes = Array.from(
    { length: blockBytes },
    (_, at) => (at < key.length ? key.charCodeAt(at) : 0) ^ pad,
  );
  return String.fromCharCode(...codes);
}

/** The `args` member of a record: each argument of a call by name. Begins with a comma, or is empty where there is none. */
export function argumentsText(params: JsonText, digest: ArgumentDigest, outside: Outside): string {
  const args = member(params, argumentsPath);
  if (args?.startsWith('{') !== true) return '';
  const found = members(args);
  if (found.length === 0) return '';
  const more = found.length - argumentsMax;
  if (more > 0) found.length = argumentsMax;
  let parts = '';
  for (const it of found) parts += `${parts === '' ? '' : ','}${outside(it[0])}:"${digest(it[1])}"`;
  return `,"args":{${parts}}${more > 0 ? `,"argsOmitted":${more}` : ''}`;
}
