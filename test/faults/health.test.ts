/**
 * Health is truthful. Alive means that the process answers; ready means that calls are made. Why it is not ready is told to
 * whoever brings a credential or is the operator, with a word that a program can tell apart, and to nobody else.
 *
 * That readiness is false while the journal's disk is full: `disk.test.ts`, C-12. That it is alive all that time: there, too.
 */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { operate, recorded, went } from './support/history.ts';
import { readiness } from './support/launch.ts';
import { verified } from './support/verified.ts';
import { onlyWhole } from './support/whole.ts';

/** What somebody without a credential is answered. */
async function stranger(daemon: TestDaemon): Promise<{ alive: number; ready: number }> {
  const [alive, ready] = await Promise.all([fetch(`${daemon.url}/healthz`), fetch(`${daemon.url}/readyz`)]);
  // One word: no names, paths, states or reasons, also none that nobody has thought of yet.
  assert.deepEqual(await alive.json(), { status: 'ok' });
  const said = (await ready.json()) as { status?: string };
  assert.deepEqual(Object.keys(said), ['status']);
  assert.match(said.status ?? '', ready.ok ? /^(?:healthy|degraded)$/ : /^unhealthy$/);
  return { alive: alive.status, ready: ready.status };
}

/** The end of every test: it stops as it should, and its journal is whole. */
async function endsWell(daemon: TestDaemon, when: string): Promise<void> {
  assert.equal(await daemon.end(), 0);
  await verified(daemon, when);
}

describe('C-26 health', () => {
  it(
    'C-26 a bad policy: ready on the old one, degraded, and why is for the operator',
    { skip: onlyWhole },
    async () => {
      await using daemon = await TestDaemon.start({ servers: { fx: recorded } });
      daemon.write('servers/fx.toml', 'nonsense');
      assert.equal((await operate(daemon, 'reload')).ok, false);
      assert.deepEqual(await stranger(daemon), { alive: 200, ready: 200 });
      const told = await readiness(daemon);
      assert.equal(told.status, 200);
      assert.ok(told.reasons?.includes('policy'), told.text);
      const status = await operate(daemon, 'status');
      assert.equal(status['status'], 'degraded');
      assert.match(JSON.stringify(status['because']), /reload was refused/);
      assert.equal(went(await (await daemon.session('fx')).call('list_dir')), true);
      daemon.write('servers/fx.toml', recorded);
      assert.equal((await operate(daemon, 'reload')).ok, true);
      assert.deepEqual((await readiness(daemon)).reasons, [], 'what is mended is no reason any more');
      await endsWell(daemon, 'after a bad policy');
    },
  );

  it(
    'C-26 every server has failed: alive, not ready, and ready again when one is back',
    { skip: onlyWhole },
    async () => {
      await using daemon = await TestDaemon.start({
        servers: {
          lacking: serving('answers', `[secrets]\nTOKEN = "file:$DIR/token"\n${rule('allow', ['*'])}`),
        },
      });
      assert.deepEqual(await stranger(daemon), { alive: 200, ready: 503 });
      const told = await readiness(daemon);
      assert.equal(told.status, 503);
      assert.ok(told.reasons?.includes('servers'), told.text);
      assert.deepEqual(
        told.servers?.map(({ state }) => state),
        ['lacks-secret'],
      );
      writeFileSync(join(daemon.dir, 'token'), 'a-token-of-some-length', { mode: 0o600 });
      await operate(daemon, 'restart', { server: 'lacking' });
      await until('it is ready', async () => (await stranger(daemon)).ready === 200);
      await until(
        'what is mended is no reason any more',
        async () => (await readiness(daemon)).reasons?.length === 0,
      );
      rmSync(join(daemon.dir, 'token'));
      await endsWell(daemon, 'after a server was back');
    },
  );

  it('C-26 draining: alive while it drains, not ready, new calls are sent away with a time to come back', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: recorded } });
    const session = await daemon.session('fx');
    const slow = session.call('slow', { ms: 1500 });
    await until('it is under way', async () => (await operate(daemon, 'status'))['callsInFlight'] === 1);
    const gone = daemon.end('SIGTERM');
    await until('it drains', async () => (await stranger(daemon)).ready === 503);
    assert.deepEqual(await stranger(daemon), { alive: 200, ready: 503 });
    const told = await readiness(daemon);
    assert.equal(told.status, 503);
    assert.ok(told.reasons?.includes('draining'), told.text);
    const late = await session.call('list_dir');
    assert.equal(late.status, 503);
    assert.ok(Number(late.headers.get('retry-after')) >= 1);
    assert.equal(went(await slow), true, 'what was under way is answered');
    assert.equal(await gone, 0);
    await verified(daemon, 'after it drained');
  });

  it('C-26 locked down: ready, degraded, and why is said to the operator', { skip: onlyWhole }, async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: recorded } });
    assert.equal((await operate(daemon, 'lockdown')).ok, true);
    assert.deepEqual(await stranger(daemon), { alive: 200, ready: 200 });
    const told = await readiness(daemon);
    assert.ok(told.reasons?.includes('lockdown'), told.text);
    assert.match(JSON.stringify((await operate(daemon, 'status'))['because']), /lockdown/);
    await endsWell(daemon, 'after a lockdown');
  });
});
