import assert from 'node:assert/strict';
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openHome } from '../../src/wall/home.ts';
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

test('a user that could not be written down is given to nobody', (t) => {
  const dir = folder(t);
  const users = Users.open(dir, nobody);
  mkdirSync(join(dir, 'users.json'));
  assert.throws(() => users.of('files'), { code: 'CONFIG_INVALID' });
  rmSync(join(dir, 'users.json'), { recursive: true });
  const uid = users.of('files');
  assert.equal(Users.open(dir, nobody).of('files'), uid);
  assert.deepEqual(readdirSync(dir), ['users.json']);
});

const asRoot = { skip: process.getuid?.() === 0 ? false : 'only root gives a folder to another user' };

test(
  'a home that a kill left half made is finished; what somebody else put there is not taken',
  asRoot,
  (t) => {
    const dir = folder(t);
    const who = { uid: firstUid, gid: firstUid, user: 'mcp' };
    const home = join(dir, 'homes', 'files', String(firstUid));
    mkdirSync(home, { recursive: true, mode: 0o700 });
    assert.equal(openHome(dir, 'files', who).dir, home);
    assert.equal(statSync(home).uid, firstUid);
    const accounts = openHome(dir, 'files', who);
    const { ino } = statSync(accounts.passwd);
    openHome(dir, 'files', who);
    assert.equal(statSync(accounts.passwd).ino, ino, 'what says so already needs no room');
    writeFileSync(accounts.passwd, 'root::0:0::/:/bin/sh\n');
    openHome(dir, 'files', who);
    assert.match(readFileSync(accounts.passwd, 'utf8'), /^root:x:0:0:/);
    chownSync(home, 0, 0);
    writeFileSync(join(home, 'planted'), '');
    assert.throws(() => openHome(dir, 'files', who), { code: 'CONFIG_INVALID', hint: /^chown -R / });
    rmSync(join(home, 'planted'));
    chownSync(home, firstUid + 1, firstUid + 1);
    assert.throws(() => openHome(dir, 'files', who), { code: 'CONFIG_INVALID' });
  },
);

test('a list that gives one user to two servers, or a user that is not ours, is not believed', (t) => {
  for (const text of ['{"a":61200,"b":61200}', '{"a":0}', '{"a":"61200"}', 'nonsense']) {
    const dir = folder(t);
    writeFileSync(join(dir, 'users.json'), text);
    assert.throws(() => Users.open(dir, nobody), { code: 'CONFIG_INVALID' }, text);
    assert.equal(readFileSync(join(dir, 'users.json'), 'utf8'), text);
  }
});
