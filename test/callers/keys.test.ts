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
import { addKey, listKeys, loadKeyRing, revokeKey, rotateKey } from '../../src/callers/keys.ts';
import { isGood, keyRing } from '../../src/callers/key-ring.ts';
import { namePattern } from '../../src/policy/match.ts';

function stateDir(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-keys-'));
  t.after(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

const fileIn = (dir: string) => join(dir, 'keys.json');
const now = Date.parse('2026-03-01T00:00:00.000Z');
const hour = 3_600_000;
const day = 24 * hour;

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

test('a name has one key to begin with, and a new one after it was revoked or is over', async (t) => {
  const dir = stateDir(t);
  await addKey(dir, 'alice');
  await assert.rejects(addKey(dir, 'alice'), { code: 'CONFIG_INVALID', hint: /mcpd key rotate alice/ });
  assert.equal((await revokeKey(dir, 'alice')).kind, 'revoked');
  await addKey(dir, 'alice', { expiresAtMs: now + day }, now);
  await assert.rejects(addKey(dir, 'alice', {}, now + day - 1), { code: 'CONFIG_INVALID' });
  await addKey(dir, 'alice', {}, now + day);
  assert.equal(listKeys(dir).length, 3);
});

test('revoking what is revoked succeeds and says so; revoking nobody says that', async (t) => {
  const dir = stateDir(t);
  const { record } = await addKey(dir, 'alice');
  await revokeKey(dir, 'alice');
  const written = statSync(join(dir, 'keys.json')).ino;
  const again = await revokeKey(dir, 'alice');
  assert.ok(again.kind === 'already');
  // The first time may have ended before it was on the disk for sure: who types it again relies on it.
  assert.notEqual(statSync(join(dir, 'keys.json')).ino, written);
  assert.deepEqual(
    again.records.map(({ id }) => id),
    [record.id],
  );
  assert.equal((await revokeKey(dir, 'bob')).kind, 'unknown');
});

test('rotation gives the same caller a second key with the same scope; the first ends with the overlap', async (t) => {
  const dir = stateDir(t);
  const scope = { servers: ['git*'], risk: 'write', roles: ['ci'], note: 'nightly' } as const;
  const first = await addKey(dir, 'ci', { ...scope, expiresAtMs: now + 30 * day }, now);
  const result = await rotateKey(dir, 'ci', { overlapMs: hour }, now + day);
  assert.ok(result.kind === 'rotated');
  const { record } = result.made;
  assert.notEqual(result.made.key, first.key);
  assert.deepEqual(
    { servers: record.servers, risk: record.risk, roles: record.roles, note: record.note },
    { servers: ['git*'], risk: 'write', roles: ['ci'], note: 'nightly' },
  );
  assert.equal(record.expiresAt, new Date(now + 31 * day).toISOString(), 'as long as the first was made for');
  const ring = loadKeyRing(dir, namePattern);
  const good = (id: string, at: number) => {
    const entry = ring.byId.get(id);
    return entry !== undefined && isGood(entry, at);
  };
  assert.deepEqual(
    [day, day + hour - 1, day + hour].map((at) => good(first.record.id, now + at)),
    [true, true, false],
  );
  assert.ok(good(record.id, now + day + hour));
  assert.equal(ring.byId.get(first.record.id)?.principal.name, ring.byId.get(record.id)?.principal.name);
});

test('an overlap never makes an old key live longer', async (t) => {
  const dir = stateDir(t);
  const { record } = await addKey(dir, 'ci', { expiresAtMs: now + hour }, now);
  await rotateKey(dir, 'ci', { overlapMs: 10 * day }, now);
  assert.equal(
    listKeys(dir).find(({ id }) => id === record.id)?.expiresAt,
    new Date(now + hour).toISOString(),
  );
});

test('a caller without a good key is not given one by a rotation', async (t) => {
  const dir = stateDir(t);
  assert.equal((await rotateKey(dir, 'ci', { overlapMs: 0 })).kind, 'unknown');
  await addKey(dir, 'ci');
  await revokeKey(dir, 'ci');
  assert.equal((await rotateKey(dir, 'ci', { overlapMs: 0 })).kind, 'unknown');
});

test('an id takes one key away, a name all of them; a key that was found somewhere is its own id', async (t) => {
  const dir = stateDir(t);
  const { record, key } = await addKey(dir, 'ci');
  await rotateKey(dir, 'ci', { overlapMs: day });
  await rotateKey(dir, 'ci', { overlapMs: day });
  const revoked = () => listKeys(dir).filter(({ revokedAt }) => revokedAt !== undefined).length;
  await revokeKey(dir, record.id);
  assert.equal(revoked(), 1);
  assert.equal((await revokeKey(dir, key)).kind, 'already');
  await revokeKey(dir, 'ci');
  assert.equal(revoked(), 3);
});

test('a name that is spelt like an id goes before it', async (t) => {
  const dir = stateDir(t);
  const { record } = await addKey(dir, 'ci');
  const other = await addKey(dir, record.id);
  const result = await revokeKey(dir, record.id);
  assert.ok(result.kind === 'revoked');
  assert.equal(result.records[0]?.id, other.record.id);
  await revokeKey(dir, `mcpd_${record.id}`);
  assert.ok(listKeys(dir).every(({ revokedAt }) => revokedAt !== undefined));
});

for (const name of ['', 'a b', 'a\n', '../x', 'é', 'x'.repeat(65), 'anyone']) {
  test(`${JSON.stringify(name).slice(0, 20)} is not a name for a key`, async (t) => {
    await assert.rejects(addKey(stateDir(t), name), { code: 'CONFIG_INVALID', hint: /./ });
  });
}

const good = { name: 'alice', id: 'AAAAAAAA', sha256: 'a'.repeat(64), createdAt: '2026-01-01T00:00:00.000Z' };
const v2 = (more: object) => JSON.stringify({ version: 2, keys: [{ ...good, ...more }] });
const broken: readonly (readonly [string, string])[] = [
  ['an empty file', ''],
  ['a torn file', '{"version":1,"keys":[{"name"'],
  ['a list', '[]'],
  ['a newer version', '{"version":3,"keys":[]}'],
  ['a misspelt revocation', JSON.stringify({ version: 1, keys: [{ ...good, revokedat: 'x' }] })],
  ['an empty revocation', JSON.stringify({ version: 1, keys: [{ ...good, revokedAt: null }] })],
  ['a scope in a file that knew none', JSON.stringify({ version: 1, keys: [{ ...good, servers: ['x'] }] })],
  ['a short digest', JSON.stringify({ version: 1, keys: [{ ...good, sha256: 'aa' }] })],
  ['the same id twice', JSON.stringify({ version: 1, keys: [good, { ...good, name: 'bob' }] })],
  ['a key for anyone', JSON.stringify({ version: 1, keys: [{ ...good, name: 'anyone' }] })],
  ['a misspelt scope', v2({ server: ['github'] })],
  ['a scope that is no list', v2({ servers: 'github' })],
  ['an empty scope', v2({ servers: [] })],
  ['a scope of something else', v2({ servers: [1] })],
  ['a tool without its server', v2({ tools: ['create_issue'] })],
  ['an unknown class', v2({ risk: 'everything' })],
  ['an end that is no time', v2({ expiresAt: 'never' })],
  ['an end that is null', v2({ expiresAt: null })],
  ['a member that every object has', v2({ constructor: 'x' })],
  ['a pattern that cannot be matched', v2({ servers: ['*'.repeat(40)] })],
];
for (const [what, text] of broken) {
  test(`${what} is refused with a hint, and is not taken for an empty key file`, async (t) => {
    const dir = stateDir(t);
    writeFileSync(fileIn(dir), text, { mode: 0o600 });
    assert.throws(() => loadKeyRing(dir, namePattern), { code: 'CONFIG_INVALID', hint: /./ });
    assert.equal(readFileSync(fileIn(dir), 'utf8'), text);
  });
}

test('the file of an older mcpd is read, and written anew with all its keys', async (t) => {
  const dir = stateDir(t);
  const old = { ...good, id: 'BBBBBBBB', name: 'bob', revokedAt: '2026-01-02T00:00:00.000Z' };
  writeFileSync(fileIn(dir), JSON.stringify({ version: 1, keys: [good, old] }), { mode: 0o600 });
  const ring = loadKeyRing(dir, namePattern);
  assert.deepEqual(ring.byId.get('AAAAAAAA')?.principal, { name: 'alice', via: 'key AAAAAAAA' });
  await addKey(dir, 'carol');
  const written = JSON.parse(readFileSync(fileIn(dir), 'utf8')) as { version: number };
  assert.equal(written.version, 2);
  assert.deepEqual(listKeys(dir).slice(0, 2), [good, old]);
});

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
  assert.equal(loadKeyRing(stateDir(t), namePattern).byId.size, 0);
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

test('a ring finds a key by its id, knows which are revoked, and what each opens', () => {
  const scoped = { ...good, id: 'CCCCCCCC', servers: ['git*'], tools: ['git/get_*'], risk: 'write' as const };
  const ring = keyRing([good, { ...good, id: 'BBBBBBBB', revokedAt: 'x' }, scoped], namePattern);
  assert.deepEqual([ring.byId.get('AAAAAAAA')?.revoked, ring.byId.get('BBBBBBBB')?.revoked], [false, true]);
  assert.equal(ring.byId.get('AAAAAAAA')?.principal.reach, undefined);
  const reach = ring.byId.get('CCCCCCCC')?.principal.reach;
  assert.deepEqual(reach?.risks, ['read', 'write']);
  assert.deepEqual(
    ['github', 'Github', 'other'].map((it) => reach.servers?.some((pattern) => pattern.test(it))),
    [true, false, false],
  );
  assert.ok(reach.tools?.[0]?.test('git/get_x') === true && !reach.tools[0].test('other/get_x'));
});
