import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { isWeakRsa } from '../../src/callers/weak-rsa.ts';

const text = (number: bigint): string => {
  const hex = number.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
};
const jwk = (modulusLength: number) =>
  generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' });
const good = jwk(2048);
const primes = Array.from({ length: 166 }, (_, at) => at + 2).filter((n) =>
  Array.from({ length: n - 2 }, (_, at) => at + 2).every((it) => n % it !== 0),
);

/** As the broken library made its primes, without the trouble of making them prime: the fingerprint is the same. */
function ofBrokenLibrary(k: bigint, exponent: number): bigint {
  const product = primes.reduce((all, prime) => all * BigInt(prime), 1n);
  let power = 1n;
  for (let i = 0; i < exponent; i++) power = (power * 65_537n) % product;
  return k * product + power;
}

describe('an RSA key is not believed', () => {
  const roca = ofBrokenLibrary(1n << 810n, 11) * ofBrokenLibrary(1n << 811n, 1234);
  for (const [what, n, e] of [
    ['of 1024 bits', jwk(1024).n, 'AQAB'],
    ['of 16384 bits', text((1n << 16_383n) + 1n), 'AQAB'],
    ['of a library that makes keys which can be factored (ROCA)', text(roca), 'AQAB'],
    ['that is even', text(1n << 2047n), 'AQAB'],
    ['with the exponent 1', good.n, 'AQ'],
    ['with an even exponent', good.n, 'AQAA'],
    ['with an exponent that takes all day', good.n, text((1n << 40n) + 1n)],
    ['without a modulus', undefined, 'AQAB'],
    ['without an exponent', good.n, undefined],
    ['that is no number', 'a b', 'AQAB'],
    ['that is nothing', '', ''],
  ] as const)
    it(what, () => assert.equal(isWeakRsa(n, e), true));

  it('and a usual one is', () => {
    assert.equal(roca.toString(2).length >= 2048, true, 'the broken one is not merely short');
    for (const it of [good, jwk(3072)]) assert.equal(isWeakRsa(it.n, it.e), false);
    assert.equal(isWeakRsa(good.n, 'Aw'), false);
  });
});
