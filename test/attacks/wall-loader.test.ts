// What the loader of programs obeys is for the server, and not for the programs that build its wall.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { lacking } from '../support/hostile.ts';
import { TakenOver } from './taken-over.ts';

const isRoot = process.getuid?.() === 0;
const compiler = spawnSync('cc', ['--version']).status === 0;

/** Leaves a file wherever it is loaded and may write. */
const code = (path: string) => `
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void begun(void) {
  int file = open("${path}", O_WRONLY | O_CREAT, 0600);
  if (file >= 0) close(file);
}
`;

for (const asRoot of [false, true]) {
  const skip =
    lacking(asRoot ? 'root, own user' : 'ordinary user') ?? (asRoot && !isRoot ? 'only root is root' : false);
  describe(`behind the wall (${asRoot ? 'root' : 'an ordinary user'})`, { skip }, () => {
    test('a trace of the loader is written where the server may write, and nowhere else', async () => {
      await using scene = await TakenOver.start({
        asRoot,
        servers: { own: '' },
        tables: { own: '[env]\nLD_DEBUG = "files"\nLD_DEBUG_OUTPUT = "$DIR/elsewhere/trace"\n' },
        prepare: ({ dir }) => mkdirSync(join(dir, 'elsewhere')),
      });
      const { out } = await scene.sh('own', 'echo $LD_DEBUG $LD_DEBUG_OUTPUT');
      assert.match(out, /^files .*elsewhere\/trace$/m, 'the server itself has them');
      assert.deepEqual(readdirSync(scene.at('elsewhere')), []);
    });

    test(
      'a library that the server wrote is not loaded outside',
      { skip: compiler ? false : 'there is no C compiler to make a library with' },
      async () => {
        await using scene = await TakenOver.start({
          asRoot,
          servers: { own: 'write = ["$DIR/lib"]' },
          tables: { own: '[paths]\nLD_LIBRARY_PATH = "$DIR/lib"\n' },
          prepare: ({ dir }) => {
            mkdirSync(join(dir, 'lib'), { mode: 0o777 });
            mkdirSync(join(dir, 'elsewhere'), { mode: 0o777 });
          },
        });
        // bwrap is linked with both; which of them a machine's has does not matter.
        writeFileSync(scene.at('made.c'), code(scene.at('elsewhere', 'escaped')));
        const made = spawnSync('cc', [
          '-shared',
          '-fPIC',
          '-o',
          scene.at('lib', 'libcap.so.2'),
          scene.at('made.c'),
        ]);
        assert.equal(made.status, 0, String(made.stderr));
        await scene.again('own');
        assert.deepEqual(readdirSync(scene.at('elsewhere')), []);
      },
    );
  });
}

describe('a secret', { skip: lacking('ordinary user') ?? false }, () => {
  test('for the loader is refused: it would have to stand on a command line', async () => {
    await using scene = await TakenOver.start({
      servers: { own: '' },
      tables: { own: '[secrets]\nLD_PRELOAD = "file:$DIR/value"\n' },
      prepare: ({ dir }) => writeFileSync(join(dir, 'value'), '/nowhere.so', { mode: 0o600 }),
    });
    const { state, because } = await scene.daemon.status('own');
    assert.equal(state, 'refused');
    assert.match(because ?? '', /LD_PRELOAD .*cannot be a secret/);
  });
});
