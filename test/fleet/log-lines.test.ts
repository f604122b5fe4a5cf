// A log line does not say whose it is. In a child that several sessions share it is told only to whom it cannot but belong.
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { Client, fault, Fleets, statusOf, untilTold, type Running } from './client.ts';
import { errorOf, resultOf, until } from './support.ts';

const fleets = new Fleets();
afterEach(() => fleets.stopAll());

const start = (sharing: 'principal' | 'all', more: object = {}): Running =>
  fleets.start(['remembers', { sharing, ...more }]);

describe('log lines of a child that all callers share', () => {
  it('are told to the session whose calls are the only ones, while the child has worked for nobody else', async () => {
    const running = start('all');
    const ana = await Client.open(running, 'ana', 'A');
    const bob = await Client.open(running, 'bob', 'B');
    await ana.call('say', { data: 'a' });
    assert.deepEqual([ana.lines(), bob.lines()], [['a'], []]);
  });

  it('are told to nobody once the child has worked for a second caller, and are counted', async () => {
    const running = start('all');
    const ana = await Client.open(running, 'ana', 'A');
    const bob = await Client.open(running, 'bob', 'B');
    await ana.call('say', { data: 'a' });
    await bob.call('echo', { data: 'b' });
    const { dropped } = statusOf(running.fleet);
    await ana.call('say', { data: 'whose?' });
    await bob.call('say', { data: 'whose?' });
    assert.deepEqual([ana.lines(), bob.lines()], [['a'], []]);
    assert.equal(statusOf(running.fleet).dropped, dropped + 2);
  });

  it('do not tell one caller what the child still does for another after its answer', async () => {
    const running = start('all');
    const ana = await Client.open(running, 'ana', 'A');
    const bob = await Client.open(running, 'bob', 'B');
    await bob.call('say_later', { data: 'of bob', ms: 50 });
    const { dropped } = statusOf(running.fleet);
    await ana.call('wait', { ms: 150 });
    await until(() => statusOf(running.fleet).dropped === dropped + 1);
    assert.deepEqual([ana.lines(), bob.lines()], [[], []]);
  });

  it('do not tell one caller what the child still does for another who gave up or has gone', async () => {
    const running = start('all');
    const ana = await Client.open(running, 'ana', 'A');
    const bob = await Client.open(running, 'bob', 'B');
    const { pass, call } = bob.pass({
      kind: 'request',
      id: 1,
      method: 'tools/call',
      params: '{"name":"say_later","arguments":{"data":"of bob","ms":80}}' as never,
    });
    const given = running.fleet.forward(pass);
    setImmediate(() => call.halt.call('cancelled by the caller'));
    await given.catch(() => undefined);
    await bob.end();
    const { dropped } = statusOf(running.fleet);
    await ana.call('wait', { ms: 150 });
    await until(() => statusOf(running.fleet).dropped > dropped);
    assert.deepEqual(ana.lines(), []);
  });

  it('go to one session of a caller that has several, and only when no second one can be meant', async () => {
    const running = start('all');
    const one = await Client.open(running, 'ana', 'A1');
    await one.call('say_later', { data: 'alone', ms: 10 });
    await until(() => one.lines().length === 1);
    const two = await Client.open(running, 'ana', 'A2');
    await one.call('say', { data: 'one calls' });
    await two.call('say', { data: 'two calls' });
    const waiting = two.call('wait', { ms: 100 });
    await one.call('say', { data: 'both call' });
    await waiting;
    await one.call('say_later', { data: 'nobody calls', ms: 10 });
    const { dropped } = statusOf(running.fleet);
    await until(() => statusOf(running.fleet).dropped > dropped);
    assert.deepEqual([one.lines(), two.lines()], [['alone', 'one calls'], ['two calls']]);
  });

  it('after a restart the child has worked for those whose subscriptions it was given', async () => {
    const running = start('all');
    const ana = await Client.open(running, 'ana', 'A');
    const bob = await Client.open(running, 'bob', 'B');
    await bob.follow('x:/1');
    await assert.rejects(ana.call('die'), fault('UPSTREAM_DIED'));
    await untilTold(ana, ['subscribe x:/1']);
    await ana.call('say', { data: 'about x:/1, perhaps' });
    assert.deepEqual(ana.lines(), []);
    await bob.unfollow('x:/1');
    await assert.rejects(ana.call('die'), fault('UPSTREAM_DIED'));
    await ana.call('say', { data: 'a' });
    assert.deepEqual([ana.lines(), bob.lines()], [['a'], []]);
  });

  it('the same holds for every other message that names nothing', async () => {
    const running = start('all');
    const ana = await Client.open(running, 'ana', 'A');
    const bob = await Client.open(running, 'bob', 'B');
    const method = 'notifications/of-its-own';
    await ana.call('notify', { method, params: { n: 1 } });
    await bob.call('echo', { data: 'b' });
    await ana.call('notify', { method, params: { n: 2 } });
    assert.deepEqual([ana.heard(method), bob.heard(method)], [['{"n":1}'], []]);
  });
});

describe('log lines of a child that one caller has', () => {
  it('go to that caller only: to the session of its newest call, else to its newest session', async () => {
    const running = start('principal');
    const bob = await Client.open(running, 'bob', 'B');
    const one = await Client.open(running, 'ana', 'A1');
    const two = await Client.open(running, 'ana', 'A2');
    const waiting = two.call('wait', { ms: 60 });
    await one.call('say', { data: 'one is newer' });
    await waiting;
    await one.call('say_later', { data: 'two came last', ms: 20 });
    await until(() => two.lines().length === 1);
    await two.end();
    await one.call('say_later', { data: 'two has gone', ms: 20 });
    await until(() => one.lines().length === 2);
    assert.deepEqual(one.lines(), ['one is newer', 'two has gone']);
    assert.deepEqual([two.lines(), bob.lines()], [['two came last'], []]);
  });

  it('that nobody is there to hear are dropped', async () => {
    const running = start('principal');
    const ana = await Client.open(running, 'ana', 'A');
    await ana.call('say_later', { data: 'too late', ms: 60 });
    await ana.end();
    const { dropped } = statusOf(running.fleet);
    await until(() => statusOf(running.fleet).dropped === dropped + 1);
    assert.deepEqual(ana.lines(), []);
  });
});

for (const sharing of ['principal', 'all'] as const) {
  describe(`the log level with sharing = "${sharing}"`, () => {
    const three = async (running: Running) =>
      [
        await Client.open(running, 'ana', 'A1'),
        await Client.open(running, 'ana', 'A2'),
        await Client.open(running, 'ana', 'A3'),
      ] as const;

    it('of the child is the most verbose that any session wants; one that has said nothing wants info', async () => {
      const [one, two, three_] = await three(start(sharing));
      assert.deepEqual((await one.told()).told, []);
      await one.setLevel('error');
      await two.setLevel('critical');
      assert.deepEqual((await one.told()).told, ['level info']);
      await three_.setLevel('warning');
      await one.setLevel('debug');
      await one.setLevel('error');
      assert.deepEqual((await one.told()).told, [
        'level info',
        'level warning',
        'level debug',
        'level warning',
      ]);
    });

    it('of a session is what it hears: not less severe lines, and all that are at least as severe', async () => {
      const [one, two] = await three(start(sharing));
      await one.setLevel('debug');
      await two.setLevel('error');
      for (const level of ['debug', 'info', 'error', 'emergency', 'nonsense'])
        for (const client of [one, two]) await client.call('say', { level, data: level });
      assert.deepEqual(one.lines(), ['debug', 'info', 'error', 'emergency']);
      assert.deepEqual(two.lines(), ['error', 'emergency']);
    });

    it('counts from the first line that comes after it, in one piece with the answer or not', async () => {
      const one = await Client.open(start(sharing, { env: { LEVEL: 'eager' } }), 'ana', 'A1');
      await one.setLevel('error');
      await one.setLevel('debug');
      assert.deepEqual(one.lines(), ['at error', 'at debug']);
    });

    it('of a session that has said nothing is the child’s own until another speaks, then info', async () => {
      const [one, two] = await three(start(sharing));
      await one.call('say', { level: 'debug', data: 'before' });
      await two.setLevel('debug');
      for (const level of ['debug', 'info']) await one.call('say', { level, data: level });
      assert.deepEqual(one.lines(), ['before', 'info']);
    });

    it('goes with the session that wanted it, and comes when one arrives that wants more', async () => {
      const running = start(sharing);
      const one = await Client.open(running, 'ana', 'A1');
      await one.setLevel('error');
      const two = await Client.open(running, 'ana', 'A2');
      await untilTold(one, ['level error', 'level info']);
      await two.setLevel('debug');
      await two.end();
      await untilTold(one, ['level error', 'level info', 'level debug', 'level error']);
    });

    it('is told to a new child', async () => {
      const [one, two] = await three(start(sharing));
      await one.setLevel('warning');
      await two.setLevel('notice');
      await assert.rejects(one.call('die'), fault('UPSTREAM_DIED'));
      await untilTold(one, ['level info']);
      assert.equal((await one.told()).level, 'info');
    });

    it('that is none is refused here, and the child never hears of it', async () => {
      const [one] = await three(start(sharing));
      for (const level of ['loud', '', 7, null, ['debug']])
        assert.equal(errorOf(await one.request('logging/setLevel', { level }))['code'], -32602);
      assert.equal(errorOf(await one.request('logging/setLevel'))['code'], -32602);
      assert.deepEqual((await one.told()).told, []);
    });

    it('that the child refuses leaves everybody as they were', async () => {
      const [one, two] = await three(start(sharing, { env: { LEVEL: 'refused' } }));
      assert.equal(errorOf(await one.setLevel('error'))['code'], -32603);
      assert.equal(errorOf(await two.setLevel('debug'))['code'], -32603);
      await one.call('say', { level: 'debug', data: 'heard' });
      assert.deepEqual(one.lines(), ['heard']);
    });

    it('asked for by many at once ends where they all agree', async () => {
      const running = start(sharing);
      const clients = await three(running);
      for (let round = 0; round < 4; round++)
        await Promise.all(
          clients.flatMap((client, at) =>
            ['debug', 'error', at === 0 ? 'notice' : 'critical'].map(async (level) =>
              assert.deepEqual(resultOf(await client.setLevel(level)), {}),
            ),
          ),
        );
      assert.equal((await clients[0].told()).level, 'notice');
    });
  });
}
