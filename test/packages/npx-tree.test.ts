import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { folderOf, lookInto } from '../../src/packages/npx-tree.ts';
import { needsNpx, Registry } from './registry.ts';

let dir = '';
let registry: Registry;
before(async () => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-npx-')));
  mkdirSync(join(dir, 'cwd'));
  // What lies above is no business of these tests.
  writeFileSync(join(dir, 'cwd/package.json'), '{}');
  registry = await Registry.open(join(dir, 'published'));
});
after(async () => {
  await registry.close();
  rmSync(dir, { recursive: true, force: true });
});

const runs = (cache: string, ...args: string[]) =>
  registry.npx(join(dir, cache), join(dir, 'cwd'), ['--yes', ...args]);
const look = (cache: string, specs: readonly string[], name = 'fx-server') =>
  lookInto(folderOf(join(dir, cache), specs), name);

describe('what the real npx installed', needsNpx, () => {
  let integrity = '';
  before(() => {
    registry.publish('fx-part', '1.0.0', '');
    integrity = registry.publish('fx-server', '1.0.0', 'console.log("one")', { 'fx-part': '^1.0.0' });
  });

  test('is found where npx put it, with version and integrity', async () => {
    assert.equal(await runs('a', 'fx-server@1.0.0'), 'one');
    const found = await look('a', ['fx-server@1.0.0']);
    assert.ok(found.kind === 'found', JSON.stringify(found));
    const { tree, ...rest } = found.installed;
    assert.deepEqual(rest, { name: 'fx-server', version: '1.0.0', integrity });
    assert.match(tree ?? '', /^[0-9a-f]{64}$/);
    assert.equal((await look('a', ['fx-server'])).kind, 'absent');
  });

  test('also for a floating version, several packages, and npm exec’s way to say it', async () => {
    assert.equal(await runs('b', 'fx-server'), 'one');
    assert.equal((await look('b', ['fx-server'])).kind, 'found');
    assert.equal(await runs('b', '--package=fx-server@1.0.0', '-p', 'fx-part', '--', 'fx-server'), 'one');
    assert.equal((await look('b', ['fx-part', 'fx-server@1.0.0'])).kind, 'found');
    assert.equal((await look('b', ['fx-server@1.0.0', 'fx-part'])).kind, 'found');
  });

  test('is there after the command that the operator is told, which runs nothing of it', async () => {
    registry.publish('fx-loud', '1.0.0', 'console.log("it ran")');
    const args = [
      '--ignore-scripts',
      '--cache',
      join(dir, 'c'),
      '--package',
      'fx-loud@1.0.0',
      '--',
      'node',
      '-e',
      '0',
    ];
    assert.equal(await runs('c', ...args), '');
    assert.equal((await look('c', ['fx-loud@1.0.0'], 'fx-loud')).kind, 'found');
  });

  test('differs in its tree when another version of a dependency came with it', async () => {
    const one = await look('a', ['fx-server@1.0.0']);
    registry.publish('fx-part', '1.0.1', '');
    assert.equal(await runs('d', 'fx-server@1.0.0'), 'one');
    const two = await look('d', ['fx-server@1.0.0']);
    assert.ok(one.kind === 'found' && two.kind === 'found');
    assert.equal(two.installed.integrity, one.installed.integrity);
    assert.notEqual(two.installed.tree, one.installed.tree);
  });

  test('differs in its integrity when the same version was published anew', async () => {
    const again = registry.publish('fx-server', '1.0.0', 'console.log("two")', { 'fx-part': '^1.0.0' });
    assert.notEqual(again, integrity);
    assert.equal(await runs('e', 'fx-server@1.0.0'), 'two');
    const found = await look('e', ['fx-server@1.0.0']);
    assert.ok(found.kind === 'found');
    assert.equal(found.installed.integrity, again);
  });
});

describe('a lock file that a child may have written', () => {
  const lock = { packages: { 'node_modules/x': { version: '1.0.0', integrity: 'sha512-AA==' } } };
  let count = 0;
  function tree(text: string | Buffer, manifest: object | null = { version: '1.0.0' }): string {
    const folder = join(dir, `tree-${++count}`);
    mkdirSync(join(folder, 'node_modules/x'), { recursive: true });
    writeFileSync(join(folder, 'node_modules/.package-lock.json'), text);
    if (manifest !== null)
      writeFileSync(join(folder, 'node_modules/x/package.json'), JSON.stringify(manifest));
    return folder;
  }

  test('is believed as far as it fits what lies beside it', async () => {
    assert.equal((await lookInto(tree(JSON.stringify(lock)), 'x')).kind, 'found');
    assert.equal((await lookInto(tree(JSON.stringify(lock), { version: '6.6.6' }), 'x')).kind, 'unreadable');
    assert.equal((await lookInto(tree(JSON.stringify(lock), null), 'x')).kind, 'unreadable');
  });

  for (const [what, text] of [
    ['nothing', ''],
    ['no JSON', '{"packages":'],
    ['no lock', '{}'],
    ['a list', '[]'],
    ['packages that are a text', '{"packages":"x"}'],
    ['a row that is null', '{"packages":{"node_modules/x":null}}'],
    ['a version that is no version', '{"packages":{"node_modules/x":{"version":"\\u001b[2J"}}}'],
    ['a version that is a number', '{"packages":{"node_modules/x":{"version":1}}}'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0])],
  ] as const)
    test(`says nothing when it holds ${what}`, async () => {
      assert.equal((await lookInto(tree(text), 'x')).kind, 'unreadable');
    });

  test('neither holds us up nor leads us elsewhere', async () => {
    for (const put of [
      (path: string) => execFileSync('mkfifo', [path]),
      (path: string) => symlinkSync('/etc/passwd', path),
      (path: string) => mkdirSync(path),
      (path: string) => {
        writeFileSync(path, '');
        truncateSync(path, 64 * 1024 * 1024);
      },
    ]) {
      const folder = tree('');
      const path = join(folder, 'node_modules/.package-lock.json');
      rmSync(path);
      put(path);
      assert.equal((await lookInto(folder, 'x')).kind, 'unreadable');
    }
  });

  test('does not answer for a package that is not in it', async () => {
    for (const name of ['y', '__proto__', 'x/../x', 'constructor'])
      assert.equal((await lookInto(tree(JSON.stringify(lock)), name)).kind, 'absent', name);
  });
});
