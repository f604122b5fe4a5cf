import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { addKey, keyRing, listKeys, loadKeyRing, revokeKey } from '../../src/callers/keys.ts';

function stateDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-keys-'));
  t.after(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

const fileIn = (dir: string) => join(dir, 'keys.json');

test('a new key has the form that scanners know, and the file has only its digest', async (t) => {
  const dir = stateDir(t);
  const { key, record } = await addKey(dir, 'alice');
  assert.match(key, /^mcpd_[0-9A-Za-z]{8}_[0-9A-Za-z_-]{43}$/);
  assert.equal(record.sha256, hash('sha256', key, 'hex'));
  const text = readFileSync(fileIn(dir), 'utf8');
  assert.ok(!text.includes(key.slice(-43)));
  assert.equal(statSync(fileIn(dir)).mode & 0o777, 0o600);
  assert.deepEqual(listKeys(dir), [record]);
  assert.deepEqual(readdirSync(dir), ['keys.json']);
});

test('keys added at the same moment are all kept', async (t) => {
  const dir = stateDir(t);
  const names = Array.from({ length: 10 }, (_, at) => `caller-${at}`);
  await Promise.all(names.map((name) => addKey(dir, name)));
  assert.deepEqual(
    listKeys(dir)
      .map((it) => it.name)
      .sort(),
    names,
  );
});

test('a name has one working key at a time, and a new one after it was revoked', async (t) => {
  const dir = stateDir(t);
  await addKey(dir, 'alice');
  await assert.rejects(addKey(dir, 'alice'), { code: 'CONFIG_INVALID', hint: /mcpd key revoke alice/ });
  assert.equal((await revokeKey(dir, 'alice')).kind, 'revoked');
  await addKey(dir, 'alice');
  assert.deepEqual(
    listKeys(dir).map((it) => it.revokedAt !== undefined),
    [true, false],
  );
});

test('revoking what is revoked succeeds and says so; revoking nobody says that', async (t) => {
  const dir = stateDir(t);
  const { record } = await addKey(dir, 'alice');
  await revokeKey(dir, 'alice');
  const again = await revokeKey(dir, 'alice');
  assert.deepEqual([again.kind, again.kind === 'unknown' ? '' : again.record.id], ['already', record.id]);
  assert.equal((await revokeKey(dir, 'bob')).kind, 'unknown');
});

for (const name of ['', 'a b', 'a\n', '../x', 'é', 'x'.repeat(65), 'anyone']) {
  test(`${JSON.stringify(name).slice(0, 20)} is not a name for a key`, async (t) => {
    await assert.rejects(addKey(stateDir(t), name), { code: 'CONFIG_INVALID', hint: /./ });
  });
}

const good = { name: 'alice', id: 'AAAAAAAA', sha256: 'a'.repeat(64), createdAt: '2026-01-01T00:00:00.000Z' };
const broken: readonly (readonly [string, string])[] = [
  ['an empty file', ''],
  ['a torn file', '{"version":1,"keys":[{"name"'],
  ['a list', '[]'],
  ['another version', '{"version":2,"keys":[]}'],
  ['a misspelt revocation', JSON.stringify({ version: 1, keys: [{ ...good, revokedat: 'x' }] })],
  ['an empty revocation', JSON.stringify({ version: 1, keys: [{ ...good, revokedAt: null }] })],
  ['a short digest', JSON.stringify({ version: 1, keys: [{ ...good, sha256: 'aa' }] })],
  ['the same id twice', JSON.stringify({ version: 1, keys: [good, { ...good, name: 'bob' }] })],
  ['a key for anyone', JSON.stringify({ version: 1, keys: [{ ...good, name: 'anyone' }] })],
];
for (const [what, text] of broken) {
  test(`${what} is refused with a hint, and is not taken for an empty key file`, async (t) => {
    const dir = stateDir(t);
    writeFileSync(fileIn(dir), text, { mode: 0o600 });
    assert.throws(() => loadKeyRing(dir), { code: 'CONFIG_INVALID', hint: /keys\.json/ });
    await assert.rejects(addKey(dir, 'carol'), { code: 'CONFIG_INVALID' });
    assert.equal(readFileSync(fileIn(dir), 'utf8'), text);
  });
}

test('a key file that others can open, or that is a link, is refused', (t) => {
  const dir = stateDir(t);
  writeFileSync(join(dir, 'elsewhere'), '{"version":1,"keys":[]}', { mode: 0o600 });
  symlinkSync(join(dir, 'elsewhere'), fileIn(dir));
  assert.throws(() => listKeys(dir), { code: 'CONFIG_INVALID' });
  rmSync(fileIn(dir));
  writeFileSync(fileIn(dir), '{"version":1,"keys":[]}');
  chmodSync(fileIn(dir), 0o644);
  assert.throws(() => listKeys(dir), { code: 'CONFIG_INVALID', hint: /chmod 600/ });
});

test('without a key file there are no keys, so nobody gets in', (t) => {
  assert.equal(loadKeyRing(stateDir(t)).byId.size, 0);
});

test('the lock of a process that is gone is broken', async (t) => {
  const dir = stateDir(t);
  // Above every limit that a kernel has for process ids.
  writeFileSync(join(dir, '.keys.json.lock'), '999999999 dead');
  await addKey(dir, 'alice');
  assert.deepEqual(readdirSync(dir), ['keys.json']);
});

test('a lock that is far too old is broken even where its process id is in use again', async (t) => {
  const dir = stateDir(t);
  const lock = join(dir, '.keys.json.lock');
  writeFileSync(lock, `${process.pid} old`);
  utimesSync(lock, new Date(0), new Date(0));
  await addKey(dir, 'alice');
  assert.equal(listKeys(dir).length, 1);
});

test('a ring finds a key by its id and knows which are revoked', () => {
  const ring = keyRing([good, { ...good, id: 'BBBBBBBB', revokedAt: 'x' }]);
  assert.deepEqual([ring.byId.get('AAAAAAAA')?.revoked, ring.byId.get('BBBBBBBB')?.revoked], [false, true]);
});
