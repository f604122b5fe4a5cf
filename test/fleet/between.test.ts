// What happens in between: while a child comes or goes, somebody changes, removes or restarts its server, or calls it.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { usualCare } from '../../src/domain/care.ts';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { ServerSpec } from '../../src/domain/orders.ts';
import type { Fleet } from '../../src/fleet/fleet.ts';
import { fault, statusOf } from './client.ts';
import {
  clientHello,
  fleetOf,
  isAlive,
  openSession,
  passOf,
  quickPace,
  request,
  resultOf,
  specOf,
  toolCall,
  until,
} from './support.ts';

const running: Fleet[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((fleet) => fleet.stop()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A log of who came and went, and servers that write there. */
function place(): {
  readonly named: (tag: string, how?: Record<string, string>, more?: Partial<ServerSpec>) => ServerSpec;
  readonly log: () => readonly string[];
  readonly alive: () => readonly string[];
} {
  const folder = mkdtempSync(join(tmpdir(), 'mcpd-between-'));
  folders.push(folder);
  const path = join(folder, 'log');
  const rows = () => {
    try {
      return readFileSync(path, 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' '));
    } catch {
      return [];
    }
  };
  return {
    named: (TAG, how = {}, more = {}) =>
      specOf('takes-its-time', { env: { TAG, LOG: path, ...how }, ...more }),
    log: () => rows().map(([tag, , what]) => `${tag} ${what}`),
    alive: () => [
      ...new Set(
        rows()
          .filter(([, pid]) => isAlive(Number(pid)))
          .map(([tag]) => tag as string),
      ),
    ],
  };
}

function fleet(specs: readonly ServerSpec[], more: Parameters<typeof fleetOf>[0] = {}): Fleet {
  const parts = fleetOf(more);
  running.push(parts.fleet);
  parts.fleet.apply(specs);
  return parts.fleet;
}

const hello = (it: Fleet, session: string) =>
  it.forward(passOf(request('initialize', clientHello), session).pass);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a session that opens while its server is changed', () => {
  it('starts no child of what was before', async () => {
    const { named, log, alive } = place();
    const it = fleet([named('old', { GREETS_MS: '300' }, { protocol: 'auto' })]);
    await until(() => log().includes('old came'));
    const opening = hello(it, 'S');
    opening.catch(() => undefined);
    it.apply([named('new', {}, { protocol: 'auto' })]);
    await assert.rejects(opening, fault('UPSTREAM_DOWN'));
    await it.waitReady(10_000);
    await until(() => !alive().includes('old'));
    assert.equal(log().filter((line) => line === 'old came').length, 1);
    assert.ok(await openSession(it, 'T'));
  });

  it('hears so when there is no process yet that could end', async () => {
    const { named } = place();
    let waits = false;
    const it = fleet([named('x')], {
      secretsFor: () => (waits ? pause(200).then(() => ({})) : Promise.resolve({})),
    });
    await it.waitReady(10_000);
    waits = true;
    const opening = hello(it, 'S');
    opening.catch(() => undefined);
    await pause(20);
    it.apply([]);
    await assert.rejects(opening, fault('UPSTREAM_DOWN'));
  });
});

describe('a session that takes a spare child', () => {
  it('hears so when that one was refused and no other comes', async () => {
    const { named } = place();
    let refuses = false;
    const admit = async () => {
      if (refuses) throw new Fault('UPSTREAM_DOWN', { detail: 'another package' });
    };
    const it = fleet([named('x', {}, { spare: 1 })], { admit });
    await it.waitReady(10_000);
    await until(() => it.status()[0]?.spares === 1);
    refuses = true;
    await hello(it, 'first');
    for (const session of ['second', 'third'])
      await assert.rejects(hello(it, session), fault('UPSTREAM_DOWN'));
  });
});

describe('two changes of a server, one soon after the other', () => {
  const slow = { LEAVES_MS: '400' };

  it('start the last one when the first one is gone', async () => {
    const { named, log } = place();
    const it = fleet([named('v1', slow)], { pace: { ...quickPace, stopStepMs: 2000 } });
    await it.waitReady(10_000);
    it.apply([named('v2', slow)]);
    it.apply([named('v3')]);
    await until(() => log().includes('v3 came'));
    assert.deepEqual(log(), ['v1 came', 'v1 went', 'v3 came']);
  });

  it('as when it is taken away and put back', async () => {
    const { named, log } = place();
    const it = fleet([named('v1', slow)], { pace: { ...quickPace, stopStepMs: 2000 } });
    await it.waitReady(10_000);
    it.apply([]);
    it.apply([named('v2')]);
    await until(() => log().includes('v2 came'));
    assert.deepEqual(log(), ['v1 came', 'v1 went', 'v2 came']);
  });
});

it('a restart that an operator asks for while mcpd ends starts nothing', async () => {
  const { named, log } = place();
  const it = fleet([named('x', { LEAVES_MS: '100' })]);
  await it.waitReady(10_000);
  const stopping = it.stop();
  await assert.rejects(it.restart('fx'), fault('DRAINING'));
  await stopping;
  await pause(100);
  assert.deepEqual(log(), ['x came', 'x went']);
});

it('secrets that change while a child is started with the old ones are given to it', async () => {
  const { named, log } = place();
  let token = 'old';
  let given = '';
  const back: unknown[] = [];
  let lets: () => void = () => undefined;
  const it = fleet([named('x', {}, { sharing: 'all' })], {
    secretsFor: async () => ({ TOKEN: token }),
    secretsBack: (secrets) => back.push(secrets['TOKEN']),
    admit: () => new Promise<void>((resolve) => (lets = resolve)),
    onReady: () => (given = token),
  });
  await pause(20);
  token = 'new';
  it.renew('fx', 'its secret was rotated', 1000);
  lets();
  await pause(20);
  lets();
  await it.waitReady(10_000);
  assert.deepEqual([back, given, log()], [['old'], 'new', ['x came']]);
});

describe('a call that comes before its server has listed its tools', () => {
  for (const sharing of ['all', 'session', 'principal'] as const)
    it(`waits until they are known (${sharing})`, async () => {
      const { named } = place();
      const it = fleet([named('x', { LISTS_MS: '150' }, { sharing })]);
      const held = it.hold('fx', new Halt());
      assert.ok(held !== undefined);
      (await held)();
      assert.equal(it.catalog('fx')?.tools.get('t')?.admits, 'destructive');
      assert.equal(it.hold('fx', new Halt()), undefined, 'and then no more');
    });

  it('does not wait for the other listings', async () => {
    const { named } = place();
    const it = fleet([named('x', { RESOURCES_MS: '60000' })]);
    await it.hold('fx', new Halt());
    assert.equal(it.catalog('fx')?.tools.get('t')?.admits, 'destructive');
    assert.equal(it.status()[0]?.catalog, undefined);
  });

  it('waits for the next child when the first one ends instead of listing', async () => {
    const { named, log } = place();
    const it = fleet([named('x', { DIES: '1', LISTS_MS: '100' })]);
    await it.hold('fx', new Halt());
    assert.equal(it.catalog('fx')?.tools.get('t')?.admits, 'destructive');
    assert.equal(log().filter((line) => line === 'x came').length, 2);
  });

  it('stops waiting when it is stopped', async () => {
    const { named } = place();
    const it = fleet([named('x', { LISTS_MS: '60000' })]);
    const halt = new Halt();
    const held = it.hold('fx', halt);
    halt.call('the caller went away');
    await held;
    assert.equal(it.catalog('fx'), undefined);
  });

  it('waits no longer than a start may take, nor for one that does not come', async () => {
    const { named } = place();
    const slow = fleet([named('x', { LISTS_MS: '60000' }, { startWithinMs: 200 })]);
    await slow.hold('fx', new Halt());
    assert.equal(slow.catalog('fx'), undefined);
    const admit = () => Promise.reject(new Fault('UPSTREAM_DOWN', { detail: 'another package' }));
    const refused = fleet([named('x')], { admit });
    await refused.hold('fx', new Halt());
    assert.equal(refused.hold('fx', new Halt()), undefined);
  });
});

it('a start that the system refuses for a moment is tried again, without anybody', async () => {
  const { named } = place();
  let tries = 0;
  const admit = (): Promise<void> => {
    if (++tries > 2) return Promise.resolve();
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    return Promise.reject(
      tries === 1 ? full : new Fault('CONFIG_INVALID', { detail: 'cannot be written', cause: full }),
    );
  };
  const { fleet: it, logged } = fleetOf({ admit });
  running.push(it);
  it.apply([named('x', {}, { sharing: 'all' })]);
  await it.waitReady(10_000);
  await until(() => statusOf(it).state === 'ready');
  assert.equal(tries, 3);
  assert.ok(logged.some(({ fields }) => JSON.stringify(fields).includes('no space left on device')));
});

it('a session that opens meanwhile is told at once, and the next one is served', async () => {
  const { named, alive } = place();
  let isFull = true;
  const admit = (): Promise<void> =>
    isFull
      ? Promise.reject(Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' }))
      : Promise.resolve();
  const { fleet: it } = fleetOf({ admit });
  running.push(it);
  it.apply([named('x', {}, { startWithinMs: 60_000 })]);
  await assert.rejects(openSession(it), fault('UPSTREAM_DOWN'));
  isFull = false;
  await openSession(it);
  await until(() => statusOf(it).state === 'ready');
  // Whoever was turned away left nothing that is tried again.
  await pause(100);
  assert.equal(alive().length, 1);
});

it('a listing that fails takes back nothing that a tool has said of itself', async () => {
  const { named } = place();
  const { fleet: it, logged } = fleetOf();
  running.push(it);
  it.apply([named('x', { FAILS_FROM: '2' }, { sharing: 'all' })]);
  await it.waitReady(10_000);
  await openSession(it);
  const before = it.catalog('fx')?.tools.get('t');
  assert.equal(before?.admits, 'destructive');
  resultOf(await it.forward(passOf(toolCall('t', { x: 1 })).pass));
  await until(() => logged.some(({ message }) => message.includes('listing failed')));
  await pause(20);
  assert.deepEqual(it.catalog('fx')?.tools.get('t'), before);
});

it('a spare child goes to sleep with its server, also when that sleeps already', async () => {
  const { named } = place();
  const care = { ...usualCare, start: 'wanted' } as const;
  const it = fleet([named('x', {}, { spare: 1, idleMs: 300, care })]);
  for (const session of ['A', 'B']) {
    await openSession(it, session);
    await it.endSession(session);
    await until(() => statusOf(it).children === 0);
  }
});
