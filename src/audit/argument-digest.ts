import { createHmac, hash } from 'node:crypto';
import type { JsonText } from '../domain/message.ts';
import { members } from '../protocol/codec.ts';
import type { Outside } from './outside.ts';

/** The JSON text of a value → `hmac:` and 22 characters, the same for the same value as long as the key is the same. */
export type ArgumentDigest = (value: string) => string;

/** Arguments beyond these have no digest, and the record says how many. */
const argumentsMax = 32;
/** 132 bits of 256: nobody finds a second value for one, and a record stays short. */
const digestChars = 22;
const blockBytes = 64;
const hashBytes = 32;
const reusedBytes = 8 * 1024;

/** The key of the digests, from the key that seals what passes through clients' hands: another use is another key. */
export function argumentKey(sealKey: Buffer): Buffer {
  return createHmac('sha256', sealKey).update('mcpd audit arguments').digest();
}

/**
 * HMAC-SHA-256 (RFC 2104) of the value in UTF-8, the first 22 characters of its base64url. Without a key whoever reads the journal
 * could try values until one fits: paths, names and amounts are guessed at once. Two one-shot hashes over buffers that are kept
 * give the same digest as `createHmac` in half the time, and this runs before a call goes out.
 */
export function argumentDigest(key: Buffer): ArgumentDigest {
  const own = key.subarray(0, blockBytes);
  const inner = Buffer.alloc(blockBytes + reusedBytes, 0x36);
  const outer = Buffer.alloc(blockBytes + hashBytes, 0x5c);
  for (const [at, byte] of own.entries()) {
    inner[at] = byte ^ 0x36;
    outer[at] = byte ^ 0x5c;
  }
  const innerHash = (value: string): string => {
    // At most three bytes of UTF-8 to a UTF-16 unit.
    if (value.length * 3 <= reusedBytes)
      return hash('sha256', inner.subarray(0, blockBytes + inner.write(value, blockBytes)), 'binary');
    return hash('sha256', Buffer.concat([inner.subarray(0, blockBytes), Buffer.from(value)]), 'binary');
  };
  return (value) => {
    outer.write(innerHash(value), blockBytes, 'latin1');
    return `hmac:${hash('sha256', outer, 'base64url').slice(0, digestChars)}`;
  };
}

/** The `args` member of a record: each argument of a call by name. Begins with a comma, or is empty where there is none. */
export function argumentsText(params: JsonText, digest: ArgumentDigest, outside: Outside): string {
  const args = members(params).find(([name]) => name === 'arguments')?.[1];
  if (args?.startsWith('{') !== true) return '';
  const found = members(args);
  if (found.length === 0) return '';
  const parts = found.slice(0, argumentsMax).map(([name, value]) => `${outside(name)}:"${digest(value)}"`);
  const more = found.length - parts.length;
  return `,"args":{${parts.join(',')}}${more > 0 ? `,"argsOmitted":${more}` : ''}`;
}
