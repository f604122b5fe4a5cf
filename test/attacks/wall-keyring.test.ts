// The kernel keeps keys for a session (keyrings(7)), and whoever is started in it has them: no wall stands between.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { projectRoot } from '../support/daemon.ts';
import { lacking } from '../support/hostile.ts';
import { TakenOver } from './taken-over.ts';

const isRoot = process.getuid?.() === 0;
/** add_key and keyctl, by architecture. */
const calls = new Map([
  ['x64', [248, 250]],
  ['arm64', [217, 219]],
]);
const [addKey = 0, keyctl = 0] = calls.get(process.arch) ?? [];
const sessionKeyring = -3;

type Library = { load: (path: null) => { func: (signature: string) => (...args: unknown[]) => number } };

/** Joins a session of its own and puts a key into it; why that cannot be done here, else undefined. */
function withKey(text: string): string | undefined {
  if (process.platform !== 'linux' || keyctl === 0)
    return 'keyrings are Linux, and these numbers are of x64 and arm64';
  let koffi: Library;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Library;
  } catch {
    return 'koffi is not installed';
  }
  const lib = koffi.load(null);
  const join = lib.func('long syscall(long, long, const char*)');
  const add = lib.func('long syscall(long, const char*, const char*, const char*, long, long)');
  if (join(keyctl, 1, null) <= 0) return 'this machine gives out no keyrings';
  return add(addKey, 'user', 'of-the-owner', text, text.length, sessionKeyring) > 0
    ? undefined
    : 'no key can be made';
}

const cannot = withKey('the-key-of-the-session');

/** For a node inside: asks for the key and prints what it says. */
const script = `
const lib = require('${join(projectRoot, 'node_modules', 'koffi')}').load(null);
const search = lib.func('long syscall(long, long, long, const char*, const char*, long)');
const read = lib.func('long syscall(long, long, long, void*, long)');
const id = search(${keyctl}, 10, ${sessionKeyring}, 'user', 'of-the-owner', 0);
const text = Buffer.alloc(64);
console.log(id, id > 0 ? text.toString('latin1', 0, Number(read(${keyctl}, 11, id, text, 64))) : '');
`;

for (const asRoot of [false, true]) {
  const skip =
    cannot ??
    lacking(asRoot ? 'root, own user' : 'ordinary user') ??
    (asRoot && !isRoot ? 'only root is root' : false);
  describe(
    `keys of the session that mcpd was started in (${asRoot ? 'root' : 'an ordinary user'})`,
    { skip },
    () => {
      test('are for nobody behind a wall, nor without one', async () => {
        await using scene = await TakenOver.start({
          asRoot,
          servers: { walled: '', open: 'sandbox = "off"' },
        });
        for (const server of ['walled', 'open']) {
          const { code, out, err } = await scene.js(server, script);
          assert.equal(code, 0, err);
          assert.match(out, /^-1 ?$/m, server);
        }
      });
    },
  );
}
