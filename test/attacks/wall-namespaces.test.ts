// What a server does with namespaces of its own, and what two servers behind two walls have in common.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { processes, until } from '../support/daemon.ts';
import { lacking } from '../support/hostile.ts';
import { TakenOver } from './taken-over.ts';

const isRoot = process.getuid?.() === 0;

for (const asRoot of [false, true]) {
  const skip =
    lacking(asRoot ? 'root, own user' : 'ordinary user') ?? (asRoot && !isRoot ? 'only root is root' : false);
  describe(`behind the wall (${asRoot ? 'root' : 'an ordinary user'})`, { skip }, () => {
    test('a user namespace of its own uncovers nothing', async () => {
      await using scene = await TakenOver.start({
        asRoot,
        servers: { own: 'read = ["$DIR"]' },
        prepare: ({ dir }) => {
          mkdirSync(join(dir, 'home/.ssh'), { recursive: true });
          writeFileSync(join(dir, 'home/.ssh/id'), 'PRIVATE');
        },
      });
      const { daemon } = scene;
      const covered = [daemon.state, daemon.policies, ...(asRoot ? [] : [scene.at('home/.ssh')])];
      const looks = covered
        .map((it) => `ls -A ${it} /tmp/x /tmp/x/* 2>/dev/null; cat ${it}/* 2>/dev/null`)
        .join('; ');
      const tricks = covered.flatMap((it) => [
        `umount ${it}; umount -l ${it}; umount -f ${it}`,
        `mount --bind ${scene.at()} /tmp/x`,
        `mount --rbind ${scene.at()} /tmp/x; umount -l /tmp/x${it.slice(scene.at().length)}`,
        `mount --move ${it} /tmp/x`,
        `mount -o remount,bind,rw ${it}`,
        `mount --make-rprivate /; umount -R ${it}`,
        `mount -t overlay -o lowerdir=${scene.at()}:/tmp/x none /tmp/x`,
        `cd ${scene.at()} && pivot_root . tmp; chroot ${scene.at()} /bin/true`,
      ]);
      const script = [
        'echo in-$(id -u)',
        'mkdir -p /tmp/x',
        ...tricks.flatMap((it) => [`(${it}) 2>/dev/null`, looks]),
      ].join('; ');
      const plain = await scene.sh('own', `ls -A ${scene.at()}`);
      assert.match(plain.out, /^state$/m);
      const nested = await scene.sh(
        'own',
        `unshare --user --map-root-user --mount --pid --fork sh -c '${script}' 2>&1; echo done`,
      );
      assert.match(nested.out, /^in-0$/m);
      assert.match(nested.out, /done$/m);
      assert.doesNotMatch(nested.out, /child-cookie|mcpd\.toml|PRIVATE|keys\.json/);
    });

    test('two servers share no memory, message, socket, keyboard, temporary file, home or process', async () => {
      await using scene = await TakenOver.start({ asRoot, servers: { one: '', two: '' } });
      const put = await scene.js(
        'one',
        `
        const { spawnSync, spawn } = require('node:child_process');
        const fs = require('node:fs');
        for (const it of ['/tmp', '/dev/shm', '/var/tmp', process.env.HOME]) fs.writeFileSync(it + '/for-two', 'from one');
        console.log(spawnSync('ipcmk', ['-M', '1024'], { encoding: 'utf8' }).stdout);
        const held = spawn(process.execPath, ['-e', "require('node:net').createServer().listen('\\\\0for-two'); setTimeout(() => {}, 15000)"], { detached: true, stdio: 'ignore' });
        held.unref();
        console.log('put');
      `,
      );
      assert.match(put.out, /put/);
      assert.match(put.out, /Shared memory id/);
      const got = await scene.sh(
        'two',
        `cat /tmp/for-two /dev/shm/for-two /var/tmp/for-two "$HOME/for-two" 2>/dev/null; ipcs -m | grep -c 0x; ls /proc | grep -c '^[0-9]'; cat /proc/net/unix | grep -c for-two; echo x 2>/dev/null > /dev/tty || echo no keyboard`,
      );
      const [segments, processes, sockets, keyboard] = got.out.trim().split('\n');
      assert.equal(segments, '0', got.out);
      assert.ok(Number(processes) < 10, got.out);
      assert.equal(sockets, '0');
      assert.equal(keyboard, 'no keyboard');
      const ids = await Promise.all(
        ['one', 'two'].map(async (it) => (await scene.sh(it, 'id -u')).out.trim()),
      );
      if (asRoot) assert.notEqual(ids[0], ids[1]);
    });

    test('what a server started in a session of its own, with another environment, goes with it', async () => {
      await using scene = await TakenOver.start({ asRoot, servers: { own: '' } });
      const mark = `sleep 9${process.pid}${asRoot ? 1 : 0}`;
      const left = () => processes().filter((pid) => scene.daemon.commandLine(pid).includes(mark));
      const leave = async (many: number) => {
        // prctl(PR_SET_PDEATHSIG) is cleared by fork, setsid leaves the group, and env -i the mark.
        await scene.sh(
          'own',
          `for i in 1 2 3; do (env -i setsid -f /usr/bin/${mark} </dev/null >/dev/null 2>&1 &) ; done`,
        );
        await until('they run', () => left().length === many);
      };
      await leave(3);
      await scene.again('own');
      await until('they are gone with the server', () => left().length === 0);
      await leave(3);
      await scene.daemon.end('SIGKILL');
      await until('they are gone with the daemon', () => left().length === 0);
    });
  });
}
