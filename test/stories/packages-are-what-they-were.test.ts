import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { needsNpx, npx, Registry } from '../packages/registry.ts';
import { rule, TestDaemon, until } from '../support/daemon.ts';

type Report = {
  readonly server: string;
  readonly installed: {
    readonly version: string;
    readonly integrity: string | null;
    readonly tree: string;
  } | null;
  readonly was: { readonly version: string } | null;
};

/** A server in one file, as small as can be, which says its version. */
const script = (version: string) => `
import { createInterface } from 'node:readline';
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method } = JSON.parse(line);
  const serverInfo = { name: 'fx-server', version: '${version}' };
  const result = method === 'initialize'
    ? { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo }
    : method === 'tools/list' ? { tools: [] } : {};
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result }));
}`;

let dir = '';
let registry: Registry;
before(async () => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'mcpd-story-')));
  registry = await Registry.open(join(dir, 'published'));
});
after(async () => {
  await registry.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A server file that runs npx with a folder of its own to work in, so that nothing above it counts. */
function served(cache: string, args: readonly string[], more = ''): string {
  const work = join(dir, 'work');
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'package.json'), '{}');
  const { PATH: _path, HOME: _home, ...env } = registry.env(join(dir, cache));
  const lines = Object.entries(env).map(([name, value]) => `${name} = "${value}"`);
  return `command = "${npx}"\nargs = ${JSON.stringify(args)}\ncwd = "${work}"\n${more}\n[env]\n${lines.join('\n')}\n${rule('allow', ['*'])}`;
}

async function packages(daemon: TestDaemon): Promise<readonly Report[]> {
  return (await daemon.ctl('status'))['packages'] as readonly Report[];
}

const settled = (daemon: TestDaemon, state: string) =>
  until('the server to be ' + state, async () => (await daemon.status('fx')).state === state);

describe('a package that floats', needsNpx, () => {
  test('is told when it became another, shown until somebody agrees, and may be refused from then on', async () => {
    const first = registry.publish('fx-server', '1.0.0', script('1.0.0'));
    await using daemon = await TestDaemon.start({ servers: { fx: served('a', ['--yes', 'fx-server']) } });
    await settled(daemon, 'ready');
    await until('it to be seen', async () => (await packages(daemon)).length === 1);
    const [one] = await packages(daemon);
    assert.deepEqual([one?.installed?.version, one?.installed?.integrity, one?.was], ['1.0.0', first, null]);

    const second = registry.publish('fx-server', '1.0.1', script('1.0.1'));
    await daemon.ctl('restart', 'fx');
    await until('the drift', async () => (await packages(daemon))[0]?.was !== null);
    const [two] = await packages(daemon);
    assert.deepEqual([two?.installed?.integrity, two?.was?.version], [second, '1.0.0']);
    assert.match(daemon.log(), /fx runs another package than before/);
    const { stdout } = await daemon.mcpd(['ctl', 'status']);
    assert.match(stdout, /package of fx is now fx-server 1\.0\.1, and was 1\.0\.0: mcpd ctl pin-package fx/);
    const drifts = daemon.journal().filter(({ result }) => result === 'drifted');
    assert.equal(drifts.length, 1);
    assert.ok(JSON.stringify(drifts[0]).includes(`was-integrity=${first}`));

    // It is still there after a restart of mcpd, and gone when somebody agreed.
    await daemon.end();
    await daemon.boot();
    await until('the drift again', async () => (await packages(daemon))[0]?.was?.version === '1.0.0');
    const pinned = await daemon.mcpd(['ctl', 'pin-package', 'fx']);
    assert.equal(pinned.code, 0, pinned.stderr);
    const line = /^ {2}(package = .*)$/m.exec(pinned.stdout)?.[1] ?? '';
    assert.equal(line, `package = { version = "1.0.1", integrity = "${second}" }`);
    assert.equal((await packages(daemon))[0]?.was, null);

    // The line that was printed is one that works; nothing of another package is started.
    const exact = ['--yes', 'fx-server@1.0.1'];
    daemon.write('servers/fx.toml', served('b', exact, line));
    await daemon.ctl('reload');
    await settled(daemon, 'refused');
    const { because } = await daemon.status('fx');
    assert.match(because ?? '', /cannot be checked: nothing is installed/);
    const install = /npx (--yes --ignore-scripts .* -- node -e 0);/.exec(because ?? '')?.[1] ?? '';
    await registry.npx(join(dir, 'b'), join(dir, 'work'), install.split(' '));
    await daemon.ctl('restart', 'fx');
    await settled(daemon, 'ready');

    registry.publish('fx-server', '1.0.1', script('1.0.1 and more'));
    await registry.npx(join(dir, 'c'), join(dir, 'work'), [
      '--yes',
      '--package',
      'fx-server@1.0.1',
      '--',
      'node',
      '-e',
      '0',
    ]);
    daemon.write('servers/fx.toml', served('c', exact, line));
    await daemon.ctl('reload');
    await settled(daemon, 'refused');
    assert.match((await daemon.status('fx')).because ?? '', /its integrity is sha512-/);
    assert.ok(daemon.journal().some(({ result, command }) => command === 'package' && result === 'refused'));
  });
});

test('a program that was replaced after it was pinned is not started, and starts again when it is back', async () => {
  // A copy of node, because that can be replaced.
  const program = join(dir, 'node-copy');
  copyFileSync(process.execPath, program);
  const sha256 = createHash('sha256').update(readFileSync(program)).digest('hex');
  const text = `command = "${program}"\nargs = ["$FIXTURES/answers.ts"]\nsha256 = "${sha256}"\n${rule('allow', ['*'])}`;
  await using daemon = await TestDaemon.start({ servers: { fx: text } });
  assert.equal((await daemon.status('fx')).state, 'ready');
  rmSync(program);
  writeFileSync(program, `#!/bin/sh\ntouch ${join(dir, 'it-ran')}\n`, { mode: 0o755 });
  await daemon.ctl('restart', 'fx');
  await settled(daemon, 'refused');
  assert.match((await daemon.status('fx')).because ?? '', /is not the program that is pinned/);
  assert.throws(() => readFileSync(join(dir, 'it-ran')), { code: 'ENOENT' });
  rmSync(program);
  copyFileSync(process.execPath, program);
  await daemon.ctl('restart', 'fx');
  await settled(daemon, 'ready');
});
