import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { shadowOf } from '../../src/packages/shadow.ts';
import { needsNpx, Registry } from './registry.ts';

let dir = '';
let registry: Registry;
before(async () => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-shadow-')));
  registry = await Registry.open(join(dir, 'published'));
  registry.publish('fx-server', '1.0.0', 'console.log("the package")');
});
after(async () => {
  await registry.close();
  rmSync(dir, { recursive: true, force: true });
});

const program = '#!/usr/bin/env node\nconsole.log("something else")\n';
const manifest = (more: object) => JSON.stringify({ name: 'fx-server', version: '1.0.0', ...more });

/** What lies in the folder above the working folder `work`, and who is found to be in the way. */
const shadows: readonly (readonly [string, Readonly<Record<string, string>>, string])[] = [
  [
    'the package, installed in the working folder',
    {
      'work/node_modules/fx-server/package.json': manifest({ bin: { 'fx-server': 'x.mjs' } }),
      'work/node_modules/fx-server/x.mjs': program,
      'work/node_modules/.bin/fx-server': program,
    },
    'work/node_modules/fx-server',
  ],
  [
    'a program with the whole name, in a folder above',
    { 'node_modules/.bin/fx-server@1.0.0': program },
    'node_modules/.bin/fx-server@1.0.0',
  ],
  [
    'a project that offers a program by the whole name',
    {
      'work/package.json': JSON.stringify({
        name: 'p',
        version: '1.0.0',
        bin: { 'fx-server@1.0.0': 'x.mjs' },
      }),
      'work/x.mjs': program,
    },
    'work/package.json',
  ],
  [
    'a project that has the name and the version',
    {
      'work/package.json': manifest({ bin: { 'fx-server': 'x.mjs' } }),
      'work/x.mjs': program,
      'work/node_modules/.bin/fx-server': program,
    },
    'work/package.json',
  ],
  [
    'settings of a project, which name code to load first',
    { 'work/package.json': '{}', 'work/.npmrc': 'node-options=--import=$AT/x.mjs\n', 'x.mjs': program },
    'work/.npmrc',
  ],
];

describe('what npx would run instead of the package', needsNpx, () => {
  for (const [what, files, found] of shadows)
    test(`${what}: it does, and it is seen`, async () => {
      const at = workIn(files);
      const said = await registry.npx(join(dir, 'cache'), join(at, 'work'), ['--yes', 'fx-server@1.0.0']);
      assert.match(said, /something else/);
      const shadow = await seenIn(join(at, 'work'), false);
      assert.equal(shadow, join(at, found));
    });

  test('deep in another package: it does, and of a package that is pinned that is seen', async () => {
    const at = workIn({
      'work/package.json': '{}',
      'work/node_modules/other/package.json': '{"name":"other","version":"1.0.0"}',
      'work/node_modules/other/node_modules/fx-server/package.json': manifest({
        bin: { 'fx-server': 'x.mjs' },
      }),
      'work/node_modules/.bin/fx-server': program,
    });
    const said = await registry.npx(join(dir, 'cache'), join(at, 'work'), ['--yes', 'fx-server@1.0.0']);
    assert.match(said, /something else/);
    assert.equal(await seenIn(join(at, 'work'), true), join(at, 'work/node_modules'));
  });

  test('nothing of the kind: the package runs, and nothing is seen', async () => {
    const at = workIn({ 'work/package.json': '{}' });
    const said = await registry.npx(join(dir, 'cache'), join(at, 'work'), ['--yes', 'fx-server@1.0.0']);
    assert.equal(said, 'the package');
    assert.equal(await seenIn(join(at, 'work'), true), undefined);
  });
});

test('what is installed for everybody counts, and so do the settings of any folder but the home', async () => {
  const at = workIn({ 'work/package.json': '{}', 'lib/node_modules/fx-server/x': '' });
  const work = join(at, 'work');
  const globals = [join(at, 'lib/node_modules')];
  assert.equal(await seenIn(work, true, undefined, globals), join(at, 'lib/node_modules/fx-server'));
  rmSync(join(at, 'lib'), { recursive: true });
  assert.equal(await seenIn(work, true, undefined, globals), undefined);
  writeFileSync(join(work, '.npmrc'), '');
  assert.equal(await seenIn(work, true, undefined, globals), join(work, '.npmrc'));
  assert.equal(await seenIn(work, true, work, globals), undefined);
});

for (const text of ['', 'null', '[]', '{"workspaces":["a"]}', '{"name":"fx-server"}', '{'])
  test(`a project file that holds ${text || 'nothing'} is ${text === 'null' || text === '[]' ? 'harmless' : 'in the way'}`, async () => {
    const at = workIn({ 'work/package.json': text });
    const harmless = text === 'null' || text === '[]';
    const seen = await seenIn(join(at, 'work'), true);
    assert.equal(seen, harmless ? undefined : join(at, 'work/package.json'));
  });

function workIn(files: Readonly<Record<string, string>>): string {
  const at = mkdtempSync(join(dir, 'at-'));
  mkdirSync(join(at, 'work'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(at, path)), { recursive: true });
    writeFileSync(join(at, path), text.replaceAll('$AT', at), { mode: 0o755 });
  }
  return at;
}

function seenIn(
  cwd: string,
  strict: boolean,
  home?: string,
  globals: readonly string[] = [],
): Promise<string | undefined> {
  return shadowOf({ cwd, name: 'fx-server', text: 'fx-server@1.0.0', home, globals, strict });
}
