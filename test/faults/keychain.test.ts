/**
 * The keychain is away, locked, empty, hanging, or dies while it is read; and a secret is rotated or removed under a running
 * server. A server that lacks its secret is not started, never with an empty value; all others run; nothing stands still.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readOr, rule, serving, TestDaemon, textOf, until, type ServerStatus } from '../support/daemon.ts';
import { figure, isWhole } from '../support/faults.ts';
import { operate, went } from './support/history.ts';
import { boot, readiness } from './support/launch.ts';
import { Keyring, unkept } from './support/keyring.ts';
import { probe } from './support/prober.ts';
import { verified } from './support/verified.ts';
import { onlyWhole } from './support/whole.ts';

const all = rule('allow', ['*']);
const secret = () => `s3cret-${randomBytes(18).toString('base64url')}`;
const needs = (reference: string) =>
  serving('answers', `sharing = "all"\n[secrets]\nTOKEN = "${reference}"\n${all}`);

describe('C-20 the keychain', { skip: unkept }, () => {
  const keyring = new Keyring();
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { desk: needs('keychain:desk'), plain: serving('answers', `sharing = "all"\n${all}`) },
      env: keyring.env,
      canaries: false,
      boot: false,
    });
  });
  after(async () => {
    // A service that stands still would hold the daemon up.
    keyring.signal('SIGCONT');
    await daemon[Symbol.asyncDispose]();
    keyring.close();
  });

  /** The other server works, the one without its secret does not run, and nothing was given an empty value. */
  async function lacks(why: RegExp): Promise<void> {
    await until(`desk lacks its secret: ${String(why)}`, async () => {
      const { state, because, pid } = await daemon.status('desk');
      return state === 'lacks-secret' && pid === null && why.test(because ?? '');
    });
    assert.equal(textOf(await (await daemon.session('plain')).call('echo', { text: 'hello' })), 'hello');
    for (const pid of daemon.children()) {
      const environ = readOr(`/proc/${pid}/environ`, '').split('\0');
      assert.ok(!environ.some((it) => it.startsWith('TOKEN=')), 'a server was started without its secret');
    }
    const refused = await daemon.session('desk').then(
      async (session) => went(await session.call('echo', { text: 'x' })),
      () => false,
    );
    assert.equal(refused, false);
    assert.equal((await readiness(daemon)).status, 200, 'one server that lacks something is not all of them');
  }

  /** What is said of it is what comes of this try, and not what came of the one before. */
  async function beginsToRead(): Promise<void> {
    await until('desk is starting', async () => {
      const { servers } = (await operate(daemon, 'status')) as unknown as { servers: ServerStatus[] };
      return servers.find(({ name }) => name === 'desk')?.state === 'starting';
    });
  }

  const again = () => operate(daemon, 'restart', { server: 'desk' });

  it('C-20 no bus: the server waits, the others run', async () => {
    await boot(daemon);
    await lacks(/no D-Bus/);
  });

  it('C-20 locked: it is told so, and it is not taken for empty', async () => {
    await keyring.startBus();
    await keyring.startLocked();
    await again();
    await lacks(/locked/);
  });

  it('C-20 unlocked without the item: that is said, and what to type', async () => {
    await keyring.unlock();
    await again();
    await lacks(/holds no such secret|no such/);
  });

  it('C-20 it hangs while it is read: the wait ends, and nothing else waits', async () => {
    // While the keychain says nothing, everything else is answered; asked from another thread, all the time.
    const stop = probe(daemon.url);
    keyring.signal('SIGSTOP');
    const from = performance.now();
    const restarting = again().catch(() => undefined);
    const looked = (async () => {
      await beginsToRead();
      assert.equal((await operate(daemon, 'status')).ok, true);
      await lacks(/cannot be used: it does not answer/);
      figure('C-20', 'a keychain that hangs is waited for (ms)', Math.round(performance.now() - from));
    })();
    // The thread is ended whatever was seen, or nothing else would.
    const { answers, failures, worstMs } = await looked.then(stop, async (reason: unknown) => {
      await stop();
      throw reason;
    });
    keyring.signal('SIGCONT');
    await restarting;
    assert.ok(answers > 0);
    assert.equal(failures, 0);
    figure('C-20', 'health worst ms', worstMs);
    if (isWhole) assert.ok(worstMs <= 250, `/healthz took ${worstMs} ms`);
  });

  it('C-20 it dies while it is read: the same, and with a new one the server starts', async () => {
    // It stands still, so that it is in the middle of reading when it dies, and has not answered before.
    keyring.signal('SIGSTOP');
    const restarting = again().catch(() => undefined);
    await beginsToRead();
    keyring.signal('SIGKILL');
    await restarting;
    await lacks(/cannot be used: (?!it does not answer)/);
    await keyring.unlock();
    const value = secret();
    const set = await daemon.mcpd(['secret', 'set', 'desk', '--json'], value);
    assert.equal(set.code, 0, set.stderr);
    await until('desk runs', async () => (await daemon.status('desk')).state === 'ready');
    assert.equal(await tokenOf(daemon, 'desk'), value);
  });

  it(
    'C-20 it is unlocked while mcpd waits: the server starts without anybody asking',
    { skip: onlyWhole },
    async () => {
      keyring.signal('SIGKILL');
      await again();
      await lacks(/./);
      await keyring.unlock();
      // Within the first pauses between two tries; nobody types anything.
      await until('desk runs', async () => (await daemon.status('desk')).state === 'ready', 400);
    },
  );

  it('C-21 rotated and removed while the server runs: picked up when told, and the old value never shows', async () => {
    if ((await daemon.status('desk')).state !== 'ready') {
      await again();
      await until('desk runs', async () => (await daemon.status('desk')).state === 'ready');
    }
    const first = (await tokenOf(daemon, 'desk')) ?? '';
    assert.ok(first.length > 10);
    const second = secret();
    // Until it is told, the child goes on with the value that it has.
    const session = await daemon.session('desk');
    const echo = (text: string) => session.call('echo', { text }).then(textOf);
    assert.ok(!(await echo(`says ${first}`)).includes(first), 'the value in use is redacted');
    const rotated = await daemon.mcpd(['secret', 'rotate', 'desk', '--json'], second);
    assert.equal(rotated.code, 0, rotated.stderr);
    await until('desk runs with it', async () => (await tokenOf(daemon, 'desk')) === second);
    await until('desk is ready', async () => (await daemon.status('desk')).state === 'ready');
    const fresh = await daemon.session('desk');
    assert.ok(!textOf(await fresh.call('echo', { text: `says ${second}` })).includes(second));
    const removed = await daemon.mcpd(['secret', 'rm', 'desk']);
    assert.equal(removed.code, 0, removed.stderr);
    await again();
    await lacks(/no such/);
    for (const value of [first, second]) assert.ok(!daemon.log().includes(value));
    figure('C-21', 'values rotated', 2);
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'after everything that a keychain can do');
  });
});

it(
  'C-21 a secret in a file that is rotated by somebody else: refresh-secret picks it up, gone it is lacked',
  { skip: onlyWhole },
  async () => {
    const [first, second] = [secret(), secret()];
    await using daemon = await TestDaemon.start({
      servers: { desk: needs('file:$DIR/token') },
      canaries: false,
      prepare: ({ dir }) => writeFileSync(join(dir, 'token'), first, { mode: 0o600 }),
    });
    assert.equal(await tokenOf(daemon, 'desk'), first);
    writeFileSync(join(daemon.dir, 'token'), second, { mode: 0o600 });
    // Still the old one, and still redacted: the child has it.
    const session = await daemon.session('desk');
    assert.equal(await tokenOf(daemon, 'desk'), first);
    assert.ok(!textOf(await session.call('echo', { text: `says ${first}` })).includes(first));
    const reference = `file:${join(daemon.dir, 'token')}`;
    const refreshed = await operate(daemon, 'refresh-secret', { reference });
    assert.equal(refreshed.ok, true, JSON.stringify(refreshed));
    await until('desk runs with it', async () => (await tokenOf(daemon, 'desk')) === second);
    rmSync(join(daemon.dir, 'token'));
    await operate(daemon, 'restart', { server: 'desk' });
    await until('it lacks it', async () => (await daemon.status('desk')).state === 'lacks-secret');
    for (const value of [first, second]) assert.ok(!daemon.log().includes(value));
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'after the file was rotated');
  },
);

/** What the child of a server was given. */
async function tokenOf(daemon: TestDaemon, server: string): Promise<string | undefined> {
  const { pid } = await daemon.status(server);
  if (pid === null) return undefined;
  const found = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  return found.find((it) => it.startsWith('TOKEN='))?.slice('TOKEN='.length);
}
