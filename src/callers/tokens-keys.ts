import { createLocalJWKSet, compactVerify, errors, type JSONWebKeySet, type JWK } from 'jose';
import { isWeakRsa } from './weak-rsa.ts';
import { refused } from './tokens-read.ts';

/** The public keys of one issuer. */
export type KeySet = {
  /** Throws jose's errors; `JWKSNoMatchingKey` where the token names a key that is not here. */
  readonly find: ReturnType<typeof createLocalJWKSet>;
  /** To see whether another set is the same. */
  readonly text: string;
};

const keysMax = 100;
/** What only the owner of a private key has (RFC 7518 section 6). */
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

/**
 * Reads a JWK set (RFC 7517 section 5). Keys that cannot be for signatures, or are too weak, are left out as if they were
 * not there. Throws a plain error that says what is wrong with the set as a whole.
 */
export function readKeySet(value: unknown): KeySet {
  const keys: unknown = isObject(value) ? value['keys'] : undefined;
  if (!Array.isArray(keys) || !keys.every(isObject)) throw new Error('not a set of keys');
  if (keys.length > keysMax) throw new Error(`${keys.length} keys in a set`);
  for (const key of keys) {
    // Whoever reads a published secret can sign with it; nothing in such a set can be believed.
    if (key['kty'] === 'oct' || privateMembers.some((it) => Object.hasOwn(key, it)))
      throw new Error('the set publishes a secret key');
  }
  const ids = keys.map((key) => key['kid']).filter((kid) => kid !== undefined);
  // Which of the two were meant would be the reader's choice.
  if (new Set(ids).size !== ids.length) throw new Error('two keys of the set have one id');
  const good = { keys: keys.filter(isForSignatures) as JWK[] } satisfies JSONWebKeySet;
  return { find: createLocalJWKSet(good), text: JSON.stringify(good) };
}

/**
 * Checks the signature of a token in compact form. Throws `UNAUTHENTICATED`, or jose's `JWKSNoMatchingKey` for a key that
 * may have been made since the set was read.
 */
export async function checkSignature(
  token: string,
  set: KeySet,
  algorithms: readonly string[],
): Promise<void> {
  try {
    // Keys come from the set and from nowhere else: what the header says of keys (jku, jwk, x5u, x5c) is not looked at.
    await compactVerify(token, set.find, { algorithms: [...algorithms] });
  } catch (reason) {
    if (reason instanceof errors.JWKSNoMatchingKey) throw reason;
    const why = reason instanceof errors.JOSEError ? reason.code : 'the key cannot be used';
    throw refused(`the signature of the token is not good (${why})`);
  }
}

export function isNoMatchingKey(reason: unknown): boolean {
  return reason instanceof errors.JWKSNoMatchingKey;
}

function isForSignatures(key: Record<string, unknown>): boolean {
  const { kty, use, key_ops: operations } = key;
  if (use !== undefined && use !== 'sig') return false;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) return false;
  return kty === 'RSA' ? !isWeakRsa(key['n'], key['e']) : kty === 'EC' || kty === 'OKP';
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
