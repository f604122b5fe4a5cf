/** Callers that go away without a word: sessions that nobody ends, calls that nobody waits for. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { rawEnv, rule, serving, until, type TestDaemon, type TestSession } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import { HallClient } from '../support/hall.ts';
import { verified } from './support/verified.ts';
import { Watched } from './support/watch.ts';
import { Caller, descriptorsOf, megabytes, memoryOf, pressureOn, statusOf } from '../load/flood.ts';

const shared = `sharing = "all"\nconcurrency = 512\n${rule('allow', ['*'])}`;
describe('D-02 sessions that nobody ends', () => {
  it('D-02 and their streams are bounded for each caller and for all, end when they have lain idle, and leave nothing behind', async () => {
    const sessions = times(60, 5001);
    const streams = times(6, 500);
    const idle = times(2, 60);
    // Its heap is collected now and then: what counts is what is held, and not what V8 has not yet got round to.
    await using watched = await Watched.start({
      servers: { fx: serving('answers', shared) },
      daemon: `[sessions]\nmax = ${sessions}\nper_caller_max = ${(sessions * 2) / 3}\nidle = "${idle}s"\n[overload]\nper_caller_max = ${streams}\n[log]\nlevel = "info"\n`,
      collectEveryMs: 2000,
      unprobed: true,
    });
    const { daemon } = watched;
    const others = await daemon.addKey('other');
    if (isWhole) await sleep(10_000);
    const [memory, files] = [memoryOf(daemon.pid), descriptorsOf(daemon.pid)];
    const mine = await open(daemon, daemon.key, sessions);
    const held = await Promise.all(mine.slice(0, streams).map(listen));
    assert.ok(held.every(({ status }) => status === 200));
    const oneMore = await listen(mine[streams] as TestSession); // There are more sessions than streams.
    assert.equal(oneMore.status, 429);
    oneMore.leave();
    assert.equal((await pressureOn(daemon)).streams, streams);
    const theirs = await open(daemon, others, sessions);
    assert.deepEqual([mine.length, theirs.length], [(sessions * 2) / 3, sessions / 3]);
    // Whoever held a stream is gone without a word, too.
    for (const { leave } of held) leave();
    const last = performance.now();
    const most = memoryOf(daemon.pid);
    let thereMs = 0;
    await until(
      'they have ended',
      async () => {
        // The answer is of this moment, or of a later one.
        const at = performance.now() - last;
        if ((await statusOf(daemon))['sessions'] === 0) return true;
        thereMs = at;
        return false;
      },
      times(200, 2000),
    );
    figure(
      'D-02',
      `${sessions} sessions that lie idle for ${idle} s were last seen after`,
      `${(thereMs / 1000).toFixed(1)} s`,
    );
    figure('D-02', `memory of ${sessions} sessions`, megabytes(most - memory));
    if (isWhole) assert.ok(thereMs <= idle * 1100, `${thereMs} ms`);
    assert.equal((await pressureOn(daemon)).streams, 0);
    await until('their descriptors are free', () => descriptorsOf(daemon.pid) <= files + 5);
    if (isWhole) {
      await sleep(10_000);
      const after = memoryOf(daemon.pid);
      figure('D-02', 'memory more when they are gone', megabytes(after - memory));
      assert.ok(after <= memory * 1.1, `${megabytes(after)}, ${megabytes(memory)} before`);
    }
    // There is room again.
    assert.equal((await open(daemon, daemon.key, 3)).length, 3);
    assert.equal(await watched.end(), 0);
    await verified(daemon, 'D-02');
  });
});

/** Asks for the stream of a session on a connection of its own. Gives what came of it, and the way to go without a word. */
function listen({ daemon, server, key, id }: TestSession): Promise<{ status: number; leave: () => void }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${daemon.url}/servers/${server}/mcp`, {
      agent: false,
      headers: { accept: 'text/event-stream', authorization: `Bearer ${key}`, 'mcp-session-id': id },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      response.on('error', () => undefined);
      response.resume();
      resolve({ status: response.statusCode ?? 0, leave: () => void outgoing.destroy() });
    });
    outgoing.end();
  });
}

/** Opens sessions until one is refused, or there are so many. */
async function open(daemon: TestDaemon, key: string, max: number): Promise<TestSession[]> {
  const opened: TestSession[] = [];
  while (opened.length < max)
    try {
      opened.push(await daemon.session('fx', { key }));
    } catch (reason) {
      assert.match(String(reason), /429/);
      break;
    }
  return opened;
}

describe('C-25 a caller goes away in the middle of its call', () => {
  it('C-25 modern: its server is told, every time, and nothing is left of the call', async () => {
    const calls = times(60, 10_000);
    // Its heap is collected now and then: what counts is what is held, and not what V8 has not yet got round to.
    await using watched = await Watched.start({
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
    assert.equal(await watched.end(), 0);
    await verified(daemon, 'C-25');
  });

  it('C-25 legacy: the call goes on, is counted as long as it does, and its answer is dropped, every time', async () => {
    const [calls, atOnce, ms] = [times(30, 10_000), times(30, 500), times(1500, 3000)];
    await using watched = await Watched.start({
      servers: { fx: serving('answers', `${shared}${rawEnv}`) },
      daemon: '[log]\nlevel = "info"\n',
      collectEveryMs: 2000,
      unprobed: true,
    });
    const { daemon } = watched;
    const caller = await Caller.open(daemon, 'fx', daemon.key, atOnce + 20);
    const { connections } = await pressureOn(daemon);
    const files = descriptorsOf(daemon.pid);
    let memory = 0;
    for (let done = 0; done < calls; done += atOnce) {
      const made = Array.from({ length: atOnce }, () => caller.call('slow', { ms }));
      await until('they are under way', async () => (await pressureOn(daemon)).requests === atOnce);
      caller.leave();
      assert.ok((await Promise.all(made)).every((told) => told.status === 0));
      await until(
        'their connections are closed',
        async () => (await pressureOn(daemon)).connections <= connections,
      );
      await until('they have ended', async () => (await pressureOn(daemon)).requests === 0);
      // A first fifth to warm up.
      if (memory === 0 && done >= calls / 5) memory = memoryOf(daemon.pid);
    }
    assert.equal(count(daemon, 'notifications/cancelled'), 0);
    assert.equal((await statusOf(daemon))['callsInFlight'], 0);
    await until('their descriptors are free', () => descriptorsOf(daemon.pid) <= files + 5);
    if (isWhole) {
      const more = memoryOf(daemon.pid) - memory;
      figure('C-25', `memory more after ${calls} legacy calls that nobody waited for`, megabytes(more));
      assert.ok(more <= 64 * 2 ** 20, megabytes(more));
    }
    const records = daemon.journal().filter((it) => it['kind'] === 'outcome' && it['outcome'] === 'answered');
    assert.ok(records.length >= calls, 'not every call was closed on the journal');
    assert.equal(await watched.end(), 0);
    await verified(daemon, 'C-25');
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
