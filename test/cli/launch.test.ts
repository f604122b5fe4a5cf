import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const launcher = join(root, 'src', 'launch.cjs');
const require = createRequire(import.meta.url);

/** A Node on this machine that is too old for mcpd. */
const old = ['/usr/bin/node', '/usr/local/bin/node'].find((node) => {
  if (!existsSync(node)) return false;
  return Number.parseInt(spawnSync(node, ['--version']).stdout.toString().slice(1), 10) < 24;
});
const withOld = { skip: old === undefined ? 'there is no Node older than 24 here' : false };

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-launch-'));
  mkdirSync(join(dir, 'src'));
  copyFileSync(launcher, join(dir, 'src', 'launch.cjs'));
  writeFileSync(
    join(dir, 'src', 'cli.ts'),
    `const said: string = process.argv.slice(2).join(' ');
     console.log('source ' + process.versions.node.split('.')[0] + ' ' + said);
     if (said === 'wait') { process.on('SIGTERM', () => process.exit(7)); setInterval(() => {}, 1000); process.send?.('ready'); }
     else if (said === 'ask') { const { url } = await import('node:inspector'); process.on('message', () => process.send?.(url() ?? 'closed')); process.send?.('ready'); }
     else if (said === 'die') process.kill(process.pid, 'SIGKILL');
     else process.exitCode = 3;`,
  );
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const copy = () => join(dir, 'src', 'launch.cjs');
/** Puts this very Node where the \`node\` package would put it. */
function bringRuntime(): void {
  mkdirSync(join(dir, 'node_modules', 'node', 'bin'), { recursive: true });
  symlinkSync(process.execPath, join(dir, 'node_modules', 'node', 'bin', 'node'));
}

describe('the launcher', () => {
  test('can be run as a program', () => {
    assert.equal(statSync(launcher).mode & 0o111, 0o111);
  });

  test('passes arguments on and the exit code back', () => {
    const { status, stdout } = spawnSync(process.execPath, [copy(), 'a', 'b c']);
    assert.equal(status, 3);
    assert.match(stdout.toString(), /^source \d+ a b c\n$/);
  });

  test('gives V8 no flag that it does not know, which it would say', () => {
    assert.match(readFileSync(launcher, 'utf8'), /setFlagsFromString/);
    assert.equal(spawnSync(process.execPath, [copy(), 'a']).stderr.toString(), '');
  });

  test('runs the compiled program below node_modules, where types are not stripped', () => {
    const home = join(dir, 'node_modules', 'mcpd');
    mkdirSync(join(home, 'src'), { recursive: true });
    mkdirSync(join(home, 'dist'));
    copyFileSync(launcher, join(home, 'src', 'launch.cjs'));
    writeFileSync(join(home, 'src', 'cli.ts'), 'console.log("source")');
    writeFileSync(join(home, 'dist', 'cli.js'), 'console.log("compiled")');
    const { stdout } = spawnSync(process.execPath, [join(home, 'src', 'launch.cjs')]);
    assert.equal(stdout.toString(), 'compiled\n');
  });

  test('opens no inspector for whoever sends SIGUSR1', async (t) => {
    const child = spawn(process.execPath, [copy(), 'ask'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const gone = new Promise((resolve) => child.once('exit', resolve));
    t.after(async () => {
      child.kill('SIGKILL');
      await gone;
    });
    const hear = () => new Promise((resolve) => child.once('message', resolve));
    assert.equal(await hear(), 'ready');
    child.kill('SIGUSR1');
    // Node opens one a moment after the signal, on a thread of its own.
    for (let asked = 0; asked < 200; asked++) {
      const heard = hear();
      child.send('?');
      assert.equal(await heard, 'closed');
    }
  });

  test('on an old Node says in one line what to install, and exits 78', withOld, () => {
    const { status, stdout, stderr } = spawnSync(old ?? '', [copy(), 'status']);
    assert.equal(status, 78);
    assert.equal(stdout.toString(), '');
    assert.match(stderr.toString(), /^mcpd needs Node 24 or newer; this is v[\d.]+\. Install .*\n$/);
  });

  test('on an old Node goes on with the runtime that came along', withOld, () => {
    bringRuntime();
    const { status, stdout } = spawnSync(old ?? '', [copy(), 'a', 'b c']);
    assert.equal(status, 3);
    assert.match(stdout.toString(), new RegExp(`^source ${process.versions.node.split('.')[0]} a b c\n$`));
  });

  test('ends by the signal that ended the program', withOld, () => {
    bringRuntime();
    assert.equal(spawnSync(old ?? '', [copy(), 'die']).signal, 'SIGKILL');
  });

  test('passes a signal on, and the word that it is ready', withOld, async () => {
    bringRuntime();
    const child = spawn(old ?? '', [copy(), 'wait'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const ready = await new Promise((resolve) => child.once('message', resolve));
    assert.equal(ready, 'ready');
    child.kill('SIGTERM');
    assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 7);
  });
});

describe('the PM2 configuration', () => {
  const load = (): Record<string, unknown> & { env: Record<string, string>; filter_env: string[] } => {
    const file = join(root, 'ecosystem.config.cjs');
    delete require.cache[file];
    return (require(file) as { apps: [ReturnType<typeof load>] }).apps[0];
  };

  test('keeps everything of the shell out but what mcpd reads', () => {
    process.env['MCPD_TEST_PASSWORD'] = 'hunter2';
    try {
      const { env, filter_env: dropped } = load();
      assert.ok(!JSON.stringify(env).includes('hunter2'));
      // What PM2 does with it: a variable stays when its name contains none of the fragments.
      assert.deepEqual(
        Object.keys(process.env).filter((name) => !dropped.some((part) => name.includes(part))),
        [],
      );
    } finally {
      delete process.env['MCPD_TEST_PASSWORD'];
    }
  });

  test('gives the drain more time than it needs, and signals nobody but the daemon', () => {
    const app = load();
    assert.equal(app['exec_mode'], 'fork');
    assert.equal(app['instances'], 1);
    assert.equal(app['treekill'], false);
    assert.equal(app['pmx'], false);
    assert.ok(Number(app['kill_timeout']) > 10_000);
    assert.deepEqual(app['stop_exit_codes'], [78]);
  });
});
