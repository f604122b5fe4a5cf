// The text only: no macOS was there to try it on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seatbeltProfile } from '../../src/wall/seatbelt.ts';
import { wallOf } from './support.ts';

const view = {
  shown: [
    { real: '/srv/in', how: 'read' },
    { real: '/srv/a "quoted" folder', how: 'write' },
  ],
  hidden: [{ real: '/srv/in/state', isFolder: true }],
  home: '/state/homes/files/501',
  tmp: '/state/homes/files/501',
} as const;

test('everything is denied that is not named, and a path cannot end its text', () => {
  const lines = seatbeltProfile(wallOf(), view).split('\n');
  assert.deepEqual(lines.slice(0, 2), ['(version 1)', '(deny default)']);
  const writes = lines.find((line) => line.startsWith('(allow file-write*')) ?? '';
  assert.ok(writes.includes('(subpath "/srv/a \\"quoted\\" folder")'));
  assert.ok(!writes.includes('/srv/in'));
});

test('what is hidden is denied after what is shown, and its own home after that', () => {
  const text = seatbeltProfile(wallOf(), view);
  const order = [
    '(subpath "/srv/in")',
    '(deny file-read* file-write* (subpath "/srv/in/state"))',
    '(allow file-read* file-write* (subpath "/state/homes',
  ].map((it) => text.indexOf(it));
  assert.ok(order.every((at) => at > 0));
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test('sockets of the machine stay closed, on the network too', () => {
  assert.doesNotMatch(seatbeltProfile(wallOf(), view), /allow network/);
  const open = seatbeltProfile(wallOf({ network: true }), view);
  assert.ok(open.indexOf('(deny network-outbound (remote unix-socket))') > open.indexOf('(allow network*)'));
});
