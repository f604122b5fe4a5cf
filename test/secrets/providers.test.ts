import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { SecretCommand } from '../../src/domain/secret-reference.ts';
import { commandRunner } from '../../src/run-command.ts';
import { claimPassed } from '../../src/secrets/command.ts';
import { OwnEnvironment } from '../../src/secrets/own-environment.ts';
import { allProviders } from '../../src/secrets/providers.ts';
import { askEach, settle, valuesOf } from '../../src/secrets/resolve.ts';
import { readMounted, readSecretFile } from '../../src/secrets/secret-file.ts';
import { Vault } from '../../src/secrets/vault.ts';
import { file, keychainOf, scratch, unavailable } from './scratch.ts';

type Told = {
  readonly env?: Record<string, string>;
  readonly commands?: readonly SecretCommand[];
  readonly dir?: string;
};

/** What a reference comes to. */
function valueOf(
  reference: string,
  { env = {}, commands = [], dir = '/proc/none' }: Told = {},
): Promise<string> {
  const providers = allProviders({
    settings: { vaultKey: undefined, commands },
    vault: new Vault({
      path: join(dir, 'vault.json'),
      source: undefined,
      env,
      passphrase: undefined,
      wallMs: Date.now,
    }),
    environment: new OwnEnvironment(env),
    env: { ...env },
    run: commandRunner(undefined),
    openKeychain: keychainOf(new Map([['a', 'from keychain']])),
  });
  return settle(askEach([reference], providers)).then(
    (answers) => valuesOf([['A', reference]], answers)['A'] ?? '',
  );
}

test('every scheme leads to its place', async (t) => {
  const dir = scratch(t);
  file(join(dir, 'a'), 'from file\n');
  assert.equal(await valueOf('keychain:a'), 'from keychain');
  assert.equal(await valueOf(`file:${join(dir, 'a')}`), 'from file');
  assert.equal(await valueOf('env:TOKEN', { env: { TOKEN: 'from env' } }), 'from env');
  assert.equal(await valueOf('systemd:a', { env: { CREDENTIALS_DIRECTORY: dir } }), 'from file');
  await assert.rejects(
    valueOf('vault:a', { dir }),
    unavailable(/the vault holds no such secret/, /^mcpd secret set a --in vault$/),
  );
  // A password with a colon may be mistaken for a reference to a program that nobody declared.
  await assert.rejects(valueOf('hunter2:hunter2'), unavailable(/^A = "…": not a secret reference/, /./));
});

test('a variable is taken out of the environment when it is asked for, and stays known', async () => {
  const env: Record<string, string | undefined> = { TOKEN: 'hunter2', HOME: '/home/x' };
  const own = new OwnEnvironment(env);
  assert.equal(own.take('TOKEN'), 'hunter2');
  assert.deepEqual(env, { HOME: '/home/x' });
  assert.equal(own.take('TOKEN'), 'hunter2');
  await assert.rejects(
    valueOf('env:TOKEN'),
    unavailable(/started without the variable TOKEN/, /start it with TOKEN set/),
  );
  await assert.rejects(
    valueOf('env:PATH', { env: { PATH: 'hunter2' } }),
    unavailable(/not a secret reference/, /./),
  );
});

test('a credential is a file of the service’s own, and no path, link or folder', async (t) => {
  const dir = scratch(t);
  const env = { CREDENTIALS_DIRECTORY: dir };
  file(join(dir, 'open'), 'hunter2', 0o644);
  file(join(dir, 'good'), 'good', 0o400);
  symlinkSync(join(dir, 'good'), join(dir, 'link'));
  mkdirSync(join(dir, 'folder'));
  assert.equal(await valueOf('systemd:good', { env }), 'good');
  await assert.rejects(valueOf('systemd:open', { env }), unavailable(/can be read by others/, /chmod 600/));
  await assert.rejects(
    valueOf('systemd:link', { env }),
    unavailable(/cannot be opened \(ELOOP\)/, /LoadCredentialEncrypted=link/),
  );
  await assert.rejects(valueOf('systemd:folder', { env }), unavailable(/is not a regular file/, /./));
  await assert.rejects(
    valueOf('systemd:none', { env }),
    unavailable(/does not exist/, /LoadCredentialEncrypted=none/),
  );
  await assert.rejects(valueOf('systemd:../good', { env }), unavailable(/not a secret reference/, /./));
  await assert.rejects(
    valueOf('systemd:good'),
    unavailable(/CREDENTIALS_DIRECTORY is not set/, /LoadCredentialEncrypted=good/),
  );
});

const creds = spawnSync('systemd-creds', ['--version']).status === 0;
test(
  'what systemd-creds encrypted comes back',
  { skip: !creds && 'needs systemd-creds (Debian package systemd)' },
  async (t) => {
    const dir = scratch(t);
    file(join(dir, 'host.key'), execFileSync('head', ['-c', '4096', '/dev/urandom']));
    const sealed = spawnSync('systemd-creds', ['encrypt', '--with-key=host', '--name=token', '-', '-'], {
      input: 'hunter2-sealed',
    });
    if (sealed.status !== 0)
      return t.skip(`systemd-creds cannot use this host's key: ${sealed.stderr.toString().trim()}`);
    assert.ok(!sealed.stdout.toString().includes('hunter2'));
    // What systemd does for LoadCredentialEncrypted= before it starts a service.
    const folder = join(dir, 'credentials');
    mkdirSync(folder, { mode: 0o700 });
    const opened = spawnSync('systemd-creds', ['decrypt', '--name=token', '-', '-'], {
      input: sealed.stdout,
    });
    assert.equal(opened.status, 0, opened.stderr.toString());
    file(join(folder, 'token'), opened.stdout, 0o400);
    assert.equal(
      await valueOf('systemd:token', { env: { CREDENTIALS_DIRECTORY: folder } }),
      'hunter2-sealed',
    );
  },
);

const isRoot = process.getuid?.() === 0;
const nobody = 65_534;
test(
  'a mounted file of root’s is good for our group, and for nobody else',
  { skip: !isRoot && 'only root can mount one' },
  (t) => {
    const dir = scratch(t);
    chmodSync(dir, 0o755);
    const read = (path: string, groups: number[]) =>
      spawnSync(
        process.execPath,
        [join(import.meta.dirname, 'read-as.ts'), path, String(nobody), ...groups.map(String)],
        { encoding: 'utf8' },
      ).stdout.trim();
    const mounted = (name: string, mode: number, gid: number, uid = 0) => {
      const path = file(join(dir, name), 'hunter2', mode);
      chownSync(path, uid, gid);
      chmodSync(path, mode);
      return path;
    };
    assert.equal(read(mounted('good', 0o440, 4711), [4711]), 'read');
    assert.match(read(mounted('for-all', 0o444, 4711), [4711]), /can be read by others/);
    assert.match(read(mounted('writable', 0o460, 4711), [4711]), /can be read by others/);
    assert.match(read(mounted('not-our-group', 0o444, 4712), [4711]), /can be read by others/);
    assert.match(read(mounted('a-stranger’s', 0o440, 4711, 4713), [4711]), /belongs to another user/);
    assert.equal(read(mounted('ours', 0o400, nobody, nobody), [4711]), 'read');
    assert.match(read(mounted('ours-open', 0o440, 4711, nobody), [4711]), /can be read by others/);
  },
);

test('a mounted file that is missing says what to do, as its caller puts it', async () => {
  await assert.rejects(
    readMounted('/proc/none/secret', 'do this'),
    unavailable(/does not exist/, /^do this$/),
  );
  await assert.rejects(readSecretFile('/proc/none/secret'), unavailable(/does not exist/, /owner-only/));
});

/** A program of the owner's, a shell script. */
function program(
  t: TestContext,
  script: string,
  more: Partial<SecretCommand> = {},
): SecretCommand & { dir: string } {
  const dir = scratch(t);
  const path = file(join(dir, 'op'), `#!/bin/sh\n${script}\n`, 0o700);
  return {
    name: 'op',
    command: path,
    args: ['read', '{}'],
    env: {},
    pass: [],
    withinMs: 10_000,
    ...more,
    dir,
  };
}

test('a program is asked with the reference as one argument, without a shell', async (t) => {
  const command = program(t, 'for it in "$@"; do printf "%s|" "$it"; done');
  const reference = 'op:op://Private/it\'s $(id) `id`; rm -rf $HOME "x" | & *';
  assert.equal(await valueOf(reference, { commands: [command] }), `read|${reference.slice(3)}|`);
  const bare = { ...command, args: ['read'] };
  assert.equal(await valueOf('op:x', { commands: [bare] }), 'read|x|');
  const inside = { ...command, args: ['--from={}/{}'] };
  assert.equal(await valueOf('op:$&', { commands: [inside] }), '--from=$&/$&|');
});

test('a program has what it was declared to have, and nothing else of ours', async (t) => {
  const command = program(t, 'cat /dev/null; env | cut -d= -f1 | sort | tr "\\n" " "', {
    env: { OP_FORMAT: 'raw' },
    pass: ['OP_SERVICE_ACCOUNT_TOKEN', 'NOT_THERE'],
  });
  const env: Record<string, string> = {
    HOME: '/home/x',
    AWS_SECRET: 'hunter2',
    NODE_OPTIONS: '--inspect',
    OP_SERVICE_ACCOUNT_TOKEN: 'hunter2',
    PM2_HOME: '/x',
  };
  const names = (await valueOf('op:x', { commands: [command], env })).trim().split(' ');
  // The shell adds some of its own.
  assert.deepEqual(
    names.filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD'].includes(name)),
    ['HOME', 'OP_FORMAT', 'OP_SERVICE_ACCOUNT_TOKEN', 'PATH'],
  );
  assert.equal(env['OP_SERVICE_ACCOUNT_TOKEN'], undefined, 'it is out of our own environment');
  assert.deepEqual(claimPassed([command], new OwnEnvironment({ OP_SERVICE_ACCOUNT_TOKEN: 'v', HOME: '/' })), [
    'v',
  ]);
});

test('one line end is left off, and what no environment can carry is refused', async (t) => {
  assert.equal(await valueOf('op:x', { commands: [program(t, 'printf "a\\nb\\n"')] }), 'a\nb');
  for (const [script, detail] of [
    ['exit 0', /the value is empty/],
    ['printf "a\\0b"', /holds a NUL/],
    ['printf "\\377"', /is not valid UTF-8/],
    ['head -c 70000 /dev/zero | tr "\\0" x', /wrote more than 65538 bytes/],
    ['yes hunter2', /wrote more than 65538 bytes/],
  ] as const)
    await assert.rejects(
      valueOf('op:x', { commands: [program(t, script, { withinMs: 5_000 })] }),
      unavailable(detail, /./),
    );
});

test('a program that fails says so without its stderr, which may hold anything', async (t) => {
  const command = program(t, 'echo "bad token hunter2" >&2; echo hunter2; exit 3');
  await assert.rejects(
    valueOf("op:it's", { commands: [command] }),
    unavailable(
      /^A = "op:it's": op: the program exited with code 3$/,
      /see what it says: .*\/op read 'it'\\''s'; \[secrets\.commands\.op\]/,
    ),
  );
});

test('a program that hangs is given up in time, and it and what it started are ended', async (t) => {
  const command = program(
    t,
    'sleep 1000 & echo $! > "$(dirname "$0")/grandchild"; echo $$ > "$(dirname "$0")/child"; trap "" TERM; wait; sleep 1000',
    { withinMs: 700 },
  );
  await assert.rejects(
    valueOf('op:x', { commands: [command] }),
    unavailable(/did not end within 700 ms/, /./),
  );
  for (const who of ['child', 'grandchild']) {
    const pid = readFileSync(join(command.dir, who), 'utf8').trim();
    for (let tries = 0; tries < 200 && existsSync(`/proc/${pid}`) && !isZombie(pid); tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(!existsSync(`/proc/${pid}`) || isZombie(pid), `${who} still runs`);
  }
});

function isZombie(pid: string): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

test('a program that waits for input gets its end, and one that is gone is told', async (t) => {
  assert.equal(await valueOf('op:x', { commands: [program(t, 'cat; echo done')] }), 'done');
  const gone = { ...program(t, ''), command: '/proc/none/op' };
  await assert.rejects(valueOf('op:x', { commands: [gone] }), unavailable(/could not start/, /./));
});

test('many at once wait for each other', async (t) => {
  const command = program(
    t,
    'touch "$(dirname "$0")/run.$$"; sleep 0.2; ls "$(dirname "$0")" | grep -c run; rm "$(dirname "$0")/run.$$"',
  );
  const providers = allProviders({
    settings: { vaultKey: undefined, commands: [command] },
    vault: new Vault({
      path: '/proc/none/v',
      source: undefined,
      env: {},
      passphrase: undefined,
      wallMs: Date.now,
    }),
    environment: new OwnEnvironment({}),
    env: {},
    run: commandRunner(undefined),
  });
  const answers = await settle(
    askEach(
      Array.from({ length: 10 }, (_, it) => `op:${it}`),
      providers,
    ),
  );
  const most = [...answers.values()].map((answer) => ('value' in answer ? Number(answer.value) : Number.NaN));
  assert.ok(Math.max(...most) <= 4, String(most));
  assert.deepEqual(readdirSync(command.dir), ['op']);
});
