import assert from 'node:assert/strict';
import { readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OpenKeychain } from '../../src/secrets/keychain.ts';
import { listSecrets, removeSecret, setSecret } from '../../src/secrets/store.ts';
import { file, keychainOf, scratch, unavailable } from './scratch.ts';

const namesIn = async (file: string) => (await listSecrets(file)).map(({ name }) => name);
const at = () => 1_800_000_000_000;

test('a secret is stored, listed by name, replaced and removed', async (t) => {
  const names = join(scratch(t), 'names');
  const held = new Map<string, string>();
  const open = keychainOf(held);
  assert.deepEqual(await listSecrets(names), []);
  assert.equal(await setSecret('zeta', 'hunter2', names, open), 'stored');
  assert.equal(await setSecret('github/token', 'hunter2', names, open), 'stored');
  assert.equal(await setSecret('zeta', 'other', names, open), 'replaced');
  assert.deepEqual(await namesIn(names), ['github/token', 'zeta']);
  assert.equal(await removeSecret('zeta', names, open), 'removed');
  assert.equal(await removeSecret('zeta', names, open), 'absent');
  assert.deepEqual(await namesIn(names), ['github/token']);
  assert.deepEqual([...held.keys()], ['github/token']);
});

test('the list holds names, for its owner alone, and leaves nothing beside it', async (t) => {
  const dir = scratch(t);
  await setSecret('token', 'hunter2', join(dir, 'names'), keychainOf(new Map()), at);
  assert.equal(readFileSync(join(dir, 'names'), 'utf8'), 'token\t2027-01-15T08:00:00.000Z\n');
  assert.equal(statSync(join(dir, 'names')).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(dir), ['names']);
});

test('a list that an earlier mcpd wrote is read, and keeps what it says', async (t) => {
  const names = file(join(scratch(t), 'names'), 'old\nevil name\ntorn\tnot a date\n');
  await setSecret('new', 'hunter2', names, keychainOf(new Map()), at);
  assert.deepEqual(await listSecrets(names), [
    { name: 'new', setAt: '2027-01-15T08:00:00.000Z' },
    { name: 'old', setAt: undefined },
    { name: 'torn', setAt: undefined },
  ]);
});

test('two commands at once lose nothing', async (t) => {
  const names = join(scratch(t), 'names');
  const held = new Map<string, string>();
  const all = Array.from({ length: 8 }, (_, index) => `n${index}`);
  await Promise.all(all.map((name) => setSecret(name, 'hunter2', names, keychainOf(held))));
  assert.deepEqual(await namesIn(names), all);
});

test('a command that stood still until another took its lock stores and lists nothing', async (t) => {
  const names = join(scratch(t), 'names');
  const held = new Map<string, string>();
  await setSecret('first', 'hunter2', names, keychainOf(held), at);
  const taken = () => writeFileSync(`${names}.lock`, '1 another command');
  const before = readFileSync(names, 'utf8');
  const late: readonly OpenKeychain[] = [
    (ask) => (taken(), keychainOf(held)(ask)),
    async (ask) => {
      const result = await keychainOf(held)(ask);
      taken();
      return result;
    },
  ];
  for (const open of late)
    for (const change of [
      () => setSecret('late', 'hunter2', names, open, at),
      () => removeSecret('first', names, open),
    ]) {
      await assert.rejects(change(), { code: 'CONFIG_INVALID', detail: /was taken by another command/ });
      assert.equal(readFileSync(names, 'utf8'), before);
      rmSync(`${names}.lock`);
    }
  assert.equal(await setSecret('late', 'hunter2', names, keychainOf(held), at), 'stored');
});

test('a name that would not survive a list or a reference is refused', async (t) => {
  const names = join(scratch(t), 'names');
  for (const name of ['', '-x', '.probe-x', 'a b', 'a\nb', 'a\0', 'ü', 'x'.repeat(129)]) {
    await assert.rejects(
      setSecret(name, 'hunter2', names, keychainOf(new Map())),
      unavailable(/not a name/, /letters/),
    );
    await assert.rejects(
      removeSecret(name, names, keychainOf(new Map())),
      unavailable(/not a name/, /letters/),
    );
  }
});

test('what cannot be a secret is refused before the keychain is opened', async (t) => {
  const closed: OpenKeychain = () => Promise.reject(new Error('the keychain was opened'));
  for (const value of ['', 'hunter2\0', 'x'.repeat(65_537), '\ud800']) {
    await assert.rejects(
      setSecret('a', value, join(scratch(t), 'names'), closed),
      unavailable(/^the value /, /standard input/),
    );
  }
});

test('a secret that the keychain did not take is not on the list', async (t) => {
  const names = join(scratch(t), 'names');
  const broken: OpenKeychain = () => Promise.reject(new Error('locked'));
  await assert.rejects(setSecret('a', 'hunter2', names, broken), /locked/);
  assert.deepEqual(await listSecrets(names), []);
});

test('a link in place of the list is not followed', async (t) => {
  const dir = scratch(t);
  file(join(dir, 'elsewhere'), 'a\n');
  symlinkSync(join(dir, 'elsewhere'), join(dir, 'names'));
  await assert.rejects(listSecrets(join(dir, 'names')));
});
