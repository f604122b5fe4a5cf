import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import type { Credentials } from '../../src/domain/caller.ts';
import { Fault } from '../../src/domain/faults.ts';
import { identify, signIn } from '../../src/callers/identify.ts';
import { keyRing } from '../../src/callers/keys.ts';

const secret = 'S'.repeat(43);
const keyOf = (id: string) => `mcpd_${id}_${secret}`;
const recordOf = (name: string, id: string) => ({
  name,
  id,
  sha256: hash('sha256', keyOf(id), 'hex'),
  createdAt: '',
});
const ring = keyRing([
  recordOf('alice', 'AAAAAAAA'),
  recordOf('bob', 'BBBBBBBB'),
  { ...recordOf('eve', 'EEEEEEEE'), revokedAt: 'x' },
]);
const bearer = (token: string): Credentials => ({ kind: 'bearer', token });
const locked = { withoutKey: false };
const open = { withoutKey: true };

test('a key names its owner', () => {
  assert.deepEqual(identify(bearer(keyOf('AAAAAAAA')), ring, locked), { name: 'alice' });
  assert.deepEqual(identify(bearer(keyOf('BBBBBBBB')), ring, locked), { name: 'bob' });
});

const wrong: readonly (readonly [string, Credentials])[] = [
  ['a wrong secret', bearer(`mcpd_AAAAAAAA_${'T'.repeat(43)}`)],
  ['a secret that differs in its last character', bearer(keyOf('AAAAAAAA').slice(0, -1) + 'T')],
  ['the id of one and the secret of another', bearer(keyOf('CCCCCCCC'))],
  ['a revoked key', bearer(keyOf('EEEEEEEE'))],
  ['an unknown id', bearer(keyOf('ZZZZZZZZ'))],
  ['an id that every object has', bearer(`mcpd_toString_${secret}`)],
  ['an empty token', bearer('')],
  ['a very long token', bearer('mcpd_'.repeat(100_000))],
  ['a token with a line feed behind it', bearer(keyOf('AAAAAAAA') + '\n')],
  ['a malformed header', { kind: 'malformed', why: 'x' }],
];
for (const [what, credentials] of wrong) {
  for (const policy of [locked, open]) {
    test(`${what} does not get in, ${policy.withoutKey ? 'even where no key is needed' : 'and is not repeated'}`, () => {
      assert.throws(
        () => identify(credentials, ring, policy),
        (fault) => {
          assert.ok(fault instanceof Fault);
          assert.equal(fault.code, 'UNAUTHENTICATED');
          assert.ok(!`${fault.message} ${fault.detail} ${fault.hint}`.includes(secret.slice(0, 8)));
          return true;
        },
      );
    });
  }
}

test('without a key there is a caller only where the owner said so', () => {
  assert.throws(() => identify({ kind: 'none' }, ring, locked), { code: 'UNAUTHENTICATED' });
  assert.throws(() => identify({ kind: 'none' }, keyRing([]), locked), { code: 'UNAUTHENTICATED' });
  assert.deepEqual(identify({ kind: 'none' }, ring, open), { name: 'anyone' });
});

test('a stranger is told the same, whatever was wrong', () => {
  const said = wrong.map(([, credentials]) => {
    try {
      return identify(credentials, ring, locked).name;
    } catch (reason) {
      return Fault.from(reason).says;
    }
  });
  assert.equal(new Set(said).size, 1);
});

test('a checked credential is not checked twice, unless the keys have changed meanwhile', () => {
  const checked = signIn(bearer(keyOf('AAAAAAAA')), ring, locked);
  assert.equal(checked.kind, 'checked');
  assert.deepEqual(identify(checked, ring, locked), { name: 'alice' });
  assert.throws(() => identify(checked, keyRing([]), locked), { code: 'UNAUTHENTICATED' });
  assert.equal(signIn(checked, ring, locked), checked);
});

test('what does not get in is given no proof', () => {
  for (const [, credentials] of wrong)
    assert.throws(() => signIn(credentials, ring, locked), { code: 'UNAUTHENTICATED' });
});
