import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { TestDaemon } from '../support/daemon.ts';
import { order, referenceToml, startReference } from './reference.ts';

const nobody = 65_534;
const asRoot = process.getuid?.() === 0;
const setpriv = asRoot && spawnSync('setpriv', ['--version']).status === 0;
const cannot = asRoot
  ? setpriv
    ? false
    : 'setpriv is not installed, so there is no way to be another user'
  : 'only root can become another user';

/** Connects, and says what came of it; run as somebody else. */
const visitor = `
const { connect } = require('node:net');
const socket = connect(process.argv[1]);
socket.on('connect', () => { socket.write('{"command":"lockdown","operator":"mallory"}\\n'); });
socket.on('data', (data) => { console.log('answered ' + data); process.exit(0); });
socket.on('error', (error) => { console.log('refused ' + error.code); process.exit(0); });
`;

/** Runs a program as somebody else, to its end. */
function asNobody(command: string, args: readonly string[]) {
  const who = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
  const { PATH } = process.env;
  return spawnSync('setpriv', [...who, command, ...args], {
    env: { PATH, HOME: '/nonexistent' },
    cwd: '/',
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** A node that another user may run, wherever ours is. */
function nodeForAll(): { readonly node: string; readonly dir: string } {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-node-'));
  chmodSync(dir, 0o755);
  const node = join(dir, 'node');
  cpSync(process.execPath, node);
  chmodSync(node, 0o755);
  return { node, dir };
}

describe('another user of the machine', () => {
  test(
    'cannot reach the control socket, even where everything around it stands open',
    { skip: cannot },
    async () => {
      await using daemon = await startReference('all');
      const socket = join(daemon.state, 'control', 'mcpd.sock');
      assert.equal(statSync(socket).mode & 0o777, 0o600);
      assert.equal(statSync(join(daemon.state, 'control')).mode & 0o777, 0o700);
      const { node, dir } = nodeForAll();
      try {
        // First as it is; then as a careless owner might have left it, one fence after the other.
        for (const open of [
          [],
          [daemon.dir, daemon.state],
          [daemon.dir, daemon.state, join(daemon.state, 'control')],
        ]) {
          for (const folder of open) chmodSync(folder, 0o755);
          const { stdout, stderr } = asNobody(node, ['-e', visitor, socket]);
          assert.match(stdout, /^refused E(ACCES|PERM)/, stdout + stderr);
        }
      } finally {
        rmSync(dir, { recursive: true });
      }
      const { switches } = (await order(daemon, 'status')) as { switches: { lockdown: unknown } };
      assert.equal(switches.lockdown, null);
    },
  );

  test('cannot read keys, journal, log or switches', { skip: cannot }, async () => {
    await using daemon = await startReference('all');
    await order(daemon, 'disable-tool', { tool: 'fx/echo' });
    chmodSync(daemon.dir, 0o755);
    chmodSync(daemon.state, 0o755);
    for (const name of ['keys.json', 'state.db', 'audit', 'log', 'control']) {
      const path = join(daemon.state, name);
      assert.equal(statSync(path).mode & 0o077, 0, `${name} is open to others`);
      const { status } = asNobody(statSync(path).isDirectory() ? 'ls' : 'cat', [path]);
      assert.notEqual(status, 0, name);
    }
  });
});

describe('a control socket that is not ours', () => {
  test('a second daemon on the same state refuses to start and leaves the first alone', async () => {
    await using first = await startReference('all');
    const second = await first.mcpd(['run', '--policies', first.policies]);
    assert.equal(second.code, 75, second.stdout + second.stderr);
    assert.match(second.stdout + second.stderr, /another mcpd is running/);
    assert.equal((await order(first, 'status'))['ok'], true);
  });

  test('a file that lies where the socket should be is not removed', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: referenceToml() }, boot: false });
    const control = join(daemon.state, 'control');
    const planted = join(control, 'mcpd.sock');
    mkdirSync(control, { recursive: true, mode: 0o700 });
    for (const plant of [
      () => writeFileSync(planted, 'mine'),
      () => mkdirSync(planted),
      () => symlinkSync('/etc/hostname', planted),
    ]) {
      plant();
      const { code, stdout, stderr } = await daemon.mcpd(['run', '--policies', daemon.policies]);
      assert.equal(code, 78, stdout + stderr);
      assert.match(stdout + stderr, /control socket cannot stand there/);
      lstatSync(planted);
      rmSync(planted, { recursive: true });
    }
  });

  test('a control directory that others may enter is not used', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: referenceToml() }, boot: false });
    chmodSync(daemon.state, 0o777);
    const { code, stdout, stderr } = await daemon.mcpd(['run', '--policies', daemon.policies]);
    assert.equal(code, 78, stdout + stderr);
    assert.match(stdout + stderr, /others may write/);
  });
});
