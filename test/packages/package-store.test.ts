import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { FetchedPackage, PackagePin, ServerSpec } from '../../src/domain/orders.ts';
import { folderOf } from '../../src/packages/npx-tree.ts';
import { PackageStore, type PackageNews } from '../../src/packages/package-store.ts';
import { specOf } from '../fleet/support.ts';

let dir = '';
let saved: string | undefined;
let full = false;
let news: PackageNews[] = [];
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-packages-')));
  // What lies above is no business of these tests.
  put(join(dir, 'work/package.json'), '{}');
  [saved, full, news] = [undefined, false, []];
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function open(): PackageStore {
  return PackageStore.open({
    file: {
      path: '/state/packages.json',
      read: () => (saved === undefined ? undefined : Buffer.from(saved)),
      write: (text) => {
        if (full) throw new Error('no space left on the device');
        saved = text;
      },
    },
    clock: { wallMs: () => 1_800_000_000_000 },
    house: { homeOf: () => join(dir, 'home'), globals: [] },
    told: (it) => news.push(it),
  });
}

function serverOf(
  text: string,
  more: Partial<FetchedPackage> = {},
  spec: Partial<ServerSpec> = {},
): ServerSpec {
  const [name = '', version] = text.split('@');
  const fetched = { by: 'npx', specs: [text], name, version, cache: undefined, pin: undefined, ...more };
  return specOf('answers', { cwd: join(dir, 'work'), fetched, ...spec });
}

/** As npm leaves it; test/packages/npx-tree.test.ts says so of the real one. */
function install(text: string, version: string, content = version, dependency = '1.0.0'): void {
  const name = text.split('@')[0] ?? '';
  const folder = folderOf(join(dir, 'home/.npm'), [text]);
  const packages = {
    [`node_modules/${name}`]: { version, integrity: integrityOf(content) },
    'node_modules/part': { version: dependency, integrity: integrityOf(dependency) },
  };
  put(join(folder, 'node_modules/.package-lock.json'), JSON.stringify({ packages }));
  put(join(folder, 'node_modules', name, 'package.json'), JSON.stringify({ version }));
}

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const integrityOf = (content: string) => `sha512-${createHash('sha512').update(content).digest('base64')}`;
const kinds = () => news.map(({ kind }) => kind);
const versions = (store: PackageStore) =>
  store.report(['fx']).map(({ installed, was }) => [was?.version ?? null, installed?.version]);

describe('what a server runs', () => {
  test('is written down when it is first seen, and told once', async () => {
    install('server', '1.0.0');
    const store = open();
    await store.saw(serverOf('server'));
    await store.saw(serverOf('server'));
    assert.deepEqual(kinds(), ['runs']);
    const [report] = store.report(['fx', 'other']);
    assert.deepEqual(
      [report?.by, report?.asked, report?.was, report?.pinned],
      ['npx', 'server', null, false],
    );
    assert.equal(report?.installed?.integrity, integrityOf('1.0.0'));
    assert.match(saved ?? '', /"version":"1.0.0"/);
  });

  const changes: readonly (readonly [string, string, string?, string?])[] = [
    ['another version', '1.0.1'],
    ['other contents of the same version', '1.0.0', 'changed'],
    ['another version of a dependency', '1.0.0', '1.0.0', '1.0.1'],
  ];
  for (const [what, ...later] of changes)
    test(`is told when it becomes ${what}, and shown until somebody agrees, restarts or not`, async () => {
      install('server', '1.0.0');
      await open().saw(serverOf('server'));
      install('server', ...later);
      let store = open();
      await store.saw(serverOf('server'));
      await store.saw(serverOf('server'));
      assert.deepEqual(kinds(), ['runs', 'drift']);
      assert.deepEqual(versions(store), [['1.0.0', later[0]]]);

      store = open();
      await store.saw(serverOf('server'));
      assert.deepEqual(versions(store), [['1.0.0', later[0]]]);
      assert.equal(store.acknowledge('fx', 'ana').kind, 'done');
      assert.equal(store.acknowledge('fx', 'ana').kind, 'already');
      assert.deepEqual(versions(store), [[null, later[0]]]);
      assert.match(saved ?? '', /"by":"ana"/);

      store = open();
      await store.saw(serverOf('server'));
      assert.deepEqual(versions(store), [[null, later[0]]]);
    });

  test('is still shown when the old one comes back: the other did run', async () => {
    const store = open();
    for (const version of ['1.0.0', '1.0.1', '1.0.0']) {
      install('server', version);
      await store.saw(serverOf('server'));
    }
    assert.deepEqual(kinds(), ['runs', 'drift', 'drift']);
    assert.deepEqual(versions(store), [['1.0.0', '1.0.0']]);
    assert.equal(store.acknowledge('fx', 'ana').kind, 'done');
    assert.deepEqual(versions(store), [[null, '1.0.0']]);
  });

  test('is no drift when the owner asked for another one', async () => {
    install('server@1.0.0', '1.0.0');
    install('server@2.0.0', '2.0.0');
    const store = open();
    await store.saw(serverOf('server@1.0.0'));
    await store.saw(serverOf('server@2.0.0'));
    assert.deepEqual(kinds(), ['runs', 'runs']);
    assert.deepEqual(versions(store), [[null, '2.0.0']]);
  });

  test('is what the file says where mcpd cannot look, and that is said', async () => {
    const store = open();
    await store.saw(serverOf('server@1.0.0', { by: 'uvx' }));
    const [known] = store.report(['fx']);
    assert.deepEqual(known?.installed, { name: 'server', version: '1.0.0', integrity: null, tree: null });
    assert.match(known?.because ?? '', /cannot look at what uvx has installed/);
    await store.saw(serverOf('server', { by: 'uvx' }));
    const [floats] = store.report(['fx']);
    assert.equal(floats?.installed, null);
    assert.match(floats?.because ?? '', /leaves the version open/);
    assert.deepEqual(store.acknowledge('fx', 'ana'), { kind: 'unseen' });
  });

  test('cannot be told where something is in npx’s way', async () => {
    install('server', '1.0.0');
    put(join(dir, 'work/node_modules/.bin/server'), '');
    const store = open();
    await store.saw(serverOf('server'));
    assert.deepEqual(kinds(), ['unknown']);
    assert.match(store.report(['fx'])[0]?.because ?? '', /node_modules\/\.bin\/server may decide/);
  });

  test('is looked for where the file says that npm keeps it', async () => {
    install('server', '1.0.0');
    const store = open();
    await store.saw(serverOf('server', { cache: join(dir, 'elsewhere') }));
    assert.equal(store.report(['fx'])[0]?.installed, null);
    await store.saw(serverOf('server', { cache: join(dir, 'home/.npm') }));
    assert.equal(store.report(['fx'])[0]?.installed?.version, '1.0.0');
  });
});

describe('the record', () => {
  test('that cannot be written is said; an agreement that cannot be written is none', async () => {
    install('server', '1.0.0');
    const store = open();
    await store.saw(serverOf('server'));
    full = true;
    install('server', '1.0.1');
    await store.saw(serverOf('server'));
    assert.deepEqual(kinds(), ['runs', 'unsaved', 'drift']);
    assert.match(store.unsaved ?? '', /no space/);
    assert.throws(() => store.acknowledge('fx', 'ana'), /no space/);
    assert.deepEqual(versions(store), [['1.0.0', '1.0.1']]);
    full = false;
    assert.equal(store.acknowledge('fx', 'ana').kind, 'done');
    assert.equal(store.unsaved, undefined);
  });

  test('that could not be written is written once there is room, also when nothing new is seen', async () => {
    install('server', '1.0.0');
    const store = open();
    full = true;
    await store.saw(serverOf('server'));
    assert.equal(store.retry(), false);
    assert.match(store.unsaved ?? '', /no space/);
    full = false;
    assert.equal(store.retry(), true);
    assert.deepEqual([store.unsaved, store.retry()], [undefined, false]);
    // The next start knows it, and takes no other one for the first.
    install('server', '1.0.1');
    const next = open();
    await next.saw(serverOf('server'));
    assert.deepEqual(versions(next), [['1.0.0', '1.0.1']]);
  });

  test('that is damaged in any place is refused, and never taken for empty', async () => {
    install('server', '1.0.0');
    await open().saw(serverOf('server'));
    install('server', '1.0.1');
    await open().saw(serverOf('server'));
    const whole = saved ?? '';
    open();
    let refused = 0;
    for (let at = 0; at < whole.length - 1; at++) {
      saved = whole.slice(0, at) + whole.slice(at + 1);
      try {
        open();
      } catch (reason) {
        assert.ok(reason instanceof Fault && reason.code === 'CONFIG_INVALID' && reason.hint !== undefined);
        refused++;
      }
    }
    // A letter less in a text is another text; a quote, a comma, a bracket, or a letter of a name less is damage.
    assert.ok(refused > whole.length / 3, `${refused} of ${whole.length}`);
    for (const text of ['', '{}', '[]', '{"version":2,"packages":[]}', whole.slice(0, 40)]) {
      saved = text;
      assert.throws(open, { code: 'CONFIG_INVALID' }, text);
    }
  });
});

describe('a pinned package', () => {
  const pinned = (pin: Partial<PackagePin>) =>
    serverOf('server@1.0.0', { pin: { version: '1.0.0', integrity: undefined, tree: undefined, ...pin } });
  const integrity = integrityOf('1.0.0');

  test('is admitted when it is installed as it should be', async () => {
    install('server@1.0.0', '1.0.0');
    const store = open();
    await store.admit(pinned({}));
    await store.admit(pinned({ integrity }));
    await store.saw(pinned({}));
    const tree = store.report(['fx'])[0]?.installed?.tree ?? '';
    await store.admit(pinned({ integrity, tree }));
    install('server@1.0.0', '1.0.0', '1.0.0', '1.0.1');
    await store.admit(pinned({ integrity }));
    await assert.rejects(store.admit(pinned({ integrity, tree })), /its tree is/);
  });

  test('is refused before it is installed, and the operator is told how to do that', async () => {
    await assert.rejects(open().admit(pinned({ integrity })), (reason: Fault) => {
      assert.equal(reason.code, 'UPSTREAM_DOWN');
      assert.match(reason.message, /nothing is installed/);
      assert.match(
        reason.hint ?? '',
        /npx --yes --ignore-scripts --cache \S+\/home\/\.npm --package server@1\.0\.0 /,
      );
      return true;
    });
    assert.deepEqual(kinds(), ['refused']);
  });

  test('is refused when its version or its contents are others, each time, and told once until it is mended', async () => {
    const store = open();
    install('server@1.0.0', '1.0.0', 'changed');
    for (let i = 0; i < 3; i++)
      await assert.rejects(store.admit(pinned({ integrity })), /its integrity is sha512-/);
    assert.deepEqual(kinds(), ['refused']);
    install('server@1.0.0', '6.6.6');
    await assert.rejects(store.admit(pinned({})), /its version is 6\.6\.6/);
    install('server@1.0.0', '1.0.0');
    await store.admit(pinned({ integrity }));
    install('server@1.0.0', '1.0.0', 'changed');
    await assert.rejects(store.admit(pinned({ integrity })));
    assert.deepEqual(kinds(), ['refused', 'refused', 'refused']);
  });

  test('is refused when something is in npx’s way', async () => {
    install('server@1.0.0', '1.0.0');
    put(join(dir, 'node_modules/server/package.json'), '{"version":"1.0.0"}');
    await assert.rejects(open().admit(pinned({ integrity })), /node_modules\/server would decide/);
  });
});

describe('a pinned program', () => {
  const sha256 = createHash('sha256').update('one').digest('hex');

  test('is admitted as long as its file is the one that was pinned, also through a link to another', async () => {
    const command = join(dir, 'program');
    put(command, 'one');
    const spec = specOf('answers', { command, sha256 });
    const store = open();
    await store.admit(spec);
    put(command, 'two');
    await assert.rejects(store.admit(spec), (reason: Fault) => {
      assert.match(reason.message, /is not the program that is pinned: its SHA-256 is [0-9a-f]{64}$/);
      assert.match(reason.hint ?? '', /mcpd ctl restart fx/);
      return true;
    });
    put(command, 'one');
    await store.admit(spec);
    rmSync(command);
    await assert.rejects(store.admit(spec), /cannot be checked/);
    assert.deepEqual(kinds(), ['refused', 'refused']);
  });

  test('nothing pinned, nothing read: a server without pins is admitted whatever its file', async () => {
    await open().admit(specOf('answers', { command: '/no/such/program' }));
    assert.deepEqual(news, []);
  });
});
