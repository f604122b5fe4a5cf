import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bubblewrapped } from '../../src/wall/bubblewrap.ts';
import { hostOf, wallOf } from './support.ts';

const plan = (more: Partial<Parameters<typeof bubblewrapped>[0]> = {}): string =>
  bubblewrapped({
    host: hostOf(),
    inside: { kind: 'daemon' },
    wall: wallOf(),
    mounts: [],
    cwd: '/srv/data',
    program: ['/usr/bin/server', '--flag'],
    ...more,
  }).join(' ');

test('an ordinary user builds the wall in a user namespace, and no capability is left inside', () => {
  const line = plan();
  assert.match(
    line,
    /^\/usr\/bin\/bwrap --unshare-pid .*--unshare-net --unshare-user .*--cap-drop ALL --proc/,
  );
  assert.doesNotMatch(line, /--cap-add|setpriv/);
  assert.match(line, /--die-with-parent --new-session/);
  assert.match(line, /--chdir \/srv\/data -- \/usr\/bin\/prlimit .* -- \/usr\/bin\/server --flag$/);
});

test('only who says so is on the network', () => {
  assert.doesNotMatch(plan({ wall: wallOf({ network: true }) }), /--unshare-net/);
});

test('inside a wall of root another user sheds everything before the program starts', () => {
  const line = plan({ host: hostOf({ uid: 0 }), inside: { kind: 'own', uid: 61_200 } });
  assert.doesNotMatch(line, /--unshare-user/);
  const inside = line.slice(line.indexOf(' -- ') + 4);
  assert.match(
    inside,
    /^\/usr\/bin\/setpriv --reuid=61200 --regid=61200 --clear-groups .*--bounding-set=-all --no-new-privs -- \/usr\/bin\/unshare --user --map-current-user -- \/usr\/bin\/prlimit .*--nproc=1024/,
  );
});

// Without a capability, the user id of root may still write below /proc/sys: core_pattern is a program run outside.
test('with the user id of root inside, /proc cannot be written', () => {
  assert.match(plan({ host: hostOf({ uid: 0 }) }), /--remount-ro \/proc /);
  // The kernel does not count processes of that user, so no limit pretends to.
  assert.doesNotMatch(plan({ host: hostOf({ uid: 0 }) }), /--nproc/);
});

test('folders above a mount can be passed by another user, and links inside of what is shown are not made again', () => {
  const line = plan({
    mounts: [
      { kind: 'write', at: '/srv/data/in', from: '/srv/data/in' },
      { kind: 'link', at: '/srv/data/in/link', to: '/elsewhere' },
      { kind: 'link', at: '/short', to: '/srv/data' },
    ],
  });
  assert.match(
    line,
    /--perms 0755 --dir \/srv --perms 0755 --dir \/srv\/data --bind \/srv\/data\/in \/srv\/data\/in/,
  );
  assert.match(line, /--symlink \/srv\/data \/short/);
  assert.doesNotMatch(line, /\/elsewhere/);
});

test('what is hidden is an empty folder that cannot be written, and stays so after it was made', () => {
  const line = plan({
    mounts: [
      { kind: 'hide', at: '/srv/state' },
      { kind: 'blank', at: '/srv/file' },
    ],
  });
  assert.match(line, /--perms 0555 --size 4096 --tmpfs \/srv\/state/);
  assert.match(line, /--remount-ro \/srv\/state/);
  assert.match(line, /--ro-bind \/dev\/null \/srv\/file/);
});
