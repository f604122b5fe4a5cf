/**
 * Ten times as much comes in as can be done. What is too much is sent away at once, with a time to come back; what was let in is
 * done as fast as ever; and when the crowd has gone, everything is as before.
 */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { rule, serving, TestDaemon, until } from '../support/daemon.ts';
import { figure, isWhole, times } from '../support/faults.ts';
import {
  Caller,
  megabytes,
  memoryOf,
  noise,
  quantile,
  type Told,
  pressureOn,
  type Counts,
} from '../load/flood.ts';
import { verified } from './support/verified.ts';

const shared = serving(
  'answers',
  `sharing = "all"\nconcurrency = 64\nwaiting_max = 1000\n${rule('allow', ['*'])}`,
);
const asks = serving('answers', rule('allow', ['*'], 'upcalls = ["*"]'));
const isDone = ({ status, body }: Told): boolean => status === 200 && body.includes('"result"');
const sum = (all: readonly Counts[], what: string): number =>
  all.reduce((so, counts) => so + (counts[what] ?? 0), 0);
const wasSentAway = ({ status }: Pick<Told, 'status'>): boolean => status === 429 || status === 503;

const perCallerMax = 12;

describe('D-10 ten times too much', () => {
  let daemon: TestDaemon;
  let keys: string[];
  let callers: Caller[];
  let leftAt = 0;
  before(async () => {
    daemon = await TestDaemon.start({
      servers: { fx: shared, asks },
      daemon: `[overload]\nrequests_max = 16\nper_caller_max = ${perCallerMax}\nlag = "1m"\n[log]\nlevel = "info"\n`,
    });
    keys = [daemon.key, await daemon.addKey('second')];
    callers = await Promise.all(keys.map((key) => Caller.open(daemon, 'fx', key, 200)));
  });
  after(async () => {
    for (const caller of callers) caller.leave();
    await daemon[Symbol.asyncDispose]();
  });

  it('D-10 is sent away at once with 429 or 503 and a time to come back; what is let in is done, and health answers', async () => {
    const forMs = times(600, 30_000);
    const [first, second] = callers as [Caller, Caller];
    const crowd = (lanes: number): Promise<Counts[]> =>
      Promise.all(
        keys.map((key) =>
          noise(daemon, { server: 'fx', key }, { lanes: lanes / 2, forMs, tool: 'slow', args: { ms: 20 } }),
        ),
      );
    if (isWhole) await crowd(8);
    const fitting = await crowd(16);
    const health = watchHealth(daemon);
    const crowding = crowd(160);
    await until('it is full', async () => (await pressureOn(daemon)).requests >= 12);
    // Somebody measures beside the crowd how soon it is told: with one lane more than it may have, so that not all can be let in.
    const told = [
      ...(await first.flood(perCallerMax + 1, forMs / 2, 'slow', { ms: 20 })),
      ...(await second.flood(perCallerMax + 1, forMs / 2, 'slow', { ms: 20 })),
    ];
    const tooMuch = await crowding;
    leftAt = performance.now();
    const statuses = await health.stop();

    const [fits, done] = [sum(fitting, 'done'), sum(tooMuch, 'done') + told.filter(isDone).length];
    assert.ok(fits > 0);
    assert.ok(sum(tooMuch, '429') + sum(tooMuch, '503') > 0, 'nothing was sent away');
    const others = tooMuch
      .flatMap((counts) => Object.keys(counts))
      .filter((it) => !['done', '429', '503'].includes(it));
    assert.deepEqual(others, [], 'something was neither done nor sent away');
    const away = told.filter((one) => !isDone(one));
    assert.ok(away.length > 0, 'who measures was never sent away');
    for (const { status, retryAfter, body } of away) {
      assert.ok(wasSentAway({ status }), `${status}: ${body}`);
      assert.ok(Number(retryAfter) >= 1, `Retry-After: ${retryAfter}`);
      const { error } = JSON.parse(body) as { error: { code: number; data: { retryInMs: number } } };
      assert.equal(error.code, status === 429 ? 1429 : 1514);
      assert.ok(error.data.retryInMs >= 1000);
    }
    assert.ok(statuses.length > 0);
    assert.ok(
      statuses.every((status) => status === 200),
      `health: ${statuses.join(' ')}`,
    );

    const share = done / fits;
    const awayMs = quantile(
      away.map(({ ms }) => ms),
      0.99,
    );
    figure('D-10', 'calls a second that fit', Math.round((fits * 1000) / forMs));
    figure('D-10', 'of them done with ten times as many callers', `${(share * 100).toFixed(0)} %`);
    figure('D-10', 'told to come back after (p99)', `${awayMs.toFixed(1)} ms`);
    figure('D-10', 'sent away', sum(tooMuch, '429') + sum(tooMuch, '503'));
    if (isWhole) {
      assert.ok(share >= 0.8, `only ${share} of the peak is done`);
      assert.ok(awayMs <= 50, `sent away after ${awayMs} ms`);
    }
  });

  it('D-10 afterwards everything is as before, and the operator can read what was too much', async () => {
    await until('everything has left', async () => (await pressureOn(daemon)).requests === 0);
    for (const caller of callers) assert.equal((await caller.call('echo', { text: 'x' })).status, 200);
    const againMs = performance.now() - leftAt;
    figure('D-10', 'normal again after', `${(againMs / 1000).toFixed(1)} s`);
    if (isWhole) assert.ok(againMs <= 10_000, `normal again after ${againMs} ms`);
    const { turnedAway } = await pressureOn(daemon);
    assert.ok((turnedAway['requests'] ?? 0) + (turnedAway['perCaller'] ?? 0) > 0);
  });

  it('D-10 one caller cannot take the places of another', async () => {
    const [greedy, modest] = callers as [Caller, Caller];
    const flood = greedy.flood(100, 600, 'slow', { ms: 50 });
    await until('the greedy one has all it may', async () => (await pressureOn(daemon)).requests >= 12);
    for (let i = 0; i < 5; i++) assert.equal((await modest.call('echo', { text: 'x' })).status, 200);
    const told = await flood;
    assert.ok(told.some(({ status }) => status === 429));
    assert.ok(told.every(({ status }) => status !== 503));
  });

  it('D-10 an answer that a call waits for comes in, however many calls there are', async () => {
    const asking = await daemon.session('asks', { capabilities: { elicitation: {} } });
    const caller = await Caller.open(daemon, 'fx', await daemon.addKey('third'), 50);
    let flood: Promise<unknown> = Promise.resolve();
    const { body } = await asking.request(
      'tools/call',
      { name: 'ask_elicitation', arguments: { message: '?' } },
      (event) => {
        if (event['method'] !== 'elicitation/create') return;
        flood = caller.flood(40, 500, 'slow', { ms: 100 });
        void sleep(300).then(() =>
          asking.raw({ jsonrpc: '2.0', id: event['id'], result: { action: 'decline' } }),
        );
      },
    );
    await flood;
    caller.leave();
    assert.match(JSON.stringify(body.result), /decline/);
  });

  it('D-10 in the end it stops as it should, and its journal is whole', async () => {
    for (const caller of callers) caller.leave();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'D-10');
  });
});

describe('mcpd is late', () => {
  it('D-10 what waited while it stood still is sent away, health answers, and then everything is as before', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: shared },
      daemon: '[overload]\nlag = "300ms"\n',
    });
    const caller = await Caller.open(daemon, 'fx', daemon.key, 50);
    daemon.child?.kill('SIGSTOP');
    const health = fetch(`${daemon.url}/healthz`);
    const calls = Array.from({ length: 20 }, () => caller.call('echo', { text: 'x' }));
    await sleep(1000);
    daemon.child?.kill('SIGCONT');
    const told = await Promise.all(calls);
    assert.equal((await health).status, 200);
    assert.ok(
      told.some(({ status }) => status === 503),
      told.map(({ status }) => status).join(' '),
    );
    await until('it keeps up', async () => (await caller.call('echo', { text: 'x' })).status === 200);
    const { turnedAway, isLate } = await pressureOn(daemon);
    assert.equal(isLate, false);
    assert.ok((turnedAway['late'] ?? 0) > 0);
    assert.match(daemon.log(), /mcpd is late/);
    caller.leave();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'late');
  });
});

describe('D-06 large arguments and answers at once', () => {
  it('D-06 take memory by what is under way, and give it back', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: shared },
      daemon: '[log]\nlevel = "info"\n',
    });
    const text = 'x'.repeat(1024 * 1024);
    const caller = await Caller.open(daemon, 'fx', daemon.key, 50);
    const lanes = times(10, 50);
    const watch = watchMemory(daemon.pid);
    let done = 0;
    const others: Told[] = [];
    await caller.pour(lanes, times(800, 300_000), 'echo', { text }, (one) => {
      if (isDone(one)) done++;
      // A child that does not read so fast has a line of its own, with an end and a word of its own.
      else if (!one.body.includes('"code":1506') && others.length < 10) others.push(one);
    });
    const most = watch.stop();
    assert.deepEqual(others, []);
    assert.ok(done > 0, 'nothing was done');
    figure('D-06', 'calls that were done', done);
    figure('D-06', `memory at most, ${lanes} calls with 1 MB there and back at once`, megabytes(most));
    // Arguments and answer of each.
    if (isWhole) assert.ok(most <= 300 * 2 ** 20 + 6 * lanes * 2 * text.length, megabytes(most));
    caller.leave();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'D-06');
  });

  it('D-06 bodies that together are too large are sent away, and the rest goes on', async () => {
    await using daemon = await TestDaemon.start({
      servers: { fx: shared },
      daemon: '[overload]\nbodies_max = "4MiB"\n[log]\nlevel = "info"\n',
    });
    const caller = await Caller.open(daemon, 'fx', daemon.key, 20);
    const told = await caller.flood(10, 500, 'echo', { text: 'x'.repeat(900_000) });
    assert.ok(told.some(isDone));
    assert.ok(
      told.some(({ status }) => status === 429),
      'one caller has more than its half',
    );
    assert.ok(told.every((one) => isDone(one) || wasSentAway(one) || one.status === 0));
    assert.equal((await caller.call('echo', { text: 'x' })).status, 200);
    caller.leave();
    assert.equal(await daemon.end(), 0);
    await verified(daemon, 'D-06');
  });
});

/** Asks for the health all the time, each time on a new connection. */
function watchHealth({ port }: TestDaemon): { stop: () => Promise<readonly number[]> } {
  const statuses: number[] = [];
  let on = true;
  const watching = (async () => {
    while (on) {
      statuses.push(
        await new Promise<number>((resolve) => {
          const outgoing = request({ port, host: '127.0.0.1', path: '/healthz', agent: false }, (res) => {
            res.resume();
            resolve(res.statusCode ?? 0);
          });
          outgoing.on('error', () => resolve(0));
          outgoing.end();
        }),
      );
      await sleep(50);
    }
  })();
  return {
    stop: async () => {
      on = false;
      await watching;
      return statuses;
    },
  };
}

function watchMemory(pid: number): { stop: () => number } {
  let most = memoryOf(pid);
  const timer = setInterval(() => (most = Math.max(most, memoryOf(pid))), 100);
  return {
    stop: () => {
      clearInterval(timer);
      return most;
    },
  };
}
