// A server whose secret is missing waits for it and holds up nobody; a secret that is set or replaced reaches just the servers
// that use it, with no restart of the daemon; and what they held before stays out of every answer.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { processes, readOr, rule, serving, TestDaemon, until } from '../support/daemon.ts';

const canary = () => `c4nary-${randomBytes(20).toString('base64url')}`;
const [first, second, third, ofManager, ofEnvironment] = [canary(), canary(), canary(), canary(), canary()];
const all = rule('allow', ['*']);
const using = (reference: string) => `sharing = "all"\n[secrets]\nTOKEN = ${reference}\n${all}`;

describe('secrets can be set and rotated', () => {
  let daemon: TestDaemon;
  let config = '';
  before(async () => {
    config = mkdtempSync(join(tmpdir(), 'mcpd-config-'));
    daemon = await TestDaemon.start({
      servers: {
        desk: serving('answers', using('"vault:desk/token"')),
        seats: serving('answers', `[secrets]\nTOKEN = "vault:desk/token"\n${all}`),
        other: serving('answers', using('"vault:other"')),
        plain: serving('answers', all),
        managed: serving('answers', using('{ from = "manager:op://Private/token", ttl = "1h" }')),
        inherited: serving('answers', using('"env:UPSTREAM_TOKEN"')),
      },
      daemon:
        '[secrets.commands.manager]\nrun = ["$DIR/manager", "read", "{}"]\npass = ["MANAGER_TOKEN"]\n[log]\nlevel = "trace"\n',
      // No bus: the keychain cannot be used, as on a host without a screen.
      env: { XDG_CONFIG_HOME: config, UPSTREAM_TOKEN: ofEnvironment, MANAGER_TOKEN: ofManager },
      prepare: ({ dir }) => {
        // Shows its own credential on stderr, as some do with --debug, and gives a value that was put beside it.
        const script = `#!/bin/sh\necho "token $MANAGER_TOKEN" >&2\n[ "$2" = op://Private/token ] && cat "$(dirname "$0")/managed"\n`;
        writeFileSync(join(dir, 'manager'), script, { mode: 0o700 });
        writeFileSync(join(dir, 'managed'), `${third}\n`, { mode: 0o600 });
      },
    });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    rmSync(config, { recursive: true, force: true });
  });

  const pids = async (...servers: string[]) =>
    Promise.all(servers.map(async (server) => (await daemon.status(server)).pid));
  const ready = (server: string) =>
    until(`${server} is ready`, async () => (await daemon.status(server)).state === 'ready');
  const tokenOf = (pid: number | null) =>
    readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .find((it) => it.startsWith('TOKEN='))
      ?.slice('TOKEN='.length);
  const json = async (args: readonly string[], input?: string): Promise<Record<string, unknown>> => {
    const { stdout, stderr, code } = await daemon.mcpd([...args, '--json'], input);
    assert.notEqual(stdout, '', stderr);
    return { ...(JSON.parse(stdout) as Record<string, unknown>), code };
  };

  it('a server whose secret is missing says which and what to type, and the others run', async () => {
    for (const [server, name] of [
      ['desk', 'desk/token'],
      ['seats', 'desk/token'],
      ['other', 'other'],
    ] as const) {
      const { state, because } = await daemon.status(server);
      assert.equal(state, 'lacks-secret');
      assert.equal(
        because,
        `TOKEN = "vault:${name}": the vault holds no such secret; mcpd secret set ${name} --in vault`,
      );
    }
    for (const server of ['plain', 'managed', 'inherited'])
      assert.equal((await daemon.status(server)).state, 'ready');
    assert.equal(await (await daemon.session('plain')).text('echo', { text: 'hello' }), 'hello');
    const rows = (await daemon.ctl('secrets'))['secrets'] as { server: string; state: string }[];
    const ours = rows.filter(({ server }) => server !== 'plain');
    assert.deepEqual(Object.fromEntries(ours.map(({ server, state }) => [server, state])), {
      desk: 'lacking',
      seats: 'lacking',
      other: 'lacking',
      managed: 'held',
      inherited: 'held',
    });
  });

  it('from a program and from its own environment the daemon gives what is there, and keeps neither where others look', async () => {
    const [managed, inherited] = await pids('managed', 'inherited');
    assert.equal(tokenOf(managed ?? null), third);
    assert.equal(tokenOf(inherited ?? null), ofEnvironment);
    const session = await daemon.session('plain');
    const seen = await session.text('echo', { text: `${third} ${ofEnvironment} ${ofManager}` });
    for (const value of [third, ofEnvironment, ofManager]) assert.ok(!seen.includes(value), seen);
    for (const pid of daemon.children())
      assert.ok(!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(ofManager), 'only the program has it');
  });

  it('where the keychain cannot be used the vault is, and the daemon is not restarted', async () => {
    const pid = daemon.pid;
    const set = await json(['secret', 'set', 'desk/token'], `${first}\n`);
    assert.equal(set['code'], 0);
    assert.equal(set['reference'], 'vault:desk/token');
    assert.deepEqual([set['result'], set['daemon'], set['started']], ['stored', 'told', ['desk', 'seats']]);
    await ready('desk');
    await ready('seats');
    assert.equal(tokenOf((await pids('desk'))[0] ?? null), first);
    assert.equal((await daemon.status('other')).state, 'lacks-secret');
    assert.equal((await json(['secret', 'set', 'other'], second))['code'], 0);
    await ready('other');
    assert.equal(daemon.pid, pid);
    assert.ok(existsSync(join(config, 'mcpd', 'vault.key')), 'the key is not beside the vault');
  });

  it('a rotation lets the call under way finish, and starts just those anew that hold the old value', async () => {
    const before = await pids('desk', 'seats', 'other', 'plain', 'managed', 'inherited');
    const desk = await daemon.session('desk');
    const seat = await daemon.session('seats');
    assert.ok(!(await seat.text('env')).includes(first));
    const slow = desk.text('slow', { ms: 1_500 });
    const rotated = await json(['secret', 'rotate', 'desk/token'], `${second}-new`);
    assert.deepEqual([rotated['code'], rotated['restarted']], [0, ['desk', 'seats']]);
    assert.equal(await slow, 'done');
    await until('both have the new value', async () => {
      const [one, two] = await pids('desk', 'seats');
      return [one, two].every(
        (pid) => pid !== null && pid !== undefined && readable(pid) && tokenOf(pid) === `${second}-new`,
      );
    });
    assert.deepEqual(await pids('other', 'plain', 'managed', 'inherited'), before.slice(2));
    // Sessions go on: the one that shares a child, and the one that has its own.
    for (const session of [desk, seat])
      for (const value of [first, `${second}-new`]) {
        const seen = await session.text('echo', { text: `before ${value} after` });
        assert.match(seen, /^before .* after$/);
        assert.ok(!seen.includes(value), 'the old value is redacted as the new one is');
      }
    assert.ok(!(await seat.text('env')).includes(`${second}-new`));
  });

  const readable = (pid: number) => readOr(`/proc/${pid}/environ`, '') !== '';

  it('the same value again, and a name that is not there, restart nobody', async () => {
    const before = await pids('desk', 'seats', 'other');
    const same = await json(['secret', 'rotate', 'desk/token'], `${second}-new`);
    assert.deepEqual([same['code'], same['restarted']], [0, []]);
    const unknown = await json(['secret', 'rotate', 'desk/tokn'], 'hunter2-hunter2');
    assert.equal(unknown['code'], 1);
    assert.deepEqual(await pids('desk', 'seats', 'other'), before);
  });

  it('a secret that changed elsewhere is fetched when an operator says so', async () => {
    writeFileSync(join(daemon.dir, 'managed'), `${third}-new\n`);
    const [before] = await pids('managed');
    const change = await daemon.ctl('refresh-secret', 'manager:op://Private/token');
    assert.deepEqual([change['ok'], change['restarted']], [true, ['managed']]);
    await ready('managed');
    const [now] = await pids('managed');
    assert.notEqual(now, before);
    assert.equal(tokenOf(now ?? null), `${third}-new`);
    // It fails now, and the server goes on with what it has.
    rmSync(join(daemon.dir, 'managed'));
    const failed = await daemon.ctl('refresh-secret', 'manager:op://Private/token');
    assert.equal((failed['error'] as { code: string }).code, 'SECRET_UNAVAILABLE');
    assert.deepEqual(await pids('managed'), [now]);
  });

  it('list, get and the doctor show everything but values', async () => {
    const { stdout: listed } = await daemon.mcpd(['secret', 'list']);
    assert.match(listed, /^vault:desk\/token +desk TOKEN, seats TOKEN +20\d\d-/m);
    assert.match(listed, /^env:UPSTREAM_TOKEN +inherited TOKEN +-$/m);
    const { stdout: hidden } = await daemon.mcpd(['secret', 'get', 'desk/token']);
    assert.equal(hidden, 'There is such a secret: vault:desk/token. To see it: --reveal\n');
    const { stdout: shown } = await daemon.mcpd(['secret', 'get', 'desk/token', '--reveal']);
    assert.equal(shown, `${second}-new\n`);
    const { stderr, code } = await daemon.mcpd(['secret', 'doctor']);
    const doctor = stderr.slice(0, stderr.indexOf('mcpd: '));
    assert.equal(code, 1, 'the manager has nothing to give any more');
    assert.match(doctor, /^- +keychain +.*has no D-Bus/m);
    assert.match(doctor, /^ok +vault +opens, 2 secrets, key in .*vault\.key; 2 of the policy can be had$/m);
    assert.match(doctor, /^ok +env +1 of the policy can be had$/m);
    assert.match(
      doctor,
      /^FAIL +manager +manager:op:\/\/Private\/token for managed TOKEN: manager: the program exited with code 1/m,
    );
    assert.equal(doctor.trimEnd().split('\n').length, 6, 'a line each');
    writeFileSync(join(daemon.dir, 'managed'), `${third}\n`, { mode: 0o600 });
    assert.equal((await daemon.mcpd(['secret', 'doctor'])).code, 0);
  });

  it('what is removed is gone for the next start, and the policy that still names it is told', async () => {
    const { stdout } = await daemon.mcpd(['secret', 'rm', 'other']);
    assert.match(stdout, /other is removed from the vault\. The policy still names it, for other/);
    await daemon.ctl('restart', 'other');
    await until('it lacks its secret', async () => (await daemon.status('other')).state === 'lacks-secret');
    assert.equal((await json(['secret', 'rm', 'other']))['changed'], false);
  });

  // Last, because it looks at what all the others left behind.
  it('no command line, log, journal, state file or answer of an operator shows any of them', async () => {
    const places = new Map<string, string>([['what the daemon prints', daemon.output]]);
    for (const pid of processes())
      places.set(`the command line of ${pid}`, readOr(`/proc/${pid}/cmdline`, ''));
    for (const entry of readdirSync(daemon.state, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) places.set(entry.name, readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    for (const args of [
      ['ctl', 'status', '--json'],
      ['ctl', 'secrets'],
      ['secret', 'list', '--json'],
      ['audit', 'query', '--limit', '1000', '--json'],
    ]) {
      const { stdout, stderr } = await daemon.mcpd(args);
      places.set(args.join(' '), stdout + stderr);
    }
    assert.ok(daemon.log().includes('is started anew'));
    assert.ok(daemon.journal().some(({ command }) => command === 'refresh-secret'));
    for (const [where, text] of places)
      for (const value of [first, second, third, ofManager, ofEnvironment])
        for (const form of [
          value,
          Buffer.from(value).toString('base64').slice(4, -6),
          Buffer.from(value).toString('hex'),
        ])
          assert.ok(!text.includes(form), `${where} holds a secret`);
  });
});
