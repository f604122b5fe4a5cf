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
import { onlyWhole } from './support/whole.ts';

/** What somebody without a credential learns. */
async function stranger(daemon: TestDaemon): Promise<{ alive: number; ready: number; text: string }> {
  const [alive, ready] = await Promise.all([fetch(`${daemon.url}/healthz`), fetch(`${daemon.url}/readyz`)]);
  return { alive: alive.status, ready: ready.status, text: (await alive.text()) + (await ready.text()) };
}

/** Names, paths, states: nothing of the kind is for strangers. */
const tells = /fx|lacking|ENOENT|\/tmp|token|pid|given-up|reload|because/;

describe('C-26 health', () => {
  it(
    'C-26 a bad policy: ready on the old one, degraded, and why is for the operator',
    { skip: onlyWhole },
    async () => {
      await using daemon = await TestDaemon.start({ servers: { fx: recorded }, canaries: false });
      daemon.write('servers/fx.toml', 'nonsense');
      assert.equal((await operate(daemon, 'reload')).ok, false);
      const seen = await stranger(daemon);
      assert.deepEqual([seen.alive, seen.ready], [200, 200]);
      assert.doesNotMatch(seen.text, tells);
      const status = await operate(daemon, 'status');
      assert.equal(status['status'], 'degraded');
      assert.match(JSON.stringify(status['because']), /reload was refused/);
      assert.equal(went(await (await daemon.session('fx')).call('list_dir')), true);
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
        canaries: false,
      });
      const seen = await stranger(daemon);
      assert.deepEqual([seen.alive, seen.ready], [200, 503]);
      assert.doesNotMatch(seen.text, tells);
      const told = await readiness(daemon);
      assert.deepEqual(
        told.servers?.map(({ state }) => state),
        ['lacks-secret'],
      );
      writeFileSync(join(daemon.dir, 'token'), 'a-token-of-some-length', { mode: 0o600 });
      await operate(daemon, 'restart', { server: 'lacking' });
      await until('it is ready', async () => (await stranger(daemon)).ready === 200);
      rmSync(join(daemon.dir, 'token'));
    },
  );

  it('C-26 draining: alive while it drains, not ready, new calls are sent away with a time to come back', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: recorded }, canaries: false });
    const session = await daemon.session('fx');
    const slow = session.call('slow', { ms: 1500 });
    await until('it is under way', async () => (await operate(daemon, 'status'))['callsInFlight'] === 1);
    const gone = daemon.end('SIGTERM');
    await until('it drains', async () => (await stranger(daemon)).ready === 503);
    assert.equal((await stranger(daemon)).alive, 200);
    const late = await session.call('list_dir');
    assert.equal(late.status, 503);
    assert.ok(Number(late.headers.get('retry-after')) >= 1);
    assert.equal(went(await slow), true, 'what was under way is answered');
    assert.equal(await gone, 0);
  });

  it('C-26 locked down: ready, degraded, and why is said to the operator', { skip: onlyWhole }, async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: recorded }, canaries: false });
    assert.equal((await operate(daemon, 'lockdown')).ok, true);
    const seen = await stranger(daemon);
    assert.deepEqual([seen.alive, seen.ready], [200, 200]);
    assert.doesNotMatch(seen.text, tells);
    assert.match(JSON.stringify((await operate(daemon, 'status'))['because']), /lockdown/);
  });
});
