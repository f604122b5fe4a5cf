import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isBroad, programPaths } from '../../src/wall/program.ts';
import { walledSpec } from './support.ts';

function place(t: TestContext): (path: string, text?: string) => string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-program-')));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return (path, text) => {
    const at = join(dir, path);
    if (text === undefined) return at;
    mkdirSync(dirname(at), { recursive: true });
    writeFileSync(at, text);
    chmodSync(at, 0o755);
    return at;
  };
}
const home = '/home/ana';
const node = '/usr/bin/node';

test('a package of npm brings all modules beside it', (t) => {
  const at = place(t);
  at('app/node_modules/server/index.js', '#!/usr/bin/env node\n');
  mkdirSync(at('app/node_modules/.bin'));
  symlinkSync('../server/index.js', at('app/node_modules/.bin/server'));
  const spec = walledSpec({}, { command: at('app/node_modules/.bin/server'), args: [] });
  assert.deepEqual(programPaths(spec, node, home), [at('app/node_modules')]);
});

test('a script brings its package and the modules above it', (t) => {
  const at = place(t);
  at('mono/node_modules/dep/index.js', '');
  at('mono/server/package.json', '{}');
  at('mono/server/dist/index.js', '');
  const spec = walledSpec({}, { command: node, args: ['--flag', at('mono/server/dist/index.js')] });
  // Only where node itself is there to be looked at.
  const paths = programPaths({ ...spec, command: '/bin/sh' }, node, home);
  assert.deepEqual(paths, [at('mono/server'), at('mono/node_modules')]);
});

test('a virtual environment brings itself and its interpreter', (t) => {
  const at = place(t);
  at('python/bin/python3.12', '');
  at('python/lib/os.py', '');
  at('venv/pyvenv.cfg', '');
  at('venv/bin/server', `#!${at('venv/bin/python')}\n`);
  symlinkSync(at('python/bin/python3.12'), at('venv/bin/python'));
  const spec = walledSpec({}, { command: at('venv/bin/server'), args: [] });
  assert.deepEqual(programPaths(spec, node, home).toSorted(), [
    at('python/bin'),
    at('python/lib'),
    at('venv'),
  ]);
});

test('of a program in a home, the file alone', (t) => {
  const at = place(t);
  at('home/server.py', '#!/usr/bin/python3\n');
  const spec = walledSpec({}, { command: at('home/server.py'), args: [] });
  assert.deepEqual(programPaths(spec, node, at('home')), [at('home/server.py')]);
});

test('homes, what lies above them, and folders that everybody uses are broad', () => {
  for (const folder of ['/', '/srv', '/home', '/home/ben', '/home/ana', '/tmp', '/var/lib', '/usr/local'])
    assert.ok(isBroad(folder, home), folder);
  for (const folder of ['/home/ana/src', '/srv/server', '/opt/google/chrome'])
    assert.ok(!isBroad(folder, home), folder);
});
