import assert from 'node:assert/strict';
import { chmodSync, chownSync, lchownSync, mkdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveCommand } from '../../src/config/command.ts';
import { strangersAt } from '../../src/config/trust.ts';
import { put, scratch } from './scratch.ts';

test('a program is found by its path, by a path from the file, or on a path nobody can change', (t) => {
  const dir = scratch(t);
  put(dir, { 'bin/tool': '#!/bin/sh\n', 'node/node': '', 'servers/x': '' });
  for (const program of ['bin/tool', 'node/node']) chmodSync(join(dir, program), 0o755);
  const find = (written: string) => resolveCommand(written, join(dir, 'servers'), join(dir, 'node/node'));

  const found = (command: string) => ({ ok: true, command, strangers: [] });
  assert.deepEqual(find(join(dir, 'bin/tool')), found(join(dir, 'bin/tool')));
  assert.deepEqual(find('../bin/tool'), found(join(dir, 'bin/tool')));
  assert.deepEqual(find('node'), found(join(dir, 'node/node')));
  assert.ok(find('sh').ok);
  assert.equal(find('tool').ok, false);
  assert.equal(find('x').ok, false, 'a bare name is never a file beside the policy');
});

test('what cannot be executed, or can be changed by anyone, is refused', (t) => {
  const dir = scratch(t);
  put(dir, { plain: '', open: '', 'folder/x': '', 'drop/tool': '' });
  chmodSync(join(dir, 'open'), 0o777);
  chmodSync(join(dir, 'drop/tool'), 0o755);
  chmodSync(join(dir, 'drop'), 0o777);
  const why = (written: string) => {
    const resolved = resolveCommand(written, dir, '/usr/bin/node');
    return resolved.ok ? 'ok' : resolved.what;
  };
  assert.match(why('./plain'), /may not be executed/);
  assert.match(why('./open'), /anyone on this machine may change/);
  assert.match(why('./drop/tool'), /anyone on this machine may change/);
  assert.match(why('./folder'), /is not a program/);
});

test('a program behind a link keeps the name it is started by', (t) => {
  const dir = scratch(t);
  put(dir, { 'real/python3.12': '', 'venv/x': '' });
  chmodSync(join(dir, 'real/python3.12'), 0o755);
  symlinkSync(join(dir, 'real/python3.12'), join(dir, 'venv/python'));
  symlinkSync(join(dir, 'venv'), join(dir, 'current'));
  assert.deepEqual(resolveCommand('./current/python', dir, '/usr/bin/node'), {
    ok: true,
    command: join(dir, 'venv/python'),
    strangers: [],
  });
});

const nobody = 65_534;
const asRoot = process.getuid?.() === 0 ? {} : { skip: 'only root can give files away' };
const users = { me: process.getuid?.(), group: process.getgid?.() };

/** A program two folders deep, and a link to it from elsewhere. */
function programIn(dir: string): string {
  put(dir, { 'a/b/tool': '', 'links/x': '' });
  for (const folder of ['a', 'a/b', 'a/b/tool', 'links']) chmodSync(join(dir, folder), 0o755);
  symlinkSync(join(dir, 'a/b/tool'), join(dir, 'links/tool'));
  return join(dir, 'links/tool');
}

test('a folder anywhere above the program, or above a link to it, counts as much as the program', (t) => {
  for (const at of ['a', 'a/b', 'a/b/tool', 'links']) {
    const dir = scratch(t);
    const link = programIn(dir);
    assert.deepEqual(strangersAt(link, users), []);
    chmodSync(join(dir, at), 0o757);
    const mend = `chmod o-w ${join(dir, at)}`;
    assert.deepEqual(
      strangersAt(link, users).map((it) => [it.who, it.mend]),
      [['anyone', mend]],
      at,
    );
    assert.deepEqual(resolveCommand(link, dir, '/usr/bin/node'), {
      ok: false,
      what: `anyone on this machine may change ${join(dir, at)}`,
      expected: `others to be kept out: type ${mend}`,
    });
  }
});

test('what belongs to somebody who is neither root nor us is refused, the link included', asRoot, (t) => {
  for (const at of ['a', 'a/b', 'a/b/tool', 'links', 'links/tool']) {
    const dir = scratch(t);
    const link = programIn(dir);
    lchownSync(join(dir, at), nobody, nobody);
    assert.deepEqual(
      strangersAt(link, users).map(({ who, mend }) => [who, mend.replace(/, .*/, '')]),
      [['owner', `chown -h root ${join(dir, at)}`]],
      at,
    );
    assert.equal(resolveCommand(link, dir, '/usr/bin/node').ok, false, at);
  }
});

test('the command that is told mends it', asRoot, (t) => {
  const dir = scratch(t);
  const link = programIn(dir);
  chownSync(join(dir, 'a'), nobody, nobody);
  chmodSync(join(dir, 'a/b'), 0o777);
  for (let tries = 0; tries < 2; tries++) {
    const resolved = resolveCommand(link, dir, '/usr/bin/node');
    assert.ok(!resolved.ok);
    const [, how, path] = /type (chown -h root|chmod o-w) (\S+?)(?:,|$)/.exec(resolved.expected) ?? [];
    if (how === 'chmod o-w') chmodSync(path ?? '', statSync(path ?? '').mode & ~0o002);
    else lchownSync(path ?? '', 0, 0);
  }
  assert.equal(resolveCommand(link, dir, '/usr/bin/node').ok, true);
});

test('a group that is not ours is doubted, because it may be a group of one', asRoot, (t) => {
  const dir = scratch(t);
  const link = programIn(dir);
  chownSync(join(dir, 'a/b'), 0, 50);
  chmodSync(join(dir, 'a/b'), 0o775);
  const resolved = resolveCommand(link, dir, '/usr/bin/node');
  assert.ok(resolved.ok);
  assert.deepEqual(resolved.strangers, [
    {
      who: 'group',
      what: `everybody in group 50 may change ${join(dir, 'a/b')}`,
      mend: `chmod g-w ${join(dir, 'a/b')}`,
    },
  ]);
  assert.deepEqual(strangersAt(link, { me: 0, group: 50 }), []);
});

test(
  'the node that mcpd runs on may be a child, whoever owns it; nobody else may change it all the same',
  asRoot,
  (t) => {
    const dir = scratch(t);
    put(dir, { 'theirs/node': '' });
    const node = join(dir, 'theirs/node');
    chmodSync(node, 0o755);
    chownSync(node, nobody, nobody);
    assert.equal(resolveCommand(node, dir, '/usr/bin/node').ok, false);
    assert.equal(resolveCommand('node', dir, node).ok, true);
    chmodSync(node, 0o777);
    assert.equal(resolveCommand('node', dir, node).ok, false);
  },
);

test('a folder of the search path that anyone may write to is refused before a later one is searched', (t) => {
  const dir = scratch(t);
  mkdirSync(join(dir, 'open'));
  chmodSync(join(dir, 'open'), 0o777);
  const resolved = resolveCommand('sh', dir, join(dir, 'open/node'));
  assert.deepEqual(resolved, {
    ok: false,
    what: `anyone on this machine may change ${join(dir, 'open')}`,
    expected: `others to be kept out: type chmod o-w ${join(dir, 'open')}`,
  });
});

test('the folder the child works in plays no part: node_modules/.bin there is never looked at', (t) => {
  const dir = scratch(t);
  put(dir, { 'node_modules/.bin/sh': '' });
  chmodSync(join(dir, 'node_modules/.bin/sh'), 0o755);
  const resolved = resolveCommand('sh', dir, '/usr/bin/node');
  assert.ok(resolved.ok && !resolved.command.startsWith(dir));
});

test('links that lead in a circle end', (t) => {
  const dir = scratch(t);
  symlinkSync(join(dir, 'b'), join(dir, 'a'));
  symlinkSync(join(dir, 'a'), join(dir, 'b'));
  assert.throws(() => strangersAt(join(dir, 'a'), users), /ELOOP|too many links/);
  assert.equal(resolveCommand(join(dir, 'a'), dir, '/usr/bin/node').ok, false);
});
