// A server that may write somewhere, knows how mcpd finds out what to show it, and is started once more.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fixture, until } from '../support/daemon.ts';
import { lacking } from '../support/hostile.ts';
import { TakenOver } from './taken-over.ts';

const isRoot = process.getuid?.() === 0;
const profiles = [
  { who: 'an ordinary user', asRoot: false, skip: lacking('ordinary user') ?? false },
  { who: 'root', asRoot: true, skip: isRoot ? (lacking('root, shared') ?? false) : 'only root is root' },
] as const;

/** A home with something in it, and something that is nobody's business. */
function furnish(dir: string): void {
  for (const it of ['home/.ssh', 'elsewhere']) mkdirSync(join(dir, it), { recursive: true });
  writeFileSync(join(dir, 'home/.ssh/id'), 'PRIVATE', { mode: 0o600 });
  writeFileSync(join(dir, 'elsewhere/file'), 'PRIVATE', { mode: 0o600 });
}

for (const { who, asRoot, skip } of profiles)
  describe(
    `a server that may write its own folder shows itself nothing new at its next start (${who})`,
    { skip },
    () => {
      const tricks: Readonly<Record<string, (at: (...names: string[]) => string) => string>> = {
        'a folder of modules that is a link': (at) =>
          `echo '{"type":"module"}' > package.json; ln -s ${at('home/.ssh')} node_modules`,
        'a folder of modules above its program': (at) =>
          `mkdir -p deep && cp obeys.ts deep/ && ln -s ${at('elsewhere')} node_modules`,
        'a first line that names an interpreter': (at) =>
          `(echo '#!${at('home/.ssh/id')}'; cat obeys.ts) > new && cat new > obeys.ts`,
      };
      for (const [what, trick] of Object.entries(tricks))
        test(what, async () => {
          await using scene = await TakenOver.start({
            asRoot,
            servers: { own: 'write = ["$DIR/own"]' },
            prepare: ({ dir }) => furnish(dir),
          });
          const at = (...names: string[]) => scene.at(...names);
          assert.equal((await scene.sh('own', trick(at))).code, 0);
          await scene.again('own');
          for (const path of [
            at('home/.ssh/id'),
            at('elsewhere/file'),
            'node_modules/id',
            'node_modules/file',
          ]) {
            const { code, out } = await scene.sh('own', `cat ${path}`);
            assert.deepEqual([code, out], [1, ''], path);
          }
        });

      test('its program as a link', async () => {
        await using scene = await TakenOver.start({
          asRoot,
          servers: { own: 'write = ["$DIR/own"]' },
          prepare: ({ dir }) => {
            furnish(dir);
            copyFileSync(fixture('obeys'), join(dir, 'elsewhere', 'obeys.ts'));
          },
        });
        await scene.sh('own', `ln -sf ${scene.at('elsewhere/obeys.ts')} obeys.ts`);
        await scene.order('restart', { server: 'own' });
        // It would see the folder of that program; as it is, it does not find its program.
        await until(
          'it does not start',
          async () => (await scene.daemon.status('own')).state === 'backing-off',
        );
      });

      test('a working folder, or a declared one, that it made a link of', async () => {
        await using scene = await TakenOver.start({
          asRoot,
          servers: {
            own: 'write = ["$DIR/own", "$DIR/own/a/b/inner"]',
            reads: 'write = ["$DIR/data"]\nread = ["$DIR/data/x/y/inner"]',
          },
          prepare: ({ dir }) => {
            furnish(dir);
            mkdirSync(join(dir, 'own/a/b/inner'), { recursive: true });
            mkdirSync(join(dir, 'data/x/y/inner'), { recursive: true });
          },
        });
        const { daemon } = scene;
        // While it stands there nobody inside moves it, nor what lies above it.
        for (const line of ['mv a z', 'mv a/b a/z', 'rmdir a/b/inner'])
          assert.match((await scene.sh('own', line)).err, /busy/i, line);
        for (const line of ['mv x z', 'mv x/y x/z', 'touch x/y/inner/new'])
          assert.match(
            (await scene.sh('reads', `cd ${scene.at('data')} && ${line}`)).err,
            /busy|read-only/i,
            line,
          );
        assert.equal((await scene.sh('own', 'touch a/b/inner/new a/new a/b/new')).code, 0);
        // However it got there: a link that the server may write is not followed.
        await daemon.end();
        for (const [from, to] of [
          ['own/a/b/inner', 'home/.ssh'],
          ['data/x/y/inner', 'elsewhere'],
        ] as const) {
          const path = scene.at(from);
          rmSync(path, { recursive: true });
          symlinkSync(scene.at(to), path);
        }
        await scene.boot();
        for (const name of ['own', 'reads']) {
          const { state, because } = await daemon.status(name);
          assert.equal(state, 'refused', name);
          assert.match(because ?? '', /leads over .*inner, a link that the server itself may change/, name);
        }
      });
    },
  );

describe('a program that is pinned', { skip: lacking('ordinary user') ?? false }, () => {
  test('and is a named pipe at the next start holds nobody up', async () => {
    await using scene = await TakenOver.start({
      servers: { own: 'write = ["$DIR/own"]', other: '' },
      prepare: ({ dir, policies }) => {
        // A program of its own, in a folder that it may write.
        const program = join(dir, 'own', 'program');
        const text = `#!/bin/sh\nexec ${process.execPath} ${join(dir, 'own', 'obeys.ts')}\n`;
        writeFileSync(program, text, { mode: 0o755 });
        const file = join(policies, 'servers', 'own.toml');
        const digest = createHash('sha256').update(text).digest('hex');
        const lines = readFileSync(file, 'utf8')
          .replace(/^command = .*$/m, `command = "${program}"\nsha256 = "${digest}"`)
          .replace(/^args = .*$/m, '');
        writeFileSync(file, lines);
      },
    });
    await scene.sh('own', 'rm program; mkfifo program');
    await scene.order('restart', { server: 'own' });
    await until('it is not started', async () =>
      /is not a plain file|cannot be checked/.test((await scene.daemon.status('own')).because ?? ''),
    );
    // As often as there are threads to lose.
    for (let n = 0; n < 5; n++) await scene.order('restart', { server: 'own' });
    assert.equal((await scene.sh('other', 'echo works')).out, 'works\n');
  });
});

describe('what belongs to the machine', { skip: lacking('ordinary user') ?? false }, () => {
  test('is not shown over a link of the owner either', async () => {
    await using scene = await TakenOver.start({
      servers: Object.fromEntries(
        ['root', 'proc', 'dev', 'run'].map((name) => [name, `read = ["$DIR/to-${name}"]`]),
      ),
      prepare: ({ dir }) => {
        symlinkSync('/', join(dir, 'to-root'));
        for (const name of ['proc', 'dev', 'run']) symlinkSync(`/${name}`, join(dir, `to-${name}`));
      },
    });
    for (const name of ['root', 'proc', 'dev', 'run']) {
      const { state, because } = await scene.daemon.status(name);
      assert.equal(state, 'refused', name);
      assert.match(because ?? '', /belongs to the machine/, name);
    }
  });
});
