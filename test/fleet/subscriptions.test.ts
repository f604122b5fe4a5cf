// Several sessions, one child that knows only one client: it hears of each resource once, and its news go to who asked for them.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { followedMax } from '../../src/fleet/members.ts';
import { puppet } from '../rounds/bench.ts';
import { modern } from '../rounds/support.ts';
import { Client, fault, Fleets, statusOf, untilTold, type Running } from './client.ts';
import { errorOf, quickPace, resultOf, until } from './support.ts';

const fleets = new Fleets();
const folders: string[] = [];
afterEach(async () => {
  await fleets.stopAll();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const shared = (more: object = {}): Running => fleets.start(['remembers', { sharing: 'all', ...more }]);
const pair = async (running: Running): Promise<[Client, Client]> => {
  await running.fleet.waitReady(10_000);
  return [await Client.open(running, 'ana', 'A'), await Client.open(running, 'bob', 'B')];
};

describe('subscriptions to a child that several sessions share', () => {
  it('the child hears the first who follows a resource and the last who stops', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    for (const client of [ana, bob, ana]) assert.deepEqual(resultOf(await client.follow('x:/1')), {});
    assert.deepEqual((await ana.told()).told, ['subscribe x:/1']);
    for (const client of [ana, ana]) assert.deepEqual(resultOf(await client.unfollow('x:/1')), {});
    assert.deepEqual((await ana.told()).told, ['subscribe x:/1']);
    await bob.unfollow('x:/1');
    await bob.follow('x:/1');
    assert.deepEqual((await ana.told()).told, ['subscribe x:/1', 'unsubscribe x:/1', 'subscribe x:/1']);
  });

  it('a stream of a modern client that is refused gives back what it followed until then', async () => {
    const running = fleets.start([
      'answers',
      { args: [puppet], sharing: 'all', protocol: 'legacy', env: { PUPPET_ERA: 'legacy' } },
    ]);
    await running.fleet.waitReady(10_000);
    const uri = (n: number) => `x:/${n}/${'x'.repeat(60_000)}`;
    const listen = (...uris: readonly string[]) =>
      modern({
        method: 'subscriptions/listen',
        params: { notifications: { resourceSubscriptions: [...uris] } },
      });
    const many = Array.from({ length: followedMax.uriChars / 60_000 + 1 }, (_, n) => uri(n));
    await assert.rejects(running.fleet.forward(listen(...many).pass), fault('TOO_MANY'));
    const { pass, call, halt } = listen(uri(1000));
    const stream = running.fleet.forward(pass);
    await until(() => running.upcalls.some(({ callId }) => callId === call.id));
    halt.call('the caller went away');
    await assert.rejects(stream, fault('CANCELLED'));
  });

  it('a stream of a modern client ends in good order when its server is taken away', async () => {
    const running = fleets.start([
      'answers',
      { args: [puppet], sharing: 'all', protocol: 'legacy', env: { PUPPET_ERA: 'legacy' } },
    ]);
    await running.fleet.waitReady(10_000);
    const filter = { notifications: { toolsListChanged: true } };
    const { pass, call } = modern({ method: 'subscriptions/listen', params: filter });
    const stream = running.fleet.forward(pass);
    await until(() => running.upcalls.some(({ callId }) => callId === call.id));
    await running.fleet.stop();
    assert.equal(resultOf(await stream)['resultType'], 'complete');
  });

  it('a session that ends gives back what only it followed', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    for (const uri of ['x:/both', 'x:/ana']) await ana.follow(uri);
    await bob.follow('x:/both');
    await ana.end();
    await untilTold(bob, ['subscribe x:/both', 'subscribe x:/ana', 'unsubscribe x:/ana']);
    await bob.call('update', { uri: 'x:/both' });
    assert.deepEqual([ana.news(), bob.news()], [[], ['x:/both']]);
  });

  it('news go to the sessions that follow the resource or what contains it, and to nobody else', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    await ana.follow('x:/a');
    await bob.follow('x:/b');
    const { dropped } = statusOf(running.fleet);
    for (const uri of ['x:/a', 'x:/a/1', 'x:/ab', 'x:/b', 'x:/c']) await bob.call('update', { uri });
    await bob.call('notify', { method: 'notifications/resources/updated', params: { uri: 7 } });
    await bob.call('notify', { method: 'notifications/resources/updated' });
    assert.deepEqual(ana.news(), ['x:/a', 'x:/a/1']);
    assert.deepEqual(bob.news(), ['x:/b']);
    assert.equal(statusOf(running.fleet).dropped, dropped + 4);
  });

  it('news that come in one piece with the answer reach the session that just subscribed', async () => {
    const [ana, bob] = await pair(shared());
    await ana.follow('eager:/1');
    assert.deepEqual([ana.news(), bob.news()], [['eager:/1'], []]);
  });

  it('a refusal is the answer of whoever asked, and nobody follows anything after it', async () => {
    const [ana, bob] = await pair(shared());
    assert.equal(errorOf(await ana.follow('refused:/1'))['code'], -32002);
    assert.equal(errorOf(await bob.follow('refused:/1'))['code'], -32002);
    await ana.call('update', { uri: 'refused:/1' });
    assert.deepEqual([ana.news(), bob.news()], [[], []]);
    assert.equal((await ana.told()).told.length, 2);
  });

  it('many who come and go at once leave the child where the last one left it', async () => {
    const running = shared({ concurrency: 64 });
    const clients = await Promise.all(
      Array.from({ length: 12 }, (_, at) => Client.open(running, `caller${at % 3}`, `s${at}`)),
    );
    for (let round = 0; round < 5; round++)
      await Promise.all(
        clients.flatMap((client, at) => [
          client.follow('slow:/1'),
          ...((round + at) % 2 === 0 ? [client.unfollow('slow:/1'), client.follow('slow:/1')] : []),
          ...(at === 0 ? [] : [client.unfollow('slow:/1')]),
        ]),
      );
    const { told } = await (clients[0] as Client).told();
    // They alternate: never twice the same in a row, and the last word is that somebody follows it.
    assert.deepEqual(
      told,
      told.map((_, at) => (at % 2 === 0 ? 'subscribe slow:/1' : 'unsubscribe slow:/1')),
    );
    assert.equal(told.at(-1), 'subscribe slow:/1');
    await (clients[1] as Client).call('update', { uri: 'slow:/1' });
    assert.deepEqual(
      clients.map((client) => client.news().length),
      clients.map((_, at) => (at === 0 ? 1 : 0)),
    );
  });

  it('a session that ends while its subscription is under way leaves nothing behind', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    const { pass, call } = ana.pass({
      kind: 'request',
      id: 9,
      method: 'resources/subscribe',
      params: '{"uri":"slow:/1"}' as never,
    });
    const following = running.fleet.forward(pass);
    await untilTold(bob, ['subscribe slow:/1']);
    call.halt.call('session ended');
    await ana.end();
    await assert.rejects(following, fault('CANCELLED'));
    await bob.call('update', { uri: 'slow:/1' });
    assert.deepEqual([ana.news(), bob.news()], [[], []]);
    // Who comes next asks anew, whatever the child made of the one before.
    await bob.follow('slow:/1');
    assert.equal((await bob.told()).told.filter((it) => it === 'subscribe slow:/1').length, 2);
  });

  it('a straggler of a session that has ended does not make it live again', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    await ana.end();
    const { pass, call } = ana.pass({
      kind: 'request',
      id: 9,
      method: 'resources/subscribe',
      params: '{"uri":"x:/1"}' as never,
    });
    call.halt.call('session ended');
    await assert.rejects(running.fleet.forward(pass), fault('CANCELLED'));
    await bob.call('update', { uri: 'x:/1' });
    assert.deepEqual([(await bob.told()).told, ana.news()], [[], []]);
    // Only where there is one session can such a line be told.
    await bob.call('say_later', { data: 'bob is alone', ms: 10 });
    await until(() => bob.lines().length === 1);
  });

  it('a new child follows what the old one did, and is told nothing twice', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    for (const uri of ['x:/1', 'x:/2', 'x:/gone']) await ana.follow(uri);
    await bob.follow('x:/2');
    await ana.unfollow('x:/gone');
    const { pid } = await ana.told();
    await assert.rejects(bob.call('die'), fault('UPSTREAM_DIED'));
    await untilTold(bob, ['subscribe x:/1', 'subscribe x:/2']);
    assert.notEqual((await bob.told()).pid, pid);
    await bob.follow('x:/1');
    await bob.call('update', { uri: 'x:/2' });
    assert.deepEqual([ana.news(), bob.news()], [['x:/2'], ['x:/2']]);
    assert.equal((await bob.told()).told.length, 2);
  });

  it('what a new child refuses nobody follows any more, and that is said once', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'mcpd-sharing-'));
    folders.push(folder);
    const running = shared({ env: { MARK: path.join(folder, 'mark') } });
    const [ana, bob] = await pair(running);
    await ana.follow('once:/1');
    await ana.follow('x:/1');
    await assert.rejects(bob.call('die'), fault('UPSTREAM_DIED'));
    await untilTold(bob, ['subscribe once:/1', 'subscribe x:/1']);
    const said = 'a child is not as its sessions want it';
    await until(() => running.logged.some(({ message }) => message === said));
    await bob.call('update', { uri: 'once:/1' });
    assert.deepEqual(ana.news(), []);
    assert.equal(errorOf(await ana.follow('once:/1'))['code'], -32002);
    assert.equal(running.logged.filter(({ message }) => message === said).length, 1);
  });

  it('a child that dies of a subscription fails that call, and does not die of it again', async () => {
    const running = shared();
    const [ana, bob] = await pair(running);
    await bob.follow('x:/1');
    await assert.rejects(ana.follow('die:/1'), fault('UPSTREAM_DIED'));
    await untilTold(bob, ['subscribe x:/1']);
    assert.equal(statusOf(running.fleet).restarts, 1);
  });

  it('a subscription that is never answered ends in time, and holds up nothing but its own resource', async () => {
    const running = shared({ answerWithinMs: 300 });
    const [ana, bob] = await pair(running);
    const never = [ana.follow('never:/1'), bob.follow('never:/1')];
    const ends = Promise.all(never.map((it) => assert.rejects(it, (reason) => !fault('BUG')(reason))));
    assert.deepEqual(resultOf(await bob.follow('x:/1')), {});
    await ends;
    await bob.call('update', { uri: 'never:/1' });
    assert.deepEqual([ana.news(), bob.news()], [[], []]);
  });

  it('a storm stops at the bound of one session, costs nobody else a place, and is swept up at its end', async () => {
    const running = shared({ concurrency: 64, waitingMax: 2000 });
    const [ana, bob] = await pair(running);
    const storm = await Promise.allSettled(
      Array.from({ length: followedMax.perSession + 50 }, (_, at) => ana.follow(`x:/${at}`)),
    );
    const refused = storm.filter((it) => it.status === 'rejected');
    assert.equal(refused.length, 50);
    for (const { reason } of refused) assert.ok(fault('TOO_MANY')(reason));
    assert.deepEqual(resultOf(await bob.follow('x:/0')), {});
    await ana.end();
    const all = Array.from({ length: followedMax.perSession }, (_, at) => `subscribe x:/${at}`);
    await untilTold(bob, [...all, ...all.slice(1).map((it) => `un${it}`)]);
  });

  it('a session whose storm nobody answers is forgotten without a thousand waits', async () => {
    const running = shared({ answerWithinMs: 200, pace: quickPace });
    const [ana, bob] = await pair(running);
    for (const uri of ['x:/1', 'x:/2', 'x:/3']) await ana.follow(uri);
    // It no longer answers when they are given back.
    const pid = statusOf(running.fleet).pid as number;
    process.kill(pid, 'SIGSTOP');
    await ana.end();
    await assert.rejects(bob.follow('x:/4'), fault('UPSTREAM_TIMEOUT'));
    process.kill(pid, 'SIGCONT');
    await until(() => statusOf(running.fleet).inFlight === 0);
    // It was asked to take back the first one and no more; who follows the others asks anew.
    assert.deepEqual(resultOf(await bob.follow('x:/2')), {});
    const { told } = await bob.told();
    assert.deepEqual(
      told.filter((it) => it.startsWith('un') || it.endsWith('2')),
      ['subscribe x:/2', 'unsubscribe x:/1', 'subscribe x:/2'],
    );
    await bob.call('update', { uri: 'x:/2' });
    assert.deepEqual([ana.news(), bob.news()], [[], ['x:/2']]);
  });
});

describe('subscriptions to a child of one session', () => {
  it('go straight through, and a new child is told the level and the subscriptions of the old one', async () => {
    const running = fleets.start(['remembers', {}]);
    const ana = await Client.open(running, 'ana', 'A');
    for (const uri of ['x:/1', 'x:/1', 'x:/2', 'x:/3', 'refused:/1']) await ana.follow(uri);
    await ana.unfollow('x:/2');
    await ana.setLevel('warning');
    assert.equal((await ana.told()).told.length, 7);
    await assert.rejects(ana.call('die'), fault('UPSTREAM_DIED'));
    await untilTold(ana, ['level warning', 'subscribe x:/1', 'subscribe x:/3']);
    assert.equal((await ana.told()).level, 'warning');
  });
});
