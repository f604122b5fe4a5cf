/** Project Wycheproof's vectors for JSON Web Signatures, against what checks the tokens. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { checkSignature, readKeySet } from '../../src/callers/tokens-keys.ts';
import { readToken } from '../../src/callers/tokens-read.ts';
import { absent, corpusFile } from '../support/corpora.ts';

type Key = Record<string, unknown>;
type Vector = {
  readonly tcId: number;
  readonly comment: string;
  readonly jws?: unknown;
  readonly result: string;
};
type Group = {
  readonly comment: string;
  readonly public?: Key & { readonly keys?: Key[] };
  readonly private: Key & { readonly keys?: Key[] };
  readonly tests: readonly Vector[];
};

const set = 'wycheproof-jose';
const files = ['json_web_signature', 'json_web_key', 'json_web_crypto'] as const;
/** All that the configuration can allow. */
const allowed = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
];

/** Good signatures that are refused all the same, and why. */
const refusedOnPurpose: readonly (readonly [why: string, is: (group: Group, vector: Vector) => boolean])[] = [
  ['signed with a shared secret', ({ public: key }) => key === undefined],
  [
    'a key that is for another algorithm, or for "ES521", which is none',
    ({ public: key }, { jws }) => key?.['alg'] !== undefined && key['alg'] !== algorithmOf(jws),
  ],
];

function algorithmOf(jws: unknown): unknown {
  const header =
    typeof jws === 'string' ? Buffer.from(jws.split('.')[0] ?? '', 'base64url').toString() : '{}';
  return (JSON.parse(header) as { alg?: unknown }).alg;
}

/** Whether a vector gets as far as somebody believing its signature. */
async function isBelieved(group: Group, { jws }: Vector): Promise<boolean> {
  try {
    const key = group.public ?? group.private;
    const keys = readKeySet(key.keys === undefined ? { keys: [key] } : key);
    // Vectors in JSON serialization are given as objects; a header can only hold text.
    const text = typeof jws === 'string' ? jws : JSON.stringify(jws);
    readFormOf(text);
    await checkSignature(text, keys, allowed);
    return true;
  } catch {
    return false;
  }
}

/** The vectors sign plain text, where a token has claims; everything else about the form is asked as it is for a token. */
function readFormOf(text: string): void {
  const [header = '', , signature = '', ...more] = text.split('.');
  readToken([header, 'e30', signature, ...more].join('.'));
}

describe('Wycheproof, JSON Web Signature', { skip: absent(set) }, () => {
  for (const file of files) {
    it(`${file}: what is invalid is refused, and what is valid is accepted unless it is refused on purpose`, async () => {
      const { testGroups } = JSON.parse(readFileSync(corpusFile(`${set}/${file}_test.json`), 'utf8')) as {
        testGroups: Group[];
      };
      const wrong: string[] = [];
      const count = { valid: 0, invalid: 0, onPurpose: 0 };
      for (const group of testGroups)
        for (const vector of group.tests) {
          // Encryption is no way to sign a token; nothing here reads it.
          if (vector.jws === undefined) continue;
          const expected = vector.result === 'valid';
          const onPurpose = expected && refusedOnPurpose.some(([, is]) => is(group, vector));
          count[onPurpose ? 'onPurpose' : expected ? 'valid' : 'invalid']++;
          if ((await isBelieved(group, vector)) !== (expected && !onPurpose))
            wrong.push(`${group.comment} ${vector.tcId}: ${vector.comment} (${vector.result})`);
        }
      assert.deepEqual(wrong, []);
      assert.deepEqual(count, counts[file]);
    });
  }
});

/** So that no vector is left out unseen. */
const counts = {
  json_web_signature: { valid: 32, invalid: 355, onPurpose: 14 },
  json_web_key: { valid: 1, invalid: 21, onPurpose: 4 },
  json_web_crypto: { valid: 2, invalid: 45, onPurpose: 2 },
};
