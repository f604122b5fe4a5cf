import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { keyOf } from '../../src/callers/identify.ts';
import { keyRing } from '../../src/callers/key-ring.ts';
import { namePattern } from '../../src/policy/match.ts';

const secret = 'S'.repeat(43);
const key = (id: string) => `mcpd_${id}_${secret}`;
const recordOf = (name: string, id: string) => ({
  name,
  id,
  sha256: hash('sha256', key(id), 'hex'),
  createdAt: '2026-01-01T00:00:00.000Z',
});
const end = Date.parse('2026-02-01T00:00:00.000Z');
const ring = keyRing(
  [
    recordOf('alice', 'AAAAAAAA'),
    recordOf('bob', 'BBBBBBBB'),
    { ...recordOf('eve', 'EEEEEEEE'), revokedAt: 'x' },
    { ...recordOf('tom', 'TTTTTTTT'), expiresAt: new Date(end).toISOString() },
  ],
  namePattern,
);

test('a key names its owner, and which key said so', () => {
  assert.deepEqual(keyOf(key('AAAAAAAA'), ring, end).principal, { name: 'alice', via: 'key AAAAAAAA' });
  assert.deepEqual(keyOf(key('BBBBBBBB'), ring, end).principal, { name: 'bob', via: 'key BBBBBBBB' });
});

test('a key is good up to its last millisecond, and not in the one in which it ends', () => {
  assert.equal(keyOf(key('TTTTTTTT'), ring, end - 1).principal.name, 'tom');
  assert.throws(() => keyOf(key('TTTTTTTT'), ring, end), { code: 'UNAUTHENTICATED', detail: /expired/ });
});

const wrong: readonly (readonly [string, string])[] = [
  ['a wrong secret', `mcpd_AAAAAAAA_${'T'.repeat(43)}`],
  ['a secret that differs in its last character', key('AAAAAAAA').slice(0, -1) + 'T'],
  ['the id of one and the secret of another', key('CCCCCCCC')],
  ['a revoked key', key('EEEEEEEE')],
  ['an unknown id', key('ZZZZZZZZ')],
  ['an id that every object has', `mcpd_toString_${secret}`],
  ['an empty token', ''],
  ['a very long token', 'mcpd_'.repeat(100_000)],
  ['a token with a line feed behind it', key('AAAAAAAA') + '\n'],
];
for (const [what, token] of wrong) {
  test(`${what} does not get in, and is not repeated`, () => {
    assert.throws(
      () => keyOf(token, ring, 0),
      (fault) => {
        assert.ok(fault instanceof Fault);
        assert.equal(fault.code, 'UNAUTHENTICATED');
        assert.ok(!`${fault.message} ${fault.detail} ${fault.hint}`.includes(secret.slice(0, 8)));
        return true;
      },
    );
  });
}

test('a stranger is told the same, whatever was wrong', () => {
  const said = wrong.map(([, token]) => {
    try {
      return keyOf(token, ring, 0).principal.name;
    } catch (reason) {
      return Fault.from(reason).says;
    }
  });
  assert.equal(new Set(said).size, 1);
});
