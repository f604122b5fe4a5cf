import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { resolveSecrets } from '../../src/secrets/resolve.ts';
import type { OpenKeychain } from '../../src/secrets/keychain.ts';
import { file, keychainOf, scratch, unavailable } from './scratch.ts';

const closed: OpenKeychain = () => Promise.reject(new Error('the keychain was opened'));

test('references become values, from the keychain and from files', async (t) => {
  const dir = scratch(t);
  file(join(dir, 'key'), 'from file\n');
  const held = new Map([['github/token', 'from keychain']]);
  const refs = { A: 'keychain:github/token', B: 'file:key', C: `file:${join(dir, 'key')}` };
  assert.deepEqual(await resolveSecrets(refs, dir, keychainOf(held)), {
    A: 'from keychain',
    B: 'from file',
    C: 'from file',
  });
});

test('nobody opens the keychain for a file, or for nothing', async (t) => {
  const dir = scratch(t);
  file(join(dir, 'key'), 'x');
  assert.deepEqual(await resolveSecrets({ A: 'file:key' }, dir, closed), { A: 'x' });
  assert.deepEqual(await resolveSecrets({}, dir, closed), {});
});

test('a missing secret names the variable, the reference and what to type', async () => {
  await assert.rejects(
    resolveSecrets({ TOKEN: 'keychain:github-token' }, '/', keychainOf(new Map())),
    unavailable(
      /^TOKEN = "keychain:github-token": the keychain holds no such secret$/,
      /^mcpd secret set github-token$/,
    ),
  );
});

test('everything that is missing is told at once', async (t) => {
  const dir = scratch(t);
  const refs = { A: 'keychain:a', B: 'file:b', C: 'keychain:c', D: 'keychain:there' };
  await assert.rejects(
    resolveSecrets(refs, dir, keychainOf(new Map([['there', 'hunter2']]))),
    unavailable(
      /A = "keychain:a".*B = "file:b".*does not exist.*C = "keychain:c"/,
      /mcpd secret set a; .*; mcpd secret set c/,
    ),
  );
});

test('an empty value is not a secret, and neither is one that no environment can carry', async () => {
  for (const value of ['', 'hunter2\0', 'hunter2'.repeat(10_000)]) {
    await assert.rejects(
      resolveSecrets({ A: 'keychain:a' }, '/', keychainOf(new Map([['a', value]]))),
      unavailable(/^A = "keychain:a": the value /, /store it again/),
    );
  }
});

test('what is no reference is refused and not repeated', async () => {
  for (const text of [
    'hunter2',
    'keychain:',
    'keychain:-hunter2',
    'file:',
    'file:///hunter2',
    'env:hunter 2',
    'op:-hunter2',
    'file:///hunter2',
    'keychain:a b hunter2',
  ]) {
    await assert.rejects(
      resolveSecrets({ A: text }, '/', closed),
      unavailable(/^A = "…": not a secret reference/, /keychain:NAME/),
    );
  }
});

test('a keychain that fails is asked once, not once for each secret', async () => {
  let asked = 0;
  const broken: OpenKeychain = (ask) => {
    const fail = () => {
      asked += 1;
      return Promise.reject(
        new Fault('SECRET_UNAVAILABLE', { detail: 'the keychain cannot be used: locked', hint: 'unlock it' }),
      );
    };
    return ask({ get: fail, set: fail, remove: fail, probe: fail });
  };
  await assert.rejects(
    resolveSecrets({ A: 'keychain:a', B: 'keychain:b' }, '/', broken),
    unavailable(/A = .*locked; B = .*locked/, /^unlock it$/),
  );
  assert.equal(asked, 1);
});
