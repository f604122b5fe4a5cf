/** Callers that go away without a word: sessions that nobody ends, calls that nobody waits for. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { rawEnv, rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { HallClient } from '../support/hall.ts';
import { Watched } from './support/watch.ts';
import { Caller, descriptorsOf, megabytes, memoryOf, pressureOn, statusOf } from '../load/flood.ts';

const shared = `sharing = "all"\nconcurrency = 512\n${rule('allow', ['*'])}`;
describe('D-02 sessions that nobody ends', () => {
  it('D-02 are bounded for each caller and for all, end when they have lain idle, and leave nothing behind', async () => {
    const sessions = times(60, 5001);
    const idle = times(2, 60);
    await using daemon = await TestDaemon.start({
      canaries: false,
      servers: { fx: serving('answers', shared) },
      daemon: `[sessions]\nmax = ${sessions}\nper_caller_max = ${(sessions * 2) / 3}\nidle = "${idle}s"\n[log]\nlevel = "info"\n`,
    });
    const others = await daemon.addKey('other');
    const [memory, files] = [memoryOf(daemon.pid), descriptorsOf(daemon.pid)];
    const [mine, theirs] = [await open(daemon, daemon.key, sessions), await open(daemon, others, sessions)];
    const last = performance.now();
    assert.deepEqual([mine, theirs], [(sessions * 2) / 3, sessions / 3]);
    const most = memoryOf(daemon.pid);
    await until('they have ended', async () => (await statusOf(daemon))['sessions'] === 0, times(200, 2000));
    const goneMs = performance.now() - last;
    figure(
      'D-02',
      `${sessions} sessions that lie idle for ${idle} s are gone after`,
      `${(goneMs / 1000).toFixed(1)} s`,
    );
    figure('D-02', `memory of ${sessions} sessions`, megabytes(most - memory));
    // The last was opened a moment before its clock was read here; the sweep comes every tenth of the time.
    if (isWhole) assert.ok(goneMs <= idle * 1100 + 2000, `${goneMs} ms`);
    await until('their descriptors are free', () => descriptorsOf(daemon.pid) <= files + 5);
    // There is room again.
    assert.equal(await open(daemon, daemon.key, 3), 3);
    if (isWhole) {
      await sleep(10_000);
      assert.ok(memoryOf(daemon.pid) <= most * 1.1, 'memory grows after the end');
    }
  });
});

/** Opens sessions until one is refused, or there are so many; says how many there are. */
async function open(daemon: TestDaemon, key: string, max: number): Promise<number> {
  for (let count = 0; count < max; count++)
    try {
      await daemon.session('fx', { key });
    } catch (reason) {
      assert.match(String(reason), /429/);
      return count;
    }
  return max;
}

describe('C-25 a caller goes away in the middle of its call', () => {
  it('C-25 modern: its server is told, every time, and nothing is left of the call', async () => {
    const calls = times(60, 10_000);
    // Its heap is collected now and then: what counts is what is held, and not what V8 has not yet got round to.
    await using watched = await Watched.start({
      canaries: false,
      servers: { fx: serving('answers', `${shared}${rawEnv}`) },
      daemon: '[log]\nlevel = "info"\n',
      collectEveryMs: 2000,
      unprobed: true,
    });
    const { daemon } = watched;
    const client = new HallClient(daemon);
    const files = descriptorsOf(daemon.pid);
    let memory = 0;
    for (let done = 0; done < calls; done += 20) {
      const before = count(daemon, '"tools/call"');
      const leaves = Array.from({ length: 20 }, () => callModern(daemon, client));
      await until('the server has the calls', () => count(daemon, '"tools/call"') === before + 20, 2000);
      for (const leave of leaves) leave();
      // A first fifth to warm up.
      if (memory === 0 && done >= calls / 5) memory = memoryOf(daemon.pid);
    }
    await until('all are cancelled', () => count(daemon, 'notifications/cancelled') === calls);
    await until('nothing is under way', async () => (await pressureOn(daemon)).requests === 0);
    assert.equal((await statusOf(daemon))['callsInFlight'], 0);
    await until('their descriptors are free', () => descriptorsOf(daemon.pid) <= files + 5);
    figure(
      'C-25',
      `memory more after ${calls} calls that were given up`,
      megabytes(memoryOf(daemon.pid) - memory),
    );
    if (isWhole) assert.ok(memoryOf(daemon.pid) - memory <= 64 * 2 ** 20);
  });

  it('C-25 legacy: the call goes on, is counted as long as it does, and its answer is dropped', async () => {
    await using daemon = await TestDaemon.start({
      canaries: false,
      servers: { fx: serving('answers', `${shared}${rawEnv}`) },
    });
    const caller = await Caller.open(daemon, 'fx', daemon.key, 50);
    const { connections } = await pressureOn(daemon);
    const calls = Array.from({ length: 30 }, () => caller.call('slow', { ms: 1500 }));
    await until('they are under way', async () => (await pressureOn(daemon)).requests === 30);
    caller.leave();
    assert.ok((await Promise.all(calls)).every((told) => told.status === 0));
    await until(
      'their connections are closed',
      async () => (await pressureOn(daemon)).connections <= connections,
    );
    assert.equal(count(daemon, 'notifications/cancelled'), 0);
    await until('they have ended', async () => (await pressureOn(daemon)).requests === 0);
    assert.equal((await statusOf(daemon))['callsInFlight'], 0);
    const records = daemon.journal().filter((it) => it['kind'] === 'outcome' && it['outcome'] === 'answered');
    assert.ok(records.length >= 30, 'not every call was closed on the journal');
  });
});

/** A call that takes a minute. Gives the way to leave it. */
function callModern(daemon: TestDaemon, client: HallClient): () => void {
  const { body, headers } = client.asModern('tools/call', { name: 'slow', arguments: { ms: 60_000 } }, {});
  const outgoing = request(`${daemon.url}/servers/fx/mcp`, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${daemon.key}`,
      ...headers,
    },
  });
  outgoing.on('error', () => undefined);
  outgoing.end(JSON.stringify(body));
  return () => void outgoing.destroy();
}

const count = (daemon: TestDaemon, what: string): number =>
  readFileSync(`${daemon.dir}/raw.log`, 'utf8').split(what).length - 1;
