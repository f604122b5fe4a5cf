// What no server may see, in places where a wall would show it by accident.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { projectRoot } from '../support/daemon.ts';
import { lacking } from '../support/hostile.ts';
import { someUid, TakenOver } from './taken-over.ts';

const isRoot = process.getuid?.() === 0;
const noWall = lacking('ordinary user') ?? false;

describe('what keeps secrets in a home', { skip: noWall }, () => {
  test('stays covered for a server that may write all of that home, and moves things about', async () => {
    await using scene = await TakenOver.start({
      env: {},
      servers: { own: 'write = ["$DIR/home"]' },
      prepare: ({ dir }) => {
        for (const it of ['.ssh', '.config/gh', '.config/mcpd', '.local/share/keyrings']) {
          mkdirSync(join(dir, 'home', it), { recursive: true });
          writeFileSync(join(dir, 'home', it, 'file'), 'PRIVATE', { mode: 0o600 });
        }
      },
      // As root the home of the daemon is this one too.
    });
    const find = async () =>
      (await scene.sh('own', `cat $(find ${scene.at('home')} -name file) 2>&1; true`)).out;
    assert.doesNotMatch(await find(), /PRIVATE/);
    const home = scene.at('home');
    for (const line of [
      `mv ${home}/.config ${home}/other`,
      `mv ${home}/.local ${home}/other2`,
      `mv ${home}/.local/share ${home}/other3`,
      `rm -rf ${home}/.config`,
    ])
      assert.notEqual((await scene.sh('own', line)).code, 0, line);
    await scene.again('own');
    assert.doesNotMatch(await find(), /PRIVATE/);
    assert.equal((await scene.sh('own', `touch ${home}/.config/new ${home}/.local/share/new`)).code, 0);
  });
});

describe('state below /usr', { skip: isRoot ? noWall : 'only root can write there' }, () => {
  test('is not seen with the programs of the machine', async () => {
    // Of the user that mcpd runs as, and so is the server: nothing but the wall stands between them.
    const below = mkdtempSync('/usr/local/share/mcpd-test-');
    try {
      // Its daemon looks for its files there, and finds them over a link of the test.
      await using scene = await TakenOver.start({
        servers: { own: '' },
        env: { MCPD_STATE_DIR: join(below, 'state') },
        prepare: ({ state }) => {
          spawnSync('cp', ['-a', state, join(below, 'state')]);
          rmSync(state, { recursive: true });
          symlinkSync(join(below, 'state'), state);
          spawnSync('chown', ['-R', `${someUid}:${someUid}`, below]);
        },
      });
      const { out, err } = await scene.sh(
        'own',
        `cat ${below}/state/child-cookie; ls -A ${below}/state ${below}`,
      );
      assert.doesNotMatch(out, /keys\.json|control|^[0-9a-f]{32}/m, out);
      assert.match(err, /No such file|Permission denied/);
    } finally {
      rmSync(below, { recursive: true, force: true });
    }
  });
});

describe(
  'the same folder mounted at a second place',
  { skip: isRoot ? noWall : 'only root can mount' },
  () => {
    test('is known for what it is', () => {
      const dir = mkdtempSync(join(tmpdir(), 'mcpd-alias-'));
      try {
        for (const it of ['mcpd/state/audit', 'mcpd/policies/servers', 'alias', 'work'])
          mkdirSync(join(dir, it), { recursive: true });
        writeFileSync(
          join(dir, 'look.ts'),
          `import { viewOf } from '${projectRoot}/src/wall/shown.ts';
         import { walledSpec } from '${projectRoot}/test/wall/support.ts';
         const own = { stateDir: '${dir}/mcpd/state', policies: '${dir}/mcpd/policies', home: '/nowhere' };
         for (const how of ['read', 'write']) for (const at of process.argv.slice(2)) {
           try { viewOf(walledSpec({ [how]: [at] }, { cwd: '${dir}/work' }), [], own); console.log('shown', how, at); }
           catch (reason) { console.log('refused', reason.message); }
         }`,
        );
        const look = (from: string, ...at: string[]) =>
          spawnSync(
            'unshare',
            ['--mount', 'sh', '-c', `mount --bind "$0" "$1" && shift && exec "$@"`, from, `${dir}/alias`]
              .concat([process.execPath, `${dir}/look.ts`])
              .concat(at),
            { encoding: 'utf8' },
          );
        for (const [from, at] of [
          [
            `${dir}/mcpd`,
            [`${dir}/alias`, `${dir}/alias/state`, `${dir}/alias/state/audit`, `${dir}/alias/policies`],
          ],
          [`${dir}/mcpd/state`, [`${dir}/alias`, `${dir}/alias/audit`]],
        ] as const) {
          const { stdout, stderr, status } = look(from, ...at);
          assert.equal(status, 0, stderr);
          const lines = stdout.trim().split('\n');
          assert.equal(lines.length, at.length * 2);
          for (const line of lines)
            assert.match(line, /^refused .*(under another name|own state|the policies)/);
        }
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    });
  },
);
