import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { usualCare } from '../../src/domain/care.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import { times } from '../support/faults.ts';
import {
  ask,
  callText,
  fleetOf,
  isAlive,
  openSession,
  passOf,
  request,
  resultOf,
  specOf,
  toolCall,
  until,
} from './support.ts';

const running: Fleet[] = [];
afterEach(() => Promise.all(running.splice(0).map((fleet) => fleet.stop())));

function start(more: Partial<ServerSpec> = {}): Fleet {
  const { fleet } = fleetOf();
  running.push(fleet);
  const care = { ...usualCare, start: 'wanted' as const };
  fleet.apply([specOf('answers', { sharing: 'all', care, ...more })]);
  return fleet;
}
const statusOf = (fleet: Fleet) => {
  const [status] = fleet.status();
  assert.ok(status !== undefined);
  return status;
};

describe('a server that is started when it is wanted', () => {
  for (const sharing of ['all', 'principal', 'session'] as const)
    it(`has no child before the first call, and that one is answered (${sharing})`, async () => {
      const fleet = start({ sharing, spare: sharing === 'session' ? 1 : 0 });
      await fleet.waitReady(1_000);
      const { state, asleep, children } = statusOf(fleet);
      assert.deepEqual([state, asleep, children], ['stopped', true, 0]);
      await openSession(fleet);
      // What it offers is known by now, so that calls are decided as they should be.
      assert.ok(statusOf(fleet).catalog?.tools.has('echo'));
      assert.equal(await callText(fleet, toolCall('echo', { text: 'awake' })), 'awake');
      assert.equal(statusOf(fleet).asleep, false);
    });

  it('is started by a listing, too, and many who come at once wait for one start', async () => {
    const fleet = start();
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask(fleet, request('tools/list'))));
    assert.equal(answers.length, 4);
    assert.deepEqual([statusOf(fleet).children, statusOf(fleet).restarts], [1, 0]);
  });

  it('sleeps again when nobody uses it, and wakes for the next', async () => {
    const fleet = start({ idleMs: 150 });
    assert.equal(await callText(fleet, toolCall('echo', { text: 'one' })), 'one');
    const { pid } = statusOf(fleet);
    await until(() => statusOf(fleet).asleep);
    assert.equal(isAlive(pid ?? 0), false);
    assert.equal(await callText(fleet, toolCall('echo', { text: 'two' })), 'two');
  });

  it('does not sleep while it works, however long, nor while somebody follows a resource', async () => {
    const fleet = start({ idleMs: 50 });
    assert.equal(await callText(fleet, toolCall('slow', { ms: 400 })), 'done');
    await openSession(fleet);
    resultOf(await fleet.forward(passOf(request('resources/subscribe', { uri: 'file:///ok.txt' })).pass));
    const { pid } = statusOf(fleet);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(statusOf(fleet).pid, pid);
    await fleet.endSession('A');
    await until(() => statusOf(fleet).asleep);
  });

  it('a call that comes in the instant in which it goes to sleep is answered by a fresh child, each time', async () => {
    const fleet = start({ idleMs: 1 });
    let woken = 0;
    let last: number | undefined;
    for (let at = 0; at < times(14, 400); at++) {
      assert.equal(await callText(fleet, toolCall('echo', { text: String(at) })), String(at));
      const { pid } = statusOf(fleet);
      if (pid !== last) woken++;
      last = pid;
      // From before the look to after the stop has begun.
      await new Promise((resolve) => setTimeout(resolve, at % 14));
    }
    assert.ok(woken > 1, 'it never slept');
  });

  it('that cannot start says so to the first who wants it', async () => {
    const fleet = start({
      command: '/nowhere/at/all',
      care: { ...usualCare, start: 'wanted', deathsMax: 0 },
    });
    await assert.rejects(
      ask(fleet, toolCall('echo')),
      (reason) => reason instanceof Fault && reason.code === 'UPSTREAM_DOWN',
    );
    assert.deepEqual([statusOf(fleet).state, statusOf(fleet).asleep], ['given-up', false]);
  });

  it('is new when its configuration has changed, and sleeps still', async () => {
    const fleet = start();
    await callText(fleet, toolCall('echo', { text: 'x' }));
    const { pid } = statusOf(fleet);
    fleet.apply([
      specOf('answers', { sharing: 'all', care: { ...usualCare, start: 'wanted' }, env: { NEW: '1' } }),
    ]);
    assert.equal(statusOf(fleet).asleep, true);
    const env = JSON.parse(await callText(fleet, toolCall('env'))) as Record<string, string>;
    assert.equal(env['NEW'], '1');
    assert.equal(isAlive(pid ?? 0), false, 'the old one was gone before');
  });
});
