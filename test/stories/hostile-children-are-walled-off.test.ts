// A server that attacks mcpd, behind its wall and without one. docs/sandbox.md says of each attempt what comes of it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot, until } from '../support/daemon.ts';
import { lacking, siblingSecret, Target, type Profile } from '../support/hostile.ts';

type Attempt = {
  readonly what: string;
  readonly at: (target: Target) => string | number;
  /** Without a wall, as the user that runs these tests. */
  readonly off: 'got' | 'stopped' | 'depends on the user';
  /** Left out where there is no dbus-daemon. */
  readonly needs?: 'a bus';
};

const state = (file: string) => (target: Target) => join(target.daemon.state, file);
const inDir = (file: string) => (target: Target) => join(target.daemon.dir, file);
const told = (text: string) => () => text;
const daemonLine = ({ daemon }: Target) => daemon.policies;

/** In the words of the document. */
const attempts: readonly (readonly [string, readonly Attempt[]])[] = [
  ['the control socket', [{ what: 'reach a socket', at: state('control/mcpd.sock'), off: 'got' }]],
  [
    'the bus of the keychain',
    [{ what: 'reach a socket', at: ({ busPath }) => busPath, off: 'got', needs: 'a bus' }],
  ],
  ['the socket of local clients', [{ what: 'reach a socket', at: state('front.sock'), off: 'got' }]],
  [
    'state, keys and journal',
    [
      { what: 'read a file', at: state('keys.json'), off: 'got' },
      { what: 'read a file', at: state('child-cookie'), off: 'got' },
      { what: 'read a file', at: state('control/token'), off: 'got' },
      { what: 'read a file', at: state('audit/journal-000001.jsonl'), off: 'got' },
      { what: 'write a file', at: state('audit/journal-000001.jsonl'), off: 'got' },
      { what: 'read a file', at: state('vault.json'), off: 'got' },
      { what: 'list a folder', at: state('audit'), off: 'got' },
      { what: 'write a file', at: state('state.db'), off: 'got' },
      { what: 'read over a link of its own', at: state('keys.json'), off: 'got' },
    ],
  ],
  [
    'the policies',
    [
      { what: 'read a file', at: ({ daemon }) => join(daemon.policies, 'mcpd.toml'), off: 'got' },
      {
        what: 'write a file',
        at: ({ daemon }) => join(daemon.policies, 'servers', 'hostile.toml'),
        off: 'got',
      },
    ],
  ],
  [
    'the process of the daemon',
    [
      { what: 'see the daemon', at: daemonLine, off: 'got' },
      { what: 'signal the daemon', at: daemonLine, off: 'got' },
      // Closed to others of the same user, where koffi is installed, and never to root.
      { what: 'read the environment of the daemon', at: daemonLine, off: 'depends on the user' },
      { what: 'open the memory of the daemon', at: daemonLine, off: 'depends on the user' },
    ],
  ],
  ['secrets of other servers', [{ what: 'find a secret of a sibling', at: told(siblingSecret), off: 'got' }]],
  [
    'files that were not declared',
    [
      { what: 'read a file', at: inDir('elsewhere/private'), off: 'got' },
      { what: 'read a file', at: inDir('declared/way-out'), off: 'got' },
      { what: 'read over a link of its own', at: inDir('elsewhere/private'), off: 'got' },
      { what: 'see a folder with something in it', at: told('/root'), off: 'depends on the user' },
      { what: 'see a folder with something in it', at: told('/etc/ssh'), off: 'depends on the user' },
      { what: 'read a file', at: told('/etc/shadow'), off: 'depends on the user' },
      { what: 'see a folder with something in it', at: told('/run'), off: 'got' },
    ],
  ],
  [
    'programs',
    [
      { what: 'write a file', at: inDir('server/hostile.ts'), off: 'got' },
      { what: 'make a file', at: inDir('server/new.ts'), off: 'got' },
      { what: 'write to a folder', at: told('/usr/local/bin'), off: 'depends on the user' },
      { what: 'write to a folder', at: told(join(process.execPath, '..')), off: 'depends on the user' },
    ],
  ],
  [
    'the network',
    [
      { what: 'reach a port', at: ({ daemon }) => daemon.port, off: 'got' },
      { what: 'reach a port', at: ({ port }) => port, off: 'got' },
      { what: 'reach an abstract socket', at: ({ abstract }) => abstract, off: 'got' },
    ],
  ],
  [
    'the machine',
    [
      { what: 'write a file', at: told('/proc/sys/kernel/core_pattern'), off: 'depends on the user' },
      { what: 'have capabilities', at: told(''), off: 'depends on the user' },
      { what: 'gain privileges by a program', at: told(''), off: 'got' },
      { what: 'write to a folder', at: told('/'), off: 'depends on the user' },
      { what: 'mount something', at: told(''), off: 'depends on the user' },
    ],
  ],
  ['core dumps', [{ what: 'dump core', at: told(''), off: 'stopped' }]],
];

/** What must work, or the wall would be no use. */
const allowed: readonly Omit<Attempt, 'off'>[] = [
  { what: 'read a file', at: inDir('declared/shared') },
  { what: 'write a file', at: inDir('declared/shared') },
  { what: 'make a file', at: inDir('declared/new') },
  { what: 'make a file', at: told('/tmp/new') },
];

function possible({ hasBus }: Target): readonly Attempt[] {
  return attempts.flatMap(([, of]) => of).filter(({ needs }) => needs === undefined || hasBus);
}

const profiles: readonly Profile[] = ['root, own user', 'root, shared', 'ordinary user'];

for (const profile of profiles) {
  describe(`behind the wall (${profile})`, { skip: lacking(profile) ?? false }, () => {
    it('whatever it tries is stopped, and its work is not', async (t) => {
      await using target = await Target.start(profile);
      if (!target.hasBus) t.diagnostic('there is no dbus-daemon: apt install dbus');
      for (const { what, at } of possible(target)) {
        const came = await target.tries(what, at(target));
        assert.match(came, /^stopped: [A-Z]/, `${what} ${at(target)}: ${came}`);
      }
      for (const { what, at } of allowed)
        assert.equal(await target.tries(what, at(target)), 'got', `${what} ${at(target)}`);
      const { home, uid, env, pid } = await target.about();
      assert.equal(await target.tries('make a file', join(home, 'new')), 'got');
      assert.match(home, /\/state\/homes\/hostile\/\d+$/);
      assert.ok(pid < 20, 'it sees few processes, and itself among the first');
      if (profile === 'root, own user') assert.ok(uid >= 61_184 && uid <= 65_519);
      assert.deepEqual(
        env.filter((name) => !/^(HOME|LANG|LOGNAME|PATH|PWD|SUPERVISED_BY|TZ|USER)$/.test(name)),
        [],
      );
    });
  });
}

describe('without a wall', () => {
  it('what the document says comes of it comes of it', async () => {
    await using target = await Target.start('off');
    for (const { what, at, off } of possible(target)) {
      const came = await target.tries(what, at(target));
      if (off === 'depends on the user') continue;
      assert.match(came, off === 'got' ? /^got$/ : /^stopped: /, `${what} ${at(target)}: ${came}`);
    }
  });
});

describe('what is missing of a wall', { skip: lacking('root, shared') ?? false }, () => {
  it('is said to whoever starts mcpd, and why', async () => {
    await using target = await Target.start('root, shared');
    const said = /! hostile runs without a user of its own: its user \d+ may not write .*declared; setfacl/;
    await until('it is greeted with it', () => said.test(target.daemon.output));
  });
});

describe('with network = true', { skip: lacking('ordinary user') ?? false }, () => {
  it('ports of this machine can be reached, and files still cannot', async () => {
    await using target = await Target.start('root, shared', 'network = true');
    assert.equal(await target.tries('reach a port', target.port), 'got');
    assert.equal(await target.tries('reach an abstract socket', target.abstract), 'got');
    assert.match(
      await target.tries('reach a socket', join(target.daemon.state, 'control', 'mcpd.sock')),
      /^stopped/,
    );
    assert.match(await target.tries('signal the daemon', target.daemon.policies), /^stopped/);
  });
});

describe('a child has nothing of the environment of the daemon', () => {
  // What process managers, shells, loaders and package managers put there, and what looks like a credential.
  const others = {
    ...{
      PM2_HOME: '/tmp',
      PM2_USAGE: 'x',
      pm_id: '7',
      pm_exec_path: '/x',
      NODE_APP_INSTANCE: '0',
      unique_id: 'x',
    },
    ...{
      NODE_OPTIONS: '--no-deprecation',
      NODE_PATH: '/x',
      npm_config_registry: 'x',
      npm_lifecycle_event: 'x',
    },
    ...{ LD_LIBRARY_PATH: '/nowhere', DYLD_LIBRARY_PATH: '/nowhere', PYTHONPATH: '/x', BASH_ENV: '/x' },
    ...{
      SOME_TOKEN: 'x',
      AWS_SECRET_ACCESS_KEY: 'x',
      GITHUB_TOKEN: 'x',
      API_KEY: 'x',
      HTTPS_PROXY: 'http://x',
    },
    ...{
      SSH_AUTH_SOCK: '/x',
      DBUS_SESSION_BUS_ADDRESS: 'unix:path=/x',
      XDG_RUNTIME_DIR: '/run/user/0',
      DISPLAY: ':0',
    },
    ...{
      MCPD_SOMETHING: 'x',
      CREDENTIALS_DIRECTORY: '/x',
      LANG: 'C.UTF-8',
      TZ: 'UTC',
      USER: 'ana',
      LOGNAME: 'ana',
    },
  };
  for (const profile of ['off', process.getuid?.() === 0 ? 'root, own user' : 'ordinary user'] as const) {
    it(`but a short list (${profile})`, { skip: lacking(profile) ?? false }, async () => {
      await using target = await Target.start(profile, '', '', others);
      const { env, path, umask } = await target.about();
      const known = ['HOME', 'LANG', 'LOGNAME', 'PATH', 'SUPERVISED_BY', 'TZ', 'USER'];
      // The wall says where it is.
      assert.deepEqual(
        env.filter((name) => name !== 'PWD'),
        known,
      );
      assert.equal(path, `${join(process.execPath, '..')}:/usr/local/bin:/usr/bin:/bin`);
      assert.equal(umask, 0o077);
    });
  }
});

describe('docs/sandbox.md', () => {
  it('says of every attempt what comes of it', () => {
    const manual = readFileSync(join(projectRoot, 'docs', 'sandbox.md'), 'utf8');
    const rows = [...manual.matchAll(/^\| ([^|]+?) +\|/gm)].map(([, name]) => name);
    for (const [name] of attempts) assert.ok(rows.includes(name), name);
  });
});
