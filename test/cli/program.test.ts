import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { runCli } from '../../src/cli/program.ts';
import { controlSocketIn } from '../../src/cli/place.ts';
import { openStateDir } from '../../src/config/state-dir.ts';
import { ControlSocket } from '../../src/control/socket.ts';
import { commands, type Order } from '../../src/operate/commands.ts';
import type { Reply } from '../../src/operate/reply.ts';

let dir = '';
let state = '';
let policies = '';
let daemon: ControlSocket | undefined;
let orders: Order[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcpd-cli-'));
  state = join(dir, 'state');
  policies = join(dir, 'policies');
  mkdirSync(join(policies, 'servers'), { recursive: true, mode: 0o700 });
  orders = [];
});
afterEach(async () => {
  await daemon?.close();
  daemon = undefined;
  rmSync(dir, { recursive: true, force: true });
});

async function daemonThatSays(reply: Reply): Promise<void> {
  daemon = await ControlSocket.open({
    path: openStateDir(state).controlSocket,
    answer: async (order) => {
      orders.push(order);
      return reply;
    },
    redact: (text) => text,
  });
}

type Ran = { readonly code: number; readonly out: string; readonly err: string };
async function mcpd(argv: readonly string[], env: Record<string, string> = {}, secret = ''): Promise<Ran> {
  let [out, err] = ['', ''];
  const code = await runCli(argv, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: { MCPD_STATE_DIR: state, MCPD_POLICIES: policies, ...env },
    readSecret: async () => secret,
    now: () => 1_800_000_000_000,
  });
  return { code, out, err };
}

const json = ({ out }: Ran) =>
  JSON.parse(out) as Record<string, unknown> & { error?: { code: string; says: string; hint?: string } };

describe('the command line', () => {
  for (const [argv, code, says] of [
    [['--help'], 0, /Exit codes/],
    [['--version'], 0, /^\d+\.\d+\.\d+\n$/],
    [['ctl', 'lockdown', '--help'], 0, /Examples:\n {2}mcpd ctl lockdown/],
    [[], 64, /Usage: mcpd/],
    [['ctl'], 64, /Usage: mcpd ctl/],
    [['frobnicate'], 64, /unknown command/],
    [['ctl', 'disable-tol', 'a/b'], 64, /disable-tool/],
    [['ctl', 'disable-tool'], 64, /SERVER\/TOOL/],
    [['ctl', 'disable-tool', 'a/b', 'c/d'], 64, /too many arguments/],
    [['ctl', 'status', '--jsno'], 64, /--json/],
    [['audit', 'query', '--help'], 0, /--correlation 71f0aa92-6a3b-4c52-8a0f-57d1e2b3c222 --json\n/],
    [['policy', 'replay', '--help'], 0, /--correlation ID /],
    [['audit', 'query', '--limit', '0'], 64, /1 to/],
    [['audit', 'query', '--limit', '1e3'], 64, /1 to/],
  ] as const) {
    test(`${argv.join(' ') || '(nothing)'} exits ${code} and says what to type`, async () => {
      const ran = await mcpd(argv);
      assert.equal(ran.code, code);
      assert.match(ran.out + ran.err, says);
    });
  }

  test('answers a wrong command line in JSON when it was asked for JSON', async () => {
    const ran = await mcpd(['ctl', 'disable-tool', '--json']);
    assert.equal(ran.code, 64);
    assert.equal(json(ran).error?.code, 'USAGE');
  });

  test('has help with an example for every command', async () => {
    for (const path of [
      ['run'],
      ['check'],
      ['key', 'add'],
      ['key', 'list'],
      ['key', 'rotate'],
      ['key', 'revoke'],
      ['secret', 'set'],
      ['secret', 'list'],
      ['secret', 'rm'],
      ['secret', 'get'],
      ['secret', 'rotate'],
      ['secret', 'doctor'],
      ['audit', 'query'],
      ...[...commands.keys()].map((name) => ['ctl', name]),
    ]) {
      const { code, out } = await mcpd([...path, '--help']);
      assert.equal(code, 0, path.join(' '));
      assert.match(out, /Examples:/, path.join(' '));
      if (path[0] !== 'run') assert.match(out, /--json/, path.join(' '));
    }
  });
});

describe('mcpd ctl', () => {
  test('sends what was typed, and the user who typed it', async () => {
    await daemonThatSays({
      ok: true,
      command: 'disable-tool',
      kind: 'tool',
      name: 'files/write_file',
      changed: true,
      known: true,
      nearest: null,
      stopped: 2,
      durable: true,
    });
    const ran = await mcpd(['ctl', 'disable-tool', 'files/write_file', '--now', '--reason', 'incident 12']);
    assert.equal(ran.code, 0);
    assert.equal(ran.out, 'tool files/write_file is switched off; 2 calls under way stopped.\n');
    assert.deepEqual(orders[0]?.args, { tool: 'files/write_file', now: true, reason: 'incident 12' });
    assert.equal(orders[0]?.command, 'disable-tool');
    assert.ok(orders[0]?.visitor.kind === 'operator');
    assert.ok(orders[0].visitor.operator.name);
  });

  test('knows every command of the daemon, and no other', async () => {
    const { out } = await mcpd(['ctl', '--help']);
    for (const name of commands.keys()) assert.match(out, new RegExp(`^ {2}${name}\\b`, 'm'));
  });

  test('prints the answer unchanged with --json', async () => {
    const reply = { ok: true, command: 'lockdown', kind: 'lockdown', changed: false } as const;
    await daemonThatSays(reply);
    const ran = await mcpd(['ctl', 'lockdown', '--json']);
    assert.deepEqual(json(ran), reply);
    assert.equal(ran.out.split('\n').length, 2, 'one line');
  });

  test('exits 1 and still says what took effect when the switch is not durable', async () => {
    await daemonThatSays({
      ok: false,
      error: { code: 'NOT_DURABLE', says: 'NOT DURABLE: disk full', hint: 'make room' },
      changed: true,
      durable: false,
    });
    const ran = await mcpd(['ctl', 'lockdown']);
    assert.equal(ran.code, 1);
    assert.match(ran.err, /NOT DURABLE/);
    assert.match(ran.err, /make room/);
    const again = await mcpd(['ctl', 'lockdown', '--json']);
    assert.equal(again.code, 1);
    assert.equal(json(again)['changed'], true);
  });

  test('exits 69 without a daemon, and says how to start one', async () => {
    const ran = await mcpd(['ctl', 'status']);
    assert.equal(ran.code, 69);
    assert.match(ran.err, /mcpd run/);
    assert.equal(json(await mcpd(['ctl', 'status', '--json'])).error?.code, 'NOT_RUNNING');
  });

  test('shows complaints of a refused reload, one on a line', async () => {
    await daemonThatSays({
      ok: false,
      error: { code: 'RELOAD_REFUSED', says: 'kept' },
      complaints: ['a.toml:1:1: x', 'b.toml:2:2: y'],
    });
    const ran = await mcpd(['ctl', 'reload']);
    assert.equal(ran.code, 1);
    assert.match(ran.err, /^a\.toml:1:1: x\nb\.toml:2:2: y\nmcpd: kept\n/);
  });

  test('obeys no control character that came from outside, and shows no line that is not its own', async () => {
    const evil = '\x1b[2J\u202e\u0007\n\u2066mcpd: all is well\x9b';
    const server = {
      name: evil,
      state: 'ready',
      because: evil,
      sharing: 'all',
      pid: 1,
      children: 1,
      restarts: 0,
      pingMs: 1,
      inFlight: 0,
      waiting: 0,
      dropped: 0,
      switchedOff: false,
      offers: { serverName: evil, serverVersion: evil, tools: 1, resources: 0, prompts: 0 },
    };
    const off = { name: evil, at: evil, by: evil, reason: evil };
    const question = {
      id: evil,
      askedAt: evil,
      expiresAt: evil,
      callId: evil,
      caller: evil,
      server: evil,
      method: evil,
      target: { kind: 'tool', name: evil },
      rule: evil,
      argsText: JSON.stringify({ name: evil, arguments: { [evil]: evil } }),
      argsSha256: 'aa',
    };
    const fields = {
      status: evil,
      because: [evil],
      version: evil,
      uptimeMs: 1,
      ordersVersion: evil,
      sessions: 0,
      callsInFlight: 0,
      waitingApprovals: 0,
      servers: [server],
      switches: { durable: true, lockdown: off, servers: [off], tools: [off], callers: [off] },
      approvals: [question],
      kind: 'tool',
      name: evil,
      known: false,
      nearest: evil,
      changed: true,
      stopped: 1,
      id: evil,
      ending: evil,
      caller: evil,
      server: evil,
      callId: evil,
      state: evil,
      needsRestart: [evil],
      complaints: [evil],
    };
    await daemonThatSays({ ok: true, command: 'x', ...fields });
    const bad = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069]|^mcpd: all/m;
    for (const line of [
      ['status'],
      ['approvals'],
      ['approve', 'x'],
      ['deny', 'x'],
      ['disable-tool', 'a/b'],
      ['restart', 'x'],
      ['reload'],
      ['reload-keys'],
      ['lockdown'],
    ]) {
      for (const flags of [[], ['--json']]) {
        const ran = await mcpd(['ctl', ...line, ...flags]);
        assert.equal(ran.code, 0);
        assert.doesNotMatch(ran.out, bad, line.join(' '));
      }
    }
    await daemon?.close();
    await daemonThatSays({ ok: false, error: { code: 'BUG', says: evil, hint: evil }, complaints: [evil] });
    const refused = await mcpd(['ctl', 'reload']);
    assert.doesNotMatch(
      refused.err.replace(/^mcpd: /gm, ''),
      /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/,
    );
    const broken = await mcpd(['ctl', 'reload', '--json']);
    assert.doesNotMatch(broken.out, bad);
  });
});

describe('where the daemon is', () => {
  test('is where the config room says', () => {
    assert.equal(controlSocketIn(state), openStateDir(state).controlSocket);
  });

  test('is known from mcpd.toml even when a server file is broken', async () => {
    writeFileSync(join(policies, 'mcpd.toml'), `[state]\ndir = ${JSON.stringify(state)}\n`);
    writeFileSync(join(policies, 'servers', 'x.toml'), 'this is [ not toml');
    await daemonThatSays({ ok: true, command: 'lockdown', kind: 'lockdown', changed: true });
    const ran = await mcpd(['ctl', 'lockdown'], { MCPD_STATE_DIR: '', HOME: '/nonexistent' });
    assert.equal(ran.code, 0, ran.err);
    assert.equal(orders.length, 1);
  });

  test('is not guessed from an mcpd.toml that cannot be read', async () => {
    writeFileSync(join(policies, 'mcpd.toml'), 'this is [ not toml');
    const ran = await mcpd(['ctl', 'lockdown'], { MCPD_STATE_DIR: '', HOME: dir });
    assert.equal(ran.code, 78);
    assert.match(ran.err, /mcpd\.toml:1:/);
    assert.match(ran.err, /export MCPD_STATE_DIR=/);
  });

  test('is not guessed where the folder that was named has no mcpd.toml', async () => {
    const misspelt = join(dir, 'polices');
    for (const [argv, env] of [
      [['ctl', 'lockdown', '--policies', misspelt], {}],
      [['key', 'add', 'ana', '--policies', misspelt], {}],
      [['ctl', 'lockdown'], { MCPD_POLICIES: misspelt }],
    ] as const) {
      const ran = await mcpd(argv, { MCPD_STATE_DIR: '', XDG_STATE_HOME: dir, ...env });
      assert.equal(ran.code, 78);
      assert.match(ran.err, /no mcpd\.toml .*polices/);
      assert.match(ran.err, new RegExp(`export MCPD_STATE_DIR=${join(dir, 'mcpd')}`));
    }
    const unnamed = await mcpd(['ctl', 'status'], {
      MCPD_STATE_DIR: '',
      MCPD_POLICIES: '',
      XDG_STATE_HOME: dir,
    });
    assert.equal(unnamed.code, 69, 'the default folder need not be there');
  });

  test('is what the flag says before the environment, and the environment before the default', async () => {
    const other = join(dir, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'mcpd.toml'), `[state]\ndir = "here"\n`);
    const ran = await mcpd(['ctl', 'status', '--policies', other], { MCPD_STATE_DIR: '' });
    assert.match(ran.err, new RegExp(join(other, 'here')));
  });
});

describe('mcpd key', () => {
  test('shows a new key once, stores none, and tells the running daemon', async () => {
    await daemonThatSays({ ok: true, command: 'reload-keys', keys: 1 });
    const ran = await mcpd(['key', 'add', 'my-editor', '--json']);
    assert.equal(ran.code, 0, ran.err);
    const { key, name, daemon: heard } = json(ran) as { key: string; name: string; daemon: string };
    assert.equal(name, 'my-editor');
    assert.equal(heard, 'told');
    assert.deepEqual(orders[0], {
      command: 'reload-keys',
      args: { after: 'key add my-editor' },
      visitor: orders[0]?.visitor,
    });
    assert.ok(!readFileSync(join(state, 'keys.json'), 'utf8').includes(key));
    const listed = await mcpd(['key', 'list', '--json']);
    assert.ok(!listed.out.includes(key));
    assert.ok(!listed.out.includes('sha256'));
    assert.equal((json(listed)['keys'] as unknown[]).length, 1);
  });

  test('works without a daemon', async () => {
    const ran = await mcpd(['key', 'add', 'my-editor']);
    assert.equal(ran.code, 0);
    assert.match(ran.out, /^mcpd_/);
    const gone = await mcpd(['key', 'revoke', 'my-editor', '--json']);
    assert.equal(gone.code, 0);
    assert.equal(json(gone)['changed'], true);
    const again = await mcpd(['key', 'revoke', 'my-editor', '--json']);
    assert.equal(again.code, 0);
    assert.equal(json(again)['changed'], false);
  });

  test('fails when the running daemon goes on with the old keys', async () => {
    await mcpd(['key', 'add', 'my-editor']);
    await daemonThatSays({ ok: false, error: { code: 'CONFIG_INVALID', says: 'keys.json is broken' } });
    const ran = await mcpd(['key', 'revoke', 'my-editor', '--json']);
    assert.notEqual(ran.code, 0);
    assert.equal(json(ran)['inForce'], false);
    // A key that was made is never swallowed by the error.
    const made = await mcpd(['key', 'add', 'other']);
    assert.notEqual(made.code, 0);
    assert.match(made.out + made.err, /mcpd_/);
  });

  test('names the nearest caller when there is none by that name', async () => {
    await mcpd(['key', 'add', 'my-editor']);
    const ran = await mcpd(['key', 'revoke', 'my-edtor']);
    assert.equal(ran.code, 1);
    assert.match(ran.err, /did you mean my-editor\?/);
  });

  test('refuses a name that is taken, with the configuration exit code', async () => {
    await mcpd(['key', 'add', 'a']);
    assert.equal((await mcpd(['key', 'add', 'a'])).code, 78);
  });
});

describe('mcpd secret', () => {
  test('takes no value on the command line', async () => {
    const ran = await mcpd(['secret', 'set', 'github-token', 'hunter2']);
    assert.equal(ran.code, 64);
    assert.ok(!(ran.out + ran.err).includes('hunter2'));
  });

  test('refuses an empty value without asking the keychain', async () => {
    const ran = await mcpd(['secret', 'set', 'github-token']);
    assert.equal(ran.code, 1);
    assert.match(ran.err, /empty/);
  });

  test('lists nothing where nothing was set', async () => {
    assert.deepEqual(json(await mcpd(['secret', 'list', '--json']))['names'], []);
  });
});

describe('mcpd check', () => {
  test('gives every complaint with its place, and the configuration exit code', async () => {
    writeFileSync(join(policies, 'mcpd.toml'), '[lisen]\nport = 1\n', { mode: 0o600 });
    const ran = await mcpd(['check']);
    assert.equal(ran.code, 78);
    assert.match(ran.err, /mcpd\.toml:1:/);
    const machine = json(await mcpd(['check', '--json']));
    assert.equal(machine.error?.code, 'CONFIG_INVALID');
    assert.ok(Array.isArray(machine['complaints']));
  });

  test('is content with the shipped policies', async () => {
    const shipped = join(import.meta.dirname, '..', '..', 'policies');
    const ran = await mcpd(['check', '--policies', shipped]);
    assert.equal(ran.code, 0, ran.err);
  });
});

describe('mcpd audit query', () => {
  test('works without a daemon and without a journal', async () => {
    assert.deepEqual(json(await mcpd(['audit', 'query', '--json']))['records'], []);
  });

  test('refuses a time that it does not understand, and says which it does', async () => {
    const ran = await mcpd(['audit', 'query', '--since', 'yesterday']);
    assert.equal(ran.code, 64);
    assert.match(ran.err, /2h/);
  });
});
