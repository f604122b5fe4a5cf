import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { firstUid, lastUid, Users } from '../../src/wall/users.ts';

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-users-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
const nobody = () => false;

test('every server has one user, no two have the same, and all of it outlives the daemon', (t) => {
  const dir = folder(t);
  const users = Users.open(dir, nobody);
  const names = Array.from({ length: 300 }, (_, at) => `server-${at}`);
  const uids = names.map((name) => users.of(name));
  assert.equal(new Set(uids).size, names.length);
  assert.ok(uids.every((uid) => uid >= firstUid && uid <= lastUid));
  assert.deepEqual(
    names.map((name) => Users.open(dir, nobody).of(name)),
    uids,
  );
  assert.equal(statSync(join(dir, 'users.json')).mode & 0o777, 0o600);
});

test('a user that somebody has is given to no server', (t) => {
  const wanted = Users.open(folder(t), nobody).of('files');
  const other = Users.open(folder(t), (uid) => uid === wanted).of('files');
  assert.notEqual(other, wanted);
});

test('a list that gives one user to two servers, or a user that is not ours, is not believed', (t) => {
  for (const text of ['{"a":61200,"b":61200}', '{"a":0}', '{"a":"61200"}', 'nonsense']) {
    const dir = folder(t);
    writeFileSync(join(dir, 'users.json'), text);
    assert.throws(() => Users.open(dir, nobody), { code: 'CONFIG_INVALID' }, text);
    assert.equal(readFileSync(join(dir, 'users.json'), 'utf8'), text);
  }
});
