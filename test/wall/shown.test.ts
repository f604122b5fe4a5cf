import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { viewOf } from '../../src/wall/shown.ts';
import { walledSpec } from './support.ts';

/** Folders as mcpd has them, with a home that holds keys. */
function place(t: TestContext) {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-shown-')));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const at = (...names: string[]) => join(dir, ...names);
  for (const names of [
    ['state', 'audit'],
    ['policies', 'servers'],
    ['policies', 'data'],
    ['home', '.ssh'],
    ['data'],
  ])
    mkdirSync(at(...names), { recursive: true });
  writeFileSync(at('home', '.netrc'), '');
  return { at, own: { stateDir: at('state'), policies: at('policies'), home: at('home') } };
}

test('what lies in the state, or could put another in its place, may not be declared', (t) => {
  const { at, own } = place(t);
  symlinkSync(at('state'), at('link'));
  const refused = (wall: object, what: RegExp) =>
    assert.throws(() => viewOf(walledSpec(wall, { cwd: at('data') }), [], own), {
      code: 'CONFIG_INVALID',
      message: what,
    });
  refused({ read: [at('state')] }, /lies in mcpd's own state/);
  refused({ read: [at('state', 'audit')] }, /lies in mcpd's own state/);
  refused({ read: [at('link')] }, /lies in mcpd's own state/);
  refused({ write: [at('.')] }, /holds mcpd's own state/);
  refused({ write: [at('policies')] }, /holds the policies/);
  refused({ write: [at('policies', 'servers')] }, /holds the policies/);
});

test('state, policies and what keeps secrets are hidden inside of what is read', (t) => {
  const { at, own } = place(t);
  const view = viewOf(walledSpec({ read: [at('.')] }, { cwd: at('data') }), [], own);
  const hidden = view.hidden.map(({ real }) => real);
  for (const path of [at('state'), at('policies'), at('home', '.ssh'), at('home', '.netrc')])
    assert.ok(hidden.includes(path), path);
  const declared = viewOf(walledSpec({ read: [at('home', '.ssh')] }, { cwd: at('data') }), [], own);
  assert.ok(!declared.hidden.some(({ real }) => real === at('home', '.ssh')), 'its owner named it');
});

test('a folder beside the policies can be written; the folder of the policies as working folder is empty', (t) => {
  const { at, own } = place(t);
  const view = viewOf(
    walledSpec({ write: [at('policies', 'data')] }, { cwd: at('policies', 'servers') }),
    [],
    own,
  );
  assert.deepEqual(
    view.shown.map(({ real, how }) => [real, how]),
    [[at('policies', 'data'), 'write']],
  );
  assert.ok(view.around.some((it) => it.kind === 'hide' && it.at === at('policies', 'servers')));
});

test('links on the way are there inside as well, and what is missing is said', (t) => {
  const { at, own } = place(t);
  symlinkSync('data', at('short'));
  const view = viewOf(walledSpec({ read: [at('short'), at('nothing')] }, { cwd: at('data') }), [], own);
  assert.ok(view.around.some((it) => it.kind === 'link' && it.at === at('short') && it.to === 'data'));
  assert.ok(view.shown.some(({ real }) => real === at('data')));
  assert.deepEqual(view.notes, [`${at('nothing')} is declared, and not there`]);
});
