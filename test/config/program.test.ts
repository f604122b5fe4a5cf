import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ServerSpec } from '../../src/domain/orders.ts';
import { loadServer, said } from './scratch.ts';

const integrity = `sha512-${'A'.repeat(86)}==`;
const hash = 'a'.repeat(64);
/** `env` is on every machine, and starts what its arguments say. */
const npx = (args: string, more = '') =>
  `command = "/usr/bin/env"\nargs = ["npx", ${args}]\nowner = "x"\n${more}\n[[rule]]\nname = "r"\nverdict = "deny"\ntools = ["*"]\n`;

function specFrom(t: TestContext, text: string): ServerSpec {
  const loaded = loadServer(t, text);
  assert.ok(loaded.ok, said(loaded).join('\n'));
  return (loaded.servers[0] as { spec: ServerSpec }).spec;
}

test('what is fetched, and what it must be, comes from the file', (t) => {
  const pin = `sha256 = "${hash}"\npackage = { version = "1.2.3", integrity = "${integrity}", tree = "${hash}" }`;
  const { sha256, fetched } = specFrom(t, npx('"-y", "--cache=/c", "@s/server@1.2.3"', pin));
  assert.equal(sha256, hash);
  assert.deepEqual(fetched, {
    by: 'npx',
    specs: ['@s/server@1.2.3'],
    name: '@s/server',
    version: '1.2.3',
    cache: '/c',
    pin: { version: '1.2.3', integrity, tree: hash },
  });
});

test('a version that floats is no version, and npm’s folder may come from a variable', (t) => {
  const { fetched } = specFrom(t, npx('"server@^1.2.3"', '[env]\nNPM_CONFIG_CACHE = "/elsewhere"\n'));
  assert.deepEqual(fetched, {
    by: 'npx',
    specs: ['server@^1.2.3'],
    name: 'server',
    version: undefined,
    cache: '/elsewhere',
    pin: undefined,
  });
});

test('a server that fetches nothing has nothing of the kind in its spec', (t) => {
  const spec = specFrom(t, npx('"x"').replace('"npx", ', '"/bin/cat", '));
  assert.deepEqual([Object.hasOwn(spec, 'fetched'), Object.hasOwn(spec, 'sha256')], [false, false]);
});

const wrong: readonly (readonly [string, string, RegExp])[] = [
  [
    'another version than args ask for',
    npx('"server@1.2.4"', 'package = { version = "1.2.3" }'),
    /args ask for version 1\.2\.4/,
  ],
  [
    'args that float',
    npx('"server"', 'package = { version = "1.2.3" }'),
    /args ask for a version that floats/,
  ],
  [
    'a version in another form',
    npx('"-p", "server@1.2.3", "-p", "b@1.2.3", "x"', 'package = { version = "1.2.3" }'),
    /cannot be told from these args/,
  ],
  [
    'a command that fetches nothing',
    npx('"x"', 'package = { version = "1.2.3" }').replace('"npx", ', '"cat", '),
    /this command fetches no package/,
  ],
  [
    'integrity of what uvx installed',
    npx('"server==1.2.3"', `package = { version = "1.2.3", integrity = "${integrity}" }`).replace(
      '"npx"',
      '"uvx"',
    ),
    /cannot look at what uvx has installed/,
  ],
  [
    'integrity in another form',
    npx('"server@1.2.3"', 'package = { version = "1.2.3", integrity = "sha1-AAAA" }'),
    /what npm calls integrity/,
  ],
  [
    'a version that is a range',
    npx('"server@1.2.3"', 'package = { version = "^1.2.3" }'),
    /an exact version/,
  ],
  [
    'an unknown key',
    npx('"server@1.2.3"', 'package = { version = "1.2.3", sha = "x" }'),
    /unknown key "sha"/,
  ],
  ['half a digest', npx('"x"', 'sha256 = "abc"'), /64 of 0-9 and a-f/],
];
for (const [what, text, complaint] of wrong)
  test(`${what} is refused when the file is read`, (t) => {
    const loaded = loadServer(t, text);
    assert.equal(loaded.ok, false);
    assert.match(said(loaded).join('\n'), complaint);
  });

test('a pin by version is enough for those that mcpd cannot look at', (t) => {
  const { fetched } = specFrom(
    t,
    npx('"server==1.2.3"', 'package = { version = "1.2.3" }').replace('"npx"', '"uvx"'),
  );
  assert.deepEqual([fetched?.by, fetched?.pin?.version], ['uvx', '1.2.3']);
});
