// sharing = "principal": one child for each caller, that sleeps when nobody needs it and is back when somebody does.
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { Client, fault, Fleets, statusOf, untilTold, type Running } from './client.ts';
import { fleetOf, isAlive, notice, passOf, request, resultOf, specOf, toolCall, until } from './support.ts';

const fleets = new Fleets();
afterEach(() => fleets.stopAll());

const start = (more: object = {}): Running => fleets.start(['remembers', { sharing: 'principal', ...more }]);
const isAsleep = ({ fleet }: Running): boolean => statusOf(fleet).idle === 1;

describe('a child for each caller', () => {
  it('serves all sessions of its caller and nobody else’s', async () => {
    const running = start();
    const one = await Client.open(running, 'ana', 'A1');
    const two = await Client.open(running, 'ana', 'A2');
    const bob = await Client.open(running, 'bob', 'B');
    const [pid1, pid2, pidB] = (await Promise.all([one, two, bob].map((it) => it.told()))).map(
      ({ pid }) => pid,
    );
    assert.equal(pid1, pid2);
    assert.notEqual(pid1, pidB);
    assert.equal(statusOf(running.fleet).children, 3);
    await one.follow('x:/1');
    await bob.call('update', { uri: 'x:/1' });
    assert.deepEqual([one.news(), two.news(), bob.news()], [[], [], []]);
    await two.call('update', { uri: 'x:/1' });
    assert.deepEqual([one.news(), two.news(), bob.news()], [['x:/1'], [], []]);
  });

  it('is greeted by mcpd, asks nobody anything, and answers each client in its own revision', async () => {
    const running = fleets.start(['answers', { sharing: 'principal' }]);
    const ana = await Client.open(running, 'ana', 'A');
    const hello = await new Client(running, 'ana', 'A2').hello();
    assert.equal(hello['protocolVersion'], '2025-06-18');
    assert.deepEqual((hello['capabilities'] as { resources: object }).resources, {
      subscribe: true,
      listChanged: true,
    });
    assert.match(await ana.call('ask_sampling'), /-32601/);
  });

  it('of one caller may say that its tools changed to that caller’s sessions only', async () => {
    const running = fleets.start(['answers', { sharing: 'principal' }]);
    const one = await Client.open(running, 'ana', 'A1');
    const two = await Client.open(running, 'ana', 'A2');
    const bob = await Client.open(running, 'bob', 'B');
    await one.call('change_tools');
    const changed = 'notifications/tools/list_changed';
    await until(() => one.heard(changed).length === 1);
    assert.deepEqual([two.heard(changed).length, bob.heard(changed).length], [1, 0]);
  });

  it('that dies fails its own caller’s calls and comes back by itself', async () => {
    const running = start();
    const ana = await Client.open(running, 'ana', 'A');
    const bob = await Client.open(running, 'bob', 'B');
    const waiting = bob.call('wait', { ms: 100 });
    await assert.rejects(ana.call('die'), fault('UPSTREAM_DIED'));
    assert.equal(await waiting, 'waited');
    assert.equal(await ana.call('echo', { data: 'back' }), 'back');
    assert.equal(statusOf(running.fleet).restarts, 1);
  });

  it('is no more than so many, those without a session give way, and one that comes back is never turned away', async () => {
    const running = start({ childrenMax: 2 });
    const ana = await Client.open(running, 'ana', 'A');
    const bob = await Client.open(running, 'bob', 'B');
    await assert.rejects(Client.open(running, 'eve', 'E'), fault('TOO_MANY'));
    const { pid } = await bob.told();
    await bob.end();
    const eve = await Client.open(running, 'eve', 'E');
    assert.equal(isAlive(pid), false);
    assert.equal(await eve.call('echo', { data: 'e' }), 'e');
    await assert.rejects(Client.open(running, 'bob', 'B2'), fault('TOO_MANY'));
    assert.equal(await ana.call('echo', { data: 'a' }), 'a');
    // The standing child has no place among them.
    assert.equal(statusOf(running.fleet).children, 3);
  });

  it('of a server that was given up is not tried for each caller anew', async () => {
    const running = fleets.start(['exits-at-once', { sharing: 'principal' }]);
    await until(() => statusOf(running.fleet).state === 'given-up');
    const starts = statusOf(running.fleet).restarts;
    await assert.rejects(Client.open(running, 'ana', 'A'), fault('UPSTREAM_DOWN'));
    assert.equal(statusOf(running.fleet).restarts, starts);
  });

  it('that refuses its greeting refuses its caller, and the caller’s place is free again', async () => {
    const running = start({ env: { HELLO: 'refused' }, childrenMax: 1, startWithinMs: 300 });
    for (const caller of ['ana', 'bob'])
      await assert.rejects(Client.open(running, caller, caller), fault('UPSTREAM_DOWN'));
    assert.ok(statusOf(running.fleet).children <= 2);
  });

  it('gone with the daemon fails what it had, and starts no more', async () => {
    const running = start();
    const ana = await Client.open(running, 'ana', 'A');
    const waiting = assert.rejects(ana.call('wait', { ms: 60_000 }), fault('UPSTREAM_DIED'));
    await until(() => statusOf(running.fleet).inFlight === 1);
    const { pid } = await ana.told();
    await running.fleet.stop();
    await waiting;
    assert.equal(isAlive(pid), false);
    await assert.rejects(ana.call('echo'), fault('DRAINING'));
  });
});

describe('a child that nobody uses', () => {
  it('is stopped, and the next message finds a new one that knows what the sessions wanted', async () => {
    const running = start({ idleMs: 80 });
    const ana = await Client.open(running, 'ana', 'A');
    await ana.setLevel('warning');
    const { pid } = await ana.told();
    await until(() => isAsleep(running));
    assert.equal(isAlive(pid), false);
    assert.equal(statusOf(running.fleet).children, 1);
    assert.equal(await ana.call('echo', { data: 'awake' }), 'awake');
    await untilTold(ana, ['level warning']);
    assert.notEqual((await ana.told()).pid, pid);
    assert.deepEqual([statusOf(running.fleet).idle, statusOf(running.fleet).restarts], [0, 0]);
  });

  it('is woken by a new session of its caller, too', async () => {
    const running = start({ idleMs: 50 });
    await Client.open(running, 'ana', 'A1');
    await until(() => isAsleep(running));
    const two = await Client.open(running, 'ana', 'A2');
    assert.equal(await two.call('echo', { data: '2' }), '2');
  });

  it('is not stopped while a call is under way, nor while a session follows a resource', async () => {
    const running = start({ idleMs: 40 });
    const ana = await Client.open(running, 'ana', 'A');
    assert.equal(await ana.call('wait', { ms: 300 }), 'waited');
    await ana.follow('x:/1');
    const { pid } = await ana.told();
    // As long as it takes another caller's child to fall asleep, twice.
    const bob = await Client.open(running, 'bob', 'B');
    for (let nights = 0; nights < 2; nights++) {
      await until(() => isAsleep(running));
      await bob.call('echo', { data: '' });
    }
    assert.equal((await ana.told()).pid, pid);
    await ana.unfollow('x:/1');
    await until(() => statusOf(running.fleet).idle === 2);
    assert.equal(isAlive(pid), false);
  });

  it('keeps its place while its caller has a session, and gives it up after the last', async () => {
    const running = start({ idleMs: 40, childrenMax: 1 });
    const ana = await Client.open(running, 'ana', 'A');
    await until(() => isAsleep(running));
    await assert.rejects(Client.open(running, 'bob', 'B'), fault('TOO_MANY'));
    await ana.end();
    await until(() => statusOf(running.fleet).idle === 0);
    await Client.open(running, 'bob', 'B');
  });

  it('is not woken by what is no request', async () => {
    const running = start({ idleMs: 40 });
    const ana = await Client.open(running, 'ana', 'A');
    await until(() => isAsleep(running));
    assert.equal(
      await running.fleet.forward(ana.pass(notice('notifications/roots/list_changed')).pass),
      undefined,
    );
    assert.equal(
      await running.fleet.forward(passOf(notice('notifications/initialized'), 'N', undefined, 'nobody').pass),
      undefined,
    );
    assert.deepEqual([statusOf(running.fleet).idle, statusOf(running.fleet).children], [1, 1]);
  });

  it('fails no call, whenever the call comes', async () => {
    // So short that a child is stopped and started over and over under a stream of calls from three sessions.
    const running = start({ idleMs: 1, concurrency: 4, waitingMax: 0 });
    const clients = await Promise.all(['1', '2', '3'].map((it) => Client.open(running, 'ana', `A${it}`)));
    const pids = new Set<number>();
    for (let round = 0; round < 25; round++) {
      await Promise.all(
        clients.map(async (client, at) => {
          for (let turn = 0; turn < round % 7; turn++)
            await new Promise((resolve) => setTimeout(resolve, at));
          if ((round + at) % 5 === 0)
            assert.ok(resultOf(await client.setLevel(round % 2 === 0 ? 'error' : 'debug')));
          pids.add((await client.told()).pid);
        }),
      );
    }
    assert.ok(pids.size > 3, `only ${pids.size} children`);
    assert.equal(statusOf(running.fleet).restarts, 0);
  });

  it('that takes its time to leave is waited for, and then its successor', async () => {
    const parts = fleets.start([
      'ignores-sigterm',
      { sharing: 'principal', idleMs: 20, answerWithinMs: 5000 },
    ]);
    const ana = await Client.open(parts, 'ana', 'A');
    await until(() => statusOf(parts.fleet).children === 1 || statusOf(parts.fleet).idle === 1);
    assert.ok(resultOf(await parts.fleet.forward(ana.pass(toolCall('x')).pass)));
  });

  it('stops waiting for its return when it is cancelled', async () => {
    const running = fleets.start(['slow-start', { sharing: 'principal', env: { START_MS: '60000' } }]);
    const { pass, call } = passOf(request('initialize', {}), 'A', undefined, 'ana');
    const opening = running.fleet.forward(pass);
    setImmediate(() => call.halt.call('cancelled by the caller'));
    await assert.rejects(opening, fault('CANCELLED'));
  });
});

describe('a new configuration', () => {
  for (const sharing of ['principal', 'all'] as const) {
    it(`with sharing = "${sharing}" leaves sessions, subscriptions and levels as they were`, async () => {
      const running = fleetOf();
      const spec = specOf('remembers', { sharing });
      running.fleet.apply([spec]);
      try {
        const ana = await Client.open(running, 'ana', 'A');
        const bob = await Client.open(running, 'ana', 'B');
        await ana.follow('x:/1');
        await bob.setLevel('error');
        const { pid } = await ana.told();
        running.fleet.apply([{ ...spec, env: { NEW: '1' } }]);
        await untilTold(bob, ['subscribe x:/1', 'level info']);
        assert.notEqual((await bob.told()).pid, pid);
        await bob.call('update', { uri: 'x:/1' });
        assert.deepEqual([ana.news(), bob.news()], [['x:/1'], []]);
        await ana.end();
        await untilTold(bob, ['subscribe x:/1', 'level info', 'unsubscribe x:/1', 'level error']);
      } finally {
        await running.fleet.stop();
      }
    });
  }
});
