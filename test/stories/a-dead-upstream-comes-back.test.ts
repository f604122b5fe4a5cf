// Servers die. Whoever waits hears of it at once, the server comes back under the same session, and nobody else notices.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  alive,
  endNow,
  initialize,
  post,
  rule,
  serving,
  TestDaemon,
  textOf,
  until,
  type TestSession,
} from '../support/daemon.ts';

const allowed = 'answer_within = "10m"\n[env]\nNEEDED = "$DIR/needed"\n' + rule('allow', ['*']);

describe('a dead upstream comes back', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: {
        own: `command = "$NODE"\nargs = ["$FIXTURES/answers.ts", "own"]\n${allowed}`,
        shared: serving('answers', `sharing = "all"\n${allowed}`),
        other: serving('answers', allowed),
        loop: serving('needs-a-file', allowed),
      },
    });
  });
  after(async () => daemon[Symbol.asyncDispose]());

  /** A session of `own` and the child that serves it: the one that was not there before. */
  async function openWithChild(): Promise<{ session: TestSession; pid: number }> {
    const own = () => daemon.children().filter((pid) => daemon.commandLine(pid).includes('answers.ts own'));
    const before = new Set(own());
    const session = await daemon.session('own');
    const [pid, ...more] = own().filter((it) => !before.has(it));
    assert.ok(pid !== undefined && more.length === 0);
    return { session, pid };
  }
  const inFlight = (server: string, count: number) =>
    until(`${count} calls are in flight`, async () => (await daemon.status(server)).inFlight === count);

  it('kill -9 in the middle of a call: its caller hears of it, and the next call works', async () => {
    const { session, pid } = await openWithChild();
    const answering = session.call('slow', { ms: 600_000 });
    await inFlight('own', 1);
    endNow(pid);
    const answer = await answering;
    assert.equal(answer.body.error?.code, 1503);
    assert.ok(
      !JSON.stringify(answer.body).includes(String(pid)),
      'the caller learns nothing of our processes',
    );
    assert.equal(await session.text('echo', { text: 'back' }), 'back');
    assert.ok(!alive(pid));
    const [record] = await daemon.audit('--correlation', answer.headers.get('mcpd-correlation-id') ?? '');
    assert.equal(record?.['error'], 'UPSTREAM_DIED');
  });

  it('a server that ends by itself in the middle of a call comes back, every time', async () => {
    const session = await daemon.session('own');
    for (const text of ['once', 'twice']) {
      const died = await session.call('die', { code: 0 });
      assert.equal(died.body.error?.code, 1503);
      assert.equal(await session.text('echo', { text }), text);
    }
  });

  it('one session of a server dies alone', async () => {
    const { session, pid } = await openWithChild();
    const neighbour = await daemon.session('own');
    const [mine, theirs] = [session.call('slow', { ms: 600_000 }), neighbour.call('slow', { ms: 1500 })];
    await inFlight('own', 2);
    endNow(pid);
    assert.equal((await mine).body.error?.code, 1503);
    assert.equal(textOf(await theirs), 'done');
    assert.equal(await session.text('echo', { text: 'back' }), 'back');
  });

  it('a shared server that dies is told to everybody who waits, and comes back for everybody', async () => {
    const sessions = [await daemon.session('shared'), await daemon.session('shared')];
    const answering = sessions.map((session) => session.call('slow', { ms: 600_000 }));
    await inFlight('shared', 2);
    const { pid } = await daemon.status('shared');
    endNow(pid ?? 0);
    for (const answer of await Promise.all(answering)) assert.equal(answer.body.error?.code, 1503);
    for (const session of sessions) assert.equal(await session.text('echo', { text: 'back' }), 'back');
    const status = await daemon.status('shared');
    assert.notEqual(status.pid, pid);
    assert.ok(status.restarts >= 1);
  });

  it('the other servers do not notice', async () => {
    const session = await daemon.session('other');
    const answering = session.call('slow', { ms: 1500 });
    await inFlight('other', 1);
    endNow((await daemon.status('shared')).pid ?? 0);
    assert.equal(textOf(await answering), 'done');
    const status = await daemon.status('other');
    assert.equal(status.state, 'ready');
    assert.equal(status.restarts, 0);
  });

  it('a crash loop is given up, where everybody can see it, and its callers are told at once', async () => {
    await until('given up', async () => (await daemon.status('loop')).state === 'given-up', 600);
    const status = await daemon.status('loop');
    assert.match(status.because ?? '', /what I need is not there/, 'its last words are shown');
    assert.equal(status.pid, null);
    const shown = (await daemon.mcpd(['ctl', 'status'])).stdout;
    assert.match(shown, /loop\s+given-up/);
    assert.match(daemon.log(), /loop is given-up/);
    const ready = await fetch(`${daemon.url}/readyz`);
    assert.equal(ready.status, 200);
    assert.equal(((await ready.json()) as { status: string }).status, 'degraded');
    const reply = await post(daemon, 'loop', daemon.key, undefined, initialize());
    assert.equal(reply.body.error?.code, 1502);
    assert.ok(!JSON.stringify(reply.body).includes('what I need'), 'its last words are for the operator');
    // The others go on.
    assert.equal(await (await daemon.session('other')).text('echo', { text: 'well' }), 'well');
  });

  it('mended, it is brought back with one command', async () => {
    writeFileSync(join(daemon.dir, 'needed'), '');
    const restarted = await daemon.ctl('restart', 'loop');
    assert.equal(restarted['ok'], true);
    await until('ready', async () => (await daemon.status('loop')).state === 'ready');
    assert.equal(await (await daemon.session('loop')).text('echo', { text: 'back' }), 'back');
  });

  it('a restart by the operator replaces the children and keeps the sessions', async () => {
    const { session, pid } = await openWithChild();
    const restarted = await daemon.ctl('restart', 'own');
    assert.equal(restarted['ok'], true);
    assert.ok(!alive(pid), 'the old one is gone when the command returns');
    assert.equal(await session.text('echo', { text: 'still here' }), 'still here');
    const unknown = await daemon.mcpd(['ctl', 'restart', 'owm']);
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.stderr, /did you mean own\?/);
  });
});
