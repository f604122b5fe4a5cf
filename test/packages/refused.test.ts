import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import { fleetOf, openSession, specOf, until } from '../fleet/support.ts';

let fleets: Fleet[] = [];
afterEach(async () => {
  await Promise.all(fleets.map((fleet) => fleet.stop()));
  fleets = [];
});

const no = () => new Fault('UPSTREAM_DOWN', { detail: 'another program', hint: 'put it back' });

test('a server that may not be started is refused with what to mend, holds nobody up, and is asked about again', async () => {
  let good = false;
  const asked: string[] = [];
  const { fleet, logged } = fleetOf({
    admit: async ({ name }) => {
      asked.push(name);
      if (name === 'fx' && !good) throw no();
    },
  });
  fleets.push(fleet);
  const specs = [specOf('answers'), specOf('answers', { name: 'other' })];
  fleet.apply(specs);
  await fleet.waitReady(10_000);
  const states = () => fleet.status().map(({ state, because }) => [state, because]);
  assert.deepEqual(states(), [
    ['refused', 'another program; put it back'],
    ['ready', undefined],
  ]);
  assert.equal(fleet.status()[0]?.children, 0, 'no process was started');
  assert.ok(logged.some(({ level, message }) => level === 'error' && message === 'fx is refused'));
  await assert.rejects(openSession(fleet), { code: 'UPSTREAM_DOWN', hint: 'put it back' });

  fleet.apply(specs);
  await fleet.waitReady(10_000);
  assert.equal(fleet.status()[0]?.state, 'refused');
  await fleet.restart('fx');
  await fleet.waitReady(10_000);
  assert.equal(fleet.status()[0]?.state, 'refused');
  good = true;
  fleet.apply(specs);
  await fleet.waitReady(10_000);
  assert.deepEqual(states(), [
    ['ready', undefined],
    ['ready', undefined],
  ]);
  assert.ok(asked.length >= 5);
});

test('every child is asked about, also the one of a session, and the one that comes after a death', async () => {
  let good = true;
  const readies: string[] = [];
  const { fleet } = fleetOf({
    admit: () => (good ? Promise.resolve() : Promise.reject(no())),
    onReady: ({ name }) => readies.push(name),
  });
  fleets.push(fleet);
  fleet.apply([specOf('answers')]);
  await fleet.waitReady(10_000);
  await openSession(fleet, 'A');
  assert.deepEqual(readies, ['fx', 'fx']);
  good = false;
  await assert.rejects(openSession(fleet, 'B'), { code: 'UPSTREAM_DOWN' });
  process.kill(fleet.status()[0]?.pid ?? 0, 'SIGKILL');
  await until(() => fleet.status()[0]?.state === 'refused');
});
