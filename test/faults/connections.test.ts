/** Connections that come and go, that say nothing, or say it slowly: none of them is kept, and none keeps others out. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { Authority, noOpenssl } from '../front/certificates.ts';
import { Caller, descriptorsOf, dial, operate, pressureOn, quantile, statusOf } from '../load/flood.ts';
import { alive, freePort, parentOf, processes, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { verified } from './support/verified.ts';
import { heapAfterCollection, Watched } from './support/watch.ts';

const shared = serving('answers', `sharing = "all"\nconcurrency = 512\n${rule('allow', ['*'])}`);
const settled = (daemon: TestDaemon, files: number): Promise<void> =>
  until('descriptors are as before', () => Math.abs(descriptorsOf(daemon.pid) - files) <= 5, 600);

describe('D-04 connections that come and go', { skip: noOpenssl }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-tls-'));
  after(() => rmSync(dir, { recursive: true }));

  it('D-04 leave no descriptor behind, whether they say nothing, half of a request, or half of a greeting', async () => {
    const corp = new Authority(join(dir, 'corp'), 'Corp');
    const { cert, key } = corp.issue('server', { names: 'IP:127.0.0.1', usage: 'serverAuth' });
    const port = await freePort();
    await using daemon = await TestDaemon.start({
      servers: { fx: shared },
      daemon: `[listen.mutual_tls]\nport = ${port}\ncert = "${cert}"\nkey = "${key}"\nclient_ca = "${corp.cert}"\n[listen.mutual_tls.callers]\n"dns:a.example" = "a"\n`,
    });
    const files = descriptorsOf(daemon.pid);
    const said = [
      '',
      'POST /servers/fx/mcp HTTP/1.1\r\nHost: 127',
      'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n',
    ];
    const visits = times(600, 10_000);
    await inTurns(visits, 50, async (at) => {
      const socket = await dial(daemon.port);
      const half = said[at % said.length] ?? '';
      if (half !== '') socket.write(half);
      // Every other one hangs up as a crash does.
      if (at % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    });
    const greetings = times(100, 1000);
    await inTurns(greetings, 20, async (at) => {
      // Half of them greet as TLS does and are gone before it is over; the others speak no TLS at all.
      if (at % 2 === 0) {
        const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
        socket.on('error', () => undefined);
        await new Promise((resolve) => socket.once('connect', resolve));
        socket.destroy();
      } else (await dial(port)).end('\x16\x03\x01\x02\x00\x01');
    });
    await settled(daemon, files);
    figure(
      'D-04',
      `descriptors more after ${visits} connections and ${greetings} broken greetings`,
      descriptorsOf(daemon.pid) - files,
    );
    assert.equal((await fetch(`${daemon.url}/healthz`)).status, 200);
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'D-04');
  });
});

describe('C-15 more connections than there is room for', () => {
  it('C-15 those who say nothing give way, who is at work stays, and health is answered at the worst', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: shared },
      daemon: '[overload]\nconnections_max = 16\n[log]\nlevel = "info"\n',
    });
    const caller = await Caller.open(daemon, 'fx', daemon.key, 4);
    const silent: Socket[] = [];
    for (let at = 0; at < 60; at++) silent.push(await dial(daemon.port));
    // The system lets a connection stand before mcpd has looked at it.
    await until('there was no room for somebody', async () => {
      const { connections, turnedAway, letGo } = await pressureOn(daemon);
      assert.ok(connections <= 16 + 4, `${connections} connections`);
      return (turnedAway['connections'] ?? 0) + (letGo['idle'] ?? 0) > 0;
    });
    // They have said nothing for a second; somebody who has something to say gets in.
    await until('a caller gets in', async () => (await caller.call('echo', { text: 'x' })).status === 200);

    // Now every connection is at work.
    const busy = await Caller.open(daemon, 'fx', daemon.key, 40);
    const calls = Array.from({ length: 40 }, () => busy.call('slow', { ms: 1500 }));
    await until('it is full', async () => (await pressureOn(daemon)).requests >= 10);
    const health = await Promise.all(Array.from({ length: 3 }, () => answerOf(daemon, '/healthz')));
    assert.ok(health.includes(200), `health: ${health.join(' ')}`);
    const told = await Promise.all(calls);
    assert.ok(told.some(({ status }) => status === 200));
    assert.ok(told.every(({ status }) => [200, 503, 0].includes(status)));
    for (const it of silent) it.destroy();
    busy.leave();
    await until('there is room again', async () => (await caller.call('echo', { text: 'x' })).status === 200);
    caller.leave();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'C-15');
  });
});

/** The status of one GET on a connection of its own; 0 where there is none. */
async function answerOf({ port }: TestDaemon, path: string): Promise<number> {
  const socket = await dial(port);
  let heard = '';
  socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
  if (!socket.destroyed) await closed;
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(heard)?.[1] ?? 0);
}

describe('A-13 slow clients', () => {
  it('A-13 that never end their head or their body are closed, and a client like any other does not notice', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: shared },
      daemon: `[requests]\nheaders_within = "${times(500, 15_000)}ms"\nread_within = "${times(1, 30)}s"\n`,
    });
    const files = descriptorsOf(daemon.pid);
    const caller = await Caller.open(daemon, 'fx', daemon.key, 2);
    const slow = Array.from({ length: times(60, 300) }, (_, at) => drip(daemon, at));
    const ms: number[] = [];
    await until(
      'all of them are closed',
      async () => {
        const told = await caller.call('echo', { text: 'x' });
        assert.equal(told.status, 200);
        ms.push(told.ms);
        return slow.every(({ destroyed }) => destroyed);
      },
      times(200, 2000),
    );
    figure('A-13', `a call beside ${slow.length} slow clients (p99)`, `${quantile(ms, 0.99).toFixed(1)} ms`);
    if (isWhole) assert.ok(quantile(ms, 0.99) <= 500);
    caller.leave();
    await settled(daemon, files);
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'A-13');
  });
});

/** A byte now and then: of the head, of the body, or none at all. */
function drip({ port, key }: TestDaemon, at: number): Socket {
  const head = `POST /servers/fx/mcp HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nAuthorization: Bearer ${key}\r\nContent-Length: 1000000\r\n`;
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const kind = at % 3;
  socket.write(kind === 0 ? head : kind === 1 ? `${head}\r\n{` : '');
  const dripping = setInterval(
    () => kind < 2 && socket.writable && socket.write(kind === 0 ? 'X: y\r\n' : ' '),
    200,
  );
  socket.on('close', () => clearInterval(dripping));
  socket.resume();
  return socket;
}

describe('D-05 restarts and reloads', () => {
  it('D-05 leave no zombie, no descriptor and no listener behind, and the heap as it was', async () => {
    // Nobody asks for its health: there is none while the one server is started again.
    await using watched = await Watched.start({
      servers: { fx: shared },
      collectEveryMs: 1000,
      unprobed: true,
    });
    const { daemon } = watched;
    const restarts = times(3, 500);
    const reloads = times(10, 2000);
    await operate(daemon, 'restart', { server: 'fx' });
    await until('it runs', async () => isReady(daemon));
    const files = descriptorsOf(daemon.pid);
    // A first fifth to warm up.
    let before = 0;
    for (let at = 0; at < restarts; at++) {
      if (isWhole && at === restarts / 5) before = await heapAfterCollection(watched);
      await operate(daemon, 'restart', { server: 'fx' });
      await until('it runs again', async () => isReady(daemon), 600);
    }
    const afterRestarts = isWhole ? await heapAfterCollection(watched) : 0;
    let reloading = 0;
    for (let at = 0; at < reloads; at++) {
      if (isWhole && at === reloads / 5) reloading = await heapAfterCollection(watched);
      daemon.write('servers/fx.toml', `${shared}\n# ${at}\n`);
      await operate(daemon, 'reload', {});
    }
    await settled(daemon, files);
    const zombies = processes().filter((pid) => parentOf(pid) === daemon.pid && !alive(pid));
    figure(
      'D-05',
      `zombies and descriptors more after ${restarts} restarts and ${reloads} reloads`,
      `${zombies.length} and ${descriptorsOf(daemon.pid) - files}`,
    );
    assert.deepEqual(zombies, []);
    assert.doesNotMatch(daemon.output + daemon.log(), /MaxListeners/);
    if (isWhole) {
      // What the four fifths after the warm-up added, of the restarts and of the reloads that go with each hundred of them.
      const hundreds = (restarts * 4) / 500;
      const slope = (afterRestarts - before) / hundreds;
      const more = ((await heapAfterCollection(watched)) - reloading) / hundreds;
      figure('D-05', 'heap more for each 100 restarts', `${slope.toFixed(2)} MiB`);
      figure('D-05', `and for the ${(reloads * 100) / restarts} reloads with them`, `${more.toFixed(2)} MiB`);
      assert.ok(
        slope + more <= 1,
        `${slope} MiB for each 100 restarts, ${more} MiB for the reloads with them`,
      );
    }
    assert.equal(await watched.end(), 0);
    assert.equal(watched.seen.zombies, 0);
    await verified(daemon, 'D-05');
  });
});

async function isReady(daemon: TestDaemon): Promise<boolean> {
  const { servers } = (await statusOf(daemon)) as { servers: { state: string }[] };
  return servers.every(({ state }) => state === 'ready');
}

async function inTurns(count: number, lanes: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
