import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStateDir, stateDirFrom } from '../../src/config/state-dir.ts';
import { scratch } from './scratch.ts';

const invalid = (detail: RegExp) => (reason: unknown) => {
  assert.ok(reason instanceof Error && 'code' in reason && 'hint' in reason);
  assert.equal(reason.code, 'CONFIG_INVALID');
  assert.ok(reason.hint);
  assert.match(reason.message, detail);
  return true;
};

test('the variable comes before the file, the file before XDG, XDG before home', () => {
  const env = { MCPD_STATE_DIR: '/a', XDG_STATE_HOME: '/x', HOME: '/h' };
  assert.equal(stateDirFrom(env, '/f'), '/a');
  assert.equal(stateDirFrom({ ...env, MCPD_STATE_DIR: '' }, '/f'), '/f');
  assert.equal(stateDirFrom({ ...env, MCPD_STATE_DIR: undefined }, undefined), '/x/mcpd');
  assert.equal(stateDirFrom({ XDG_STATE_HOME: 'relative', HOME: '/h' }, undefined), '/h/.local/state/mcpd');
  assert.throws(() => stateDirFrom({}, undefined), invalid(/no home folder/));
  assert.throws(() => stateDirFrom({ MCPD_STATE_DIR: 'here' }, '/f'), invalid(/not an absolute path/));
});

test('every folder is made for its owner alone', (t) => {
  const state = openStateDir(join(scratch(t), 'a', 'b'));
  for (const dir of [state.dir, state.auditDir, state.logDir, state.controlDir])
    assert.equal(statSync(dir).mode & 0o777, 0o700, dir);
  assert.ok(state.controlSocket.startsWith(`${state.controlDir}/`));
});

test('folders inside that were left open are closed', (t) => {
  const dir = scratch(t);
  mkdirSync(join(dir, 'control'), { mode: 0o755 });
  openStateDir(dir);
  assert.equal(statSync(join(dir, 'control')).mode & 0o777, 0o700);
});

test('a folder that others may write to, a link, a file and a stranger’s folder are refused', (t) => {
  const dir = scratch(t);
  for (const [name, mode] of [
    ['group', 0o720],
    ['other', 0o702],
  ] as const) {
    mkdirSync(join(dir, name));
    chmodSync(join(dir, name), mode);
    assert.throws(() => openStateDir(join(dir, name)), invalid(/others may write/));
  }
  mkdirSync(join(dir, 'real'), { mode: 0o700 });
  symlinkSync(join(dir, 'real'), join(dir, 'link'));
  assert.throws(() => openStateDir(join(dir, 'link')), invalid(/not a folder of its own/));
  mkdirSync(join(dir, 'inside'), { mode: 0o700 });
  symlinkSync(join(dir, 'real'), join(dir, 'inside', 'audit'));
  assert.throws(() => openStateDir(join(dir, 'inside')), invalid(/not a folder of its own/));
  writeFileSync(join(dir, 'file'), '');
  assert.throws(() => openStateDir(join(dir, 'file')), invalid(/cannot be made/));
  if (process.getuid?.() === 0) {
    mkdirSync(join(dir, 'theirs'), { mode: 0o700 });
    chownSync(join(dir, 'theirs'), 65_534, 65_534);
    assert.throws(() => openStateDir(join(dir, 'theirs')), invalid(/belongs to another user/));
  }
});

test('a folder below one that anyone may write to, or that is another user’s, is refused, with what to type', (t) => {
  const dir = scratch(t);
  mkdirSync(join(dir, 'above'));
  const state = join(dir, 'above', 'state');
  openStateDir(state);
  chmodSync(join(dir, 'above'), 0o777);
  assert.throws(() => openStateDir(state), invalid(/lies where anyone may write/));
  // Where the sticky bit is set, as in /tmp, nobody can put another folder in its place.
  chmodSync(join(dir, 'above'), 0o1777);
  openStateDir(state);
  chmodSync(join(dir, 'above'), 0o755);
  if (process.getuid?.() === 0) {
    chownSync(join(dir, 'above'), 65_534, 65_534);
    assert.throws(() => openStateDir(state), invalid(/lies in a folder of another user/));
  }
});

test('a folder too long for a socket is refused before anything is made', (t) => {
  const dir = join(scratch(t), 'x'.repeat(100));
  assert.throws(() => openStateDir(dir), invalid(/too long for a socket/));
  assert.throws(() => statSync(dir));
});
