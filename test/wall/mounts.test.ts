import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foldersAbove, inOrder, isWithin, mountsFor } from '../../src/wall/mounts.ts';

test('a path lies within a folder by names, not by letters', () => {
  assert.ok(isWithin('/a/b', '/a') && isWithin('/a', '/a') && isWithin('/a', '/'));
  assert.ok(!isWithin('/ab', '/a') && !isWithin('/a', '/a/b') && !isWithin('/', '/a'));
});

test('what must stay hidden is covered wherever it lies inside of what is shown, and nowhere else', () => {
  const hidden = [
    { real: '/srv/mcpd/state', isFolder: true },
    { real: '/srv/mcpd/token', isFolder: false },
    { real: '/elsewhere/state', isFolder: true },
  ];
  assert.deepEqual(mountsFor([{ real: '/srv', how: 'read' }], hidden), [
    { kind: 'read', at: '/srv', from: '/srv' },
    { kind: 'hide', at: '/srv/mcpd/state' },
    { kind: 'blank', at: '/srv/mcpd/token' },
  ]);
  assert.deepEqual(mountsFor([{ real: '/srv/mcpd/state2', how: 'read' }], hidden), [
    { kind: 'read', at: '/srv/mcpd/state2', from: '/srv/mcpd/state2' },
  ]);
});

test('mounts are made from the root downwards; writing beats reading, and hiding beats both', () => {
  const read = { kind: 'read', at: '/a/b', from: '/a/b' } as const;
  const write = { kind: 'write', at: '/a/b', from: '/a/b' } as const;
  const hide = { kind: 'hide', at: '/a/b' } as const;
  const above = { kind: 'read', at: '/a', from: '/a' } as const;
  const below = { kind: 'write', at: '/a/b/c', from: '/a/b/c' } as const;
  assert.deepEqual(inOrder([below, read, above]), [above, read, below]);
  assert.deepEqual(inOrder([write, read]), [write]);
  assert.deepEqual(inOrder([hide, write, read]), [hide]);
});

test('the folders above a path, the uppermost first', () => {
  assert.deepEqual(foldersAbove('/a/b/c'), ['/a', '/a/b']);
  assert.deepEqual(foldersAbove('/a'), []);
});
