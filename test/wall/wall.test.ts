import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { Launch } from '../../src/domain/wall.ts';
import { environmentOf } from '../../src/fleet/environment.ts';
import { closeInherited } from '../../src/fleet/inherited.ts';
import { Child, runOnce } from '../../src/fleet/process.ts';
import { Wall } from '../../src/wall/wall.ts';
import { fleetOf, type Logged } from '../fleet/support.ts';
import { lacking } from '../support/hostile.ts';
import { walledSpec } from './support.ts';

// As the daemon does when it starts: whoever runs the tests may have more open.
closeInherited();

type Built = { readonly wall: Wall; readonly logged: Logged[]; readonly dir: string };

async function build(t: TestContext, found?: () => undefined): Promise<Built> {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-wall-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  for (const name of ['state', 'policies', 'data']) mkdirSync(join(dir, name), { mode: 0o755 });
  chmodSync(dir, 0o755);
  const logged: Logged[] = [];
  const wall = await Wall.open({
    stateDir: join(dir, 'state'),
    policies: join(dir, 'policies'),
    execPath: process.execPath,
    home: dir,
    run: runOnce,
    log: (level, fields, message) => logged.push({ level, fields, message }),
    ...(found === undefined ? {} : { found }),
  });
  return { wall, logged, dir };
}

/** Runs a child to its end, as the fleet would start it, and gives what it said. */
async function ran(launch: Launch, input = ''): Promise<{ out: string; how: string }> {
  let out = '';
  const own = { ...process.env, ...launch.env };
  const env = environmentOf({
    own,
    execPath: process.execPath,
    declared: {},
    secrets: {},
    cookie: 'c'.repeat(16),
  });
  const how = await new Promise<string>((resolve) => {
    const child = new Child(
      { ...launch, env, stopStepMs: 1000, drainMs: 200 },
      {
        out: (chunk) => (out += chunk.toString('utf8')),
        err: (chunk) => (out += chunk.toString('utf8')),
        drained: () => undefined,
        deaf: () => undefined,
        ended: resolve,
      },
    );
    if (input === 'stop when it speaks') {
      const timer = setInterval(() => {
        if (out === '') return;
        clearInterval(timer);
        child.stop();
      }, 10);
    }
  });
  return { out, how };
}

describe('where no wall can be built', () => {
  const none = () => undefined;

  test('a strict server does not start, and what to type is said', async (t) => {
    const { wall, dir } = await build(t, none);
    const { fleet } = fleetOf({ wall });
    t.after(() => fleet.stop());
    fleet.apply([walledSpec({ sandbox: 'strict' }, { cwd: join(dir, 'data') })]);
    await fleet.waitReady(10_000);
    const [status] = fleet.status();
    assert.equal(status?.state, 'refused');
    if (process.platform === 'linux')
      assert.match(
        status?.because ?? '',
        /sandbox = "strict".*bubblewrap is not installed; apt install bubblewrap/,
      );
  });

  test('any other server starts, and what it lacks is said once, aloud', async (t) => {
    const { wall, logged, dir } = await build(t, none);
    const { fleet } = fleetOf({ wall });
    t.after(() => fleet.stop());
    fleet.apply([walledSpec({}, { cwd: join(dir, 'data') })]);
    await fleet.waitReady(10_000);
    const [status] = fleet.status();
    assert.equal(status?.state, 'ready', String(status?.because));
    assert.equal(status.wall?.by, 'nothing');
    const missing = status.wall.missing.map(({ guarantee }) => guarantee);
    for (const it of ['files', 'processes', 'network', 'privileges', 'home'] as const)
      assert.ok(missing.includes(it), it);
    await wall.launchOf(walledSpec({}, { cwd: join(dir, 'data') }));
    const told = logged.filter(({ message }) => message.startsWith('fx runs without'));
    assert.equal(told.length, 1);
    assert.equal(told[0]?.level, 'warn');
  });
});

describe('where walls can be built', { skip: lacking('ordinary user') ?? false }, () => {
  const shell = (script: string, dir: string, wall: object = {}) =>
    walledSpec(wall, { command: '/bin/sh', args: ['-c', script], cwd: join(dir, 'data') });

  for (const sandbox of ['auto', 'off'] as const) {
    test(`a child has three descriptors and a group of its own (sandbox = "${sandbox}")`, async (t) => {
      const { wall, dir } = await build(t);
      const { out, how } = await ran(
        await wall.launchOf(shell('ls /proc/$$/fd; ulimit -c; exit 7', dir, { sandbox })),
      );
      assert.deepEqual(out.trim().split('\n'), ['0', '1', '2', '0']);
      assert.equal(how, 'exited with code 7');
    });

    test(`a child is asked to go before it is made to (sandbox = "${sandbox}")`, async (t) => {
      const { wall, dir } = await build(t);
      const script = 'trap "echo asked; exit 3" TERM; echo up; while :; do sleep 0.05; done';
      const { out, how } = await ran(
        await wall.launchOf(shell(script, dir, { sandbox })),
        'stop when it speaks',
      );
      assert.match(out, /^up\n(Terminated\n)?asked\n$/);
      assert.equal(how, 'exited with code 3');
    });

    test(`one that will not hear is ended (sandbox = "${sandbox}")`, async (t) => {
      const { wall, dir } = await build(t);
      const script = 'trap "" TERM; echo up; while :; do sleep 0.05; done';
      const { how } = await ran(await wall.launchOf(shell(script, dir, { sandbox })), 'stop when it speaks');
      assert.equal(how, 'was killed by SIGKILL');
    });
  }

  test('what stays behind when a server ends goes with the wall', async (t) => {
    const { wall, dir } = await build(t);
    const mark = `sleep 3${process.pid}`;
    await ran(await wall.launchOf(shell(`setsid ${mark} >/dev/null 2>&1 & echo up`, dir)));
    for (let tries = 0; tries < 100; tries++) {
      const { out } = await runOnce('/bin/ps', ['-eo', 'args'], 5000);
      if (!out.split('\n').includes(mark)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail('it is still there');
  });

  test('what is declared is there, and a strict server starts where nothing is missing', async (t) => {
    const { wall, dir } = await build(t);
    chmodSync(join(dir, 'data'), 0o777);
    const spec = shell('touch made && ls -a /root /home 2>&1 | grep -c . ; ls', dir, {
      sandbox: 'strict',
      write: [join(dir, 'data')],
    });
    const { out } = await ran(await wall.launchOf(spec));
    assert.match(out, /made\n$/);
    assert.deepEqual(wall.reportOf('fx')?.missing, []);
  });

  test(
    'one user of its own for each server, where root runs mcpd',
    { skip: process.getuid?.() !== 0 },
    async (t) => {
      const { wall, dir } = await build(t);
      const uidOf = async (name: string) =>
        (await ran(await wall.launchOf({ ...shell('id -u', dir), name }))).out.trim();
      const [a, b] = [await uidOf('a'), await uidOf('b')];
      assert.notEqual(a, b);
      assert.ok(Number(a) >= 61_184 && Number(b) >= 61_184);
      // Where its files are not for that user, it works all the same, and what is missing is said with what mends it.
      const shared = {
        ...shell('id -u; touch made && echo made', dir, { write: [join(dir, 'data')] }),
        name: 'a',
      };
      assert.equal((await ran(await wall.launchOf(shared))).out, '0\nmade\n');
      const gap = wall.reportOf('a')?.missing.find(({ guarantee }) => guarantee === 'user');
      assert.match(gap?.mend ?? '', new RegExp(`^setfacl -R -m u:${a}:rwX .*data, or chown -R ${a} `));
    },
  );
});
