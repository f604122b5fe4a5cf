// Whoever asks learns whether it is worth calling; why not, only who may know.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { rule, serving, TestDaemon, until } from '../support/daemon.ts';

type Body = {
  status: string;
  version?: string;
  uptimeSeconds?: number;
  servers?: { name: string; state: string; because: string | null; latencyMs: number | null }[];
};

async function get(
  daemon: TestDaemon,
  path: string,
  key?: string,
): Promise<{ code: number; body: Body; text: string }> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
  const response = await fetch(daemon.url + path, { headers });
  const text = await response.text();
  return { code: response.status, body: JSON.parse(text) as Body, text };
}

const good = serving('answers', rule('allow', ['*']));
const needy = serving('needs-a-file', `[env]\nNEEDED = "$DIR/needed"\n${rule('allow', ['*'])}`);

describe('health tells the truth', () => {
  describe('of a daemon that is well', () => {
    let daemon: TestDaemon;
    let otherKey: string;
    before(async () => {
      daemon = await TestDaemon.start({
        servers: {
          fx: good,
          theirs: serving('answers', rule('allow', ['*'], 'callers = ["somebody-else"]')),
        },
      });
      otherKey = await daemon.addKey('somebody-else');
      // The one that the tester does not see may take longer.
      await until('both servers run', async () => (await get(daemon, '/readyz')).body.status === 'healthy');
    });
    after(async () => daemon[Symbol.asyncDispose]());

    it('anybody learns that it is alive and ready, and nothing else', async () => {
      const [alive, ready] = [await get(daemon, '/healthz'), await get(daemon, '/readyz')];
      assert.equal(alive.code, 200);
      assert.equal(alive.body.status, 'ok');
      assert.equal(ready.code, 200);
      assert.equal(ready.body.status, 'healthy');
      for (const { text } of [alive, ready]) assert.doesNotMatch(text, /fx|theirs|pid|\/tmp|servers/);
    });

    it('a caller learns version, uptime and the servers that it may see, with their latency', async () => {
      const alive = await get(daemon, '/healthz', daemon.key);
      assert.match(alive.body.version ?? '', /^\d+\.\d+\.\d+/);
      assert.ok((alive.body.uptimeSeconds ?? -1) >= 0);
      const mine = await get(daemon, '/readyz', daemon.key);
      assert.deepEqual(
        mine.body.servers?.map(({ name, state }) => [name, state]),
        [['fx', 'ready']],
      );
      assert.ok((mine.body.servers[0]?.latencyMs ?? -1) >= 0);
      assert.ok(!mine.text.includes('theirs'));
      const others = await get(daemon, '/readyz', otherKey);
      assert.deepEqual(others.body.servers?.map(({ name }) => name).sort(), ['fx', 'theirs']);
    });

    it('a wrong key learns nothing', async () => {
      for (const path of ['/healthz', '/readyz']) {
        const { code, text } = await get(daemon, path, 'mcpd_wrong');
        assert.equal(code, 401);
        assert.doesNotMatch(text, /fx|servers|version/);
      }
    });

    it('it is read, not written: other methods are refused', async () => {
      for (const method of ['POST', 'PUT', 'DELETE'])
        assert.equal((await fetch(`${daemon.url}/readyz`, { method })).status, 405, method);
      assert.equal((await fetch(`${daemon.url}/healthz`, { method: 'HEAD' })).status, 200);
    });

    it('what the operator switched off makes it say so, and not ill', async () => {
      await daemon.ctl('lockdown');
      assert.deepEqual(
        [(await get(daemon, '/readyz')).code, (await get(daemon, '/readyz')).body.status],
        [200, 'degraded'],
      );
      await daemon.ctl('unlock');
      await daemon.ctl('disable-server', 'fx');
      assert.equal((await get(daemon, '/readyz')).body.status, 'healthy');
      await daemon.ctl('enable-server', 'fx');
      assert.equal((await get(daemon, '/readyz')).body.status, 'healthy');
    });

    it('a policy that was refused makes it degraded until it is mended', async () => {
      daemon.write('servers/fx.toml', 'nonsense');
      await until('it is degraded', async () => (await get(daemon, '/readyz')).body.status === 'degraded');
      assert.doesNotMatch((await get(daemon, '/readyz')).text, /fx\.toml/);
      daemon.write('servers/fx.toml', good);
      await until('it is healthy', async () => (await get(daemon, '/readyz')).body.status === 'healthy');
    });
  });

  it('of a daemon of which one server has failed: degraded, and which one is told to callers', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: good, needy } });
    await until('given up', async () => (await daemon.status('needy')).state === 'given-up', 600);
    const ready = await get(daemon, '/readyz');
    assert.deepEqual([ready.code, ready.body.status], [200, 'degraded']);
    const detail = await get(daemon, '/readyz', daemon.key);
    const found = detail.body.servers?.find(({ name }) => name === 'needy');
    assert.equal(found?.state, 'given-up');
    assert.equal(found.latencyMs, null);
  });

  it('of a daemon of which every server has failed: unhealthy, 503, but alive; and healthy once it is mended', async () => {
    await using daemon = await TestDaemon.start({
      servers: {
        lacking: serving('answers', `[secrets]\nTOKEN = "file:$DIR/token"\n${rule('allow', ['*'])}`),
      },
    });
    const ready = await get(daemon, '/readyz');
    assert.deepEqual([ready.code, ready.body.status], [503, 'unhealthy']);
    assert.doesNotMatch(ready.text, /token|lacking/);
    assert.equal((await get(daemon, '/healthz')).code, 200);
    assert.equal((await get(daemon, '/readyz', daemon.key)).code, 503);
    writeFileSync(join(daemon.dir, 'token'), 'a-token-of-some-length', { mode: 0o600 });
    await daemon.ctl('restart', 'lacking');
    await until('healthy', async () => (await get(daemon, '/readyz')).body.status === 'healthy');
    assert.equal((await get(daemon, '/readyz')).code, 200);
  });

  it('of a server that does not answer any more: its latency is not made up', async () => {
    await using daemon = await TestDaemon.start({ servers: { fx: good } });
    const { pid } = await daemon.status('fx');
    process.kill(pid ?? 0, 'SIGSTOP');
    try {
      const detail = await get(daemon, '/readyz', daemon.key);
      assert.equal(detail.body.servers?.[0]?.latencyMs, null);
    } finally {
      process.kill(pid ?? 0, 'SIGCONT');
    }
    await until(
      'it answers again',
      async () => (await get(daemon, '/readyz', daemon.key)).body.servers?.[0]?.latencyMs !== null,
    );
  });
});
