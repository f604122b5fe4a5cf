import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { Grant, Orders, Switches } from '../../src/domain/orders.ts';
import { Fault } from '../../src/domain/faults.ts';
import { reloader, type Loaded, type Reloadable } from '../../src/operate/reload.ts';
import { nothingSwitchedOff, withSwitch } from '../../src/operate/switches.ts';
import { ordersOf } from './plane.ts';

let told: string[] = [];
let now: Orders;
let switches: Switches;
const grants: readonly Grant[] = [];
let changes = 0;
beforeEach(() => {
  told = [];
  now = ordersOf(['files'], 'd1+0');
  switches = nothingSwitchedOff;
  changes = 0;
});

function house(load: Reloadable['load'], more: Partial<Reloadable> = {}): Reloadable {
  return {
    load,
    orders: {
      current: () => now,
      replace: (next) => {
        told.push(`orders ${next.version}`);
        now = next;
      },
    },
    switches: { current: () => switches, changes: () => changes },
    grants: { current: () => grants, changes: () => 0 },
    fleet: { apply: (orders) => void told.push(`apply ${orders.version}`) },
    ...more,
  };
}

const loaded = (version: string, needsRestart: readonly string[] = []): Loaded => ({
  ok: true,
  orders: ordersOf(['files', 'memory'], version),
  needsRestart,
});

describe('a reload', () => {
  test('swaps the orders whole, then tells the fleet', async () => {
    const report = await reloader(house(() => loaded('d2')))();
    assert.deepEqual(report, { ok: true, changed: true, version: 'd2+0', complaints: [], needsRestart: [] });
    assert.deepEqual(told, ['orders d2+0', 'apply d2+0']);
  });

  test('keeps what was granted, and counts grants and switches together', async () => {
    const grant = {
      id: 'g1',
      caller: 'ana',
      server: 'files',
      tool: 'write_file',
      at: 1,
      untilMs: 2,
      by: 'ops',
      reason: '',
    };
    changes = 2;
    const report = await reloader(
      house(() => loaded('d2'), { grants: { current: () => [grant], changes: () => 3 } }),
    )();
    assert.equal(report.version, 'd2+5');
    assert.deepEqual(now.grants, [grant]);
  });

  test('with complaints keeps the old orders and says why', async () => {
    const before = now;
    const report = await reloader(house(() => ({ ok: false, complaints: ['a.toml:1:1: no'] })))();
    assert.equal(report.ok, false);
    assert.equal(report.version, 'd1+0');
    assert.deepEqual(report.complaints, ['a.toml:1:1: no']);
    assert.equal(now, before);
    assert.deepEqual(told, []);
  });

  test('that cannot even read keeps the old orders', async () => {
    const broken = () => {
      throw new Fault('CONFIG_INVALID', { detail: 'no such folder' });
    };
    const report = await reloader(house(broken))();
    assert.deepEqual(report.complaints, ['no such folder']);
    assert.equal(now.version, 'd1+0');
  });

  test('of unchanged files swaps nothing, so that no waiting call is overtaken', async () => {
    const before = now;
    const report = await reloader(house(() => loaded('d1', ['the port'])))();
    assert.deepEqual(report, {
      ok: true,
      changed: false,
      version: 'd1+0',
      complaints: [],
      needsRestart: ['the port'],
    });
    assert.equal(now, before);
  });

  test('keeps a switch that was thrown while the files were being read', async () => {
    const load = async () => {
      switches = withSwitch(switches, { kind: 'tool', name: 'files/x' }, { at: 0, by: 'ana', reason: '' });
      changes = 1;
      return loaded('d2');
    };
    const report = await reloader(house(load))();
    assert.equal(report.version, 'd2+1');
    assert.ok(now.switches.tools.has('files/x'));
  });

  test('says so when the servers did not follow', async () => {
    const report = await reloader(
      house(() => loaded('d2'), { fleet: { apply: () => Promise.reject(new Error('boom')) } }),
    )();
    assert.equal(report.ok, false);
    assert.equal(report.changed, true);
    assert.equal(now.version, 'd2+0');
  });

  test('never runs twice at once, and whoever asks later sees files read later', async () => {
    let running = 0;
    let most = 0;
    let reads = 0;
    const load = async () => {
      reads++;
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
      return loaded(`d${reads + 1}`);
    };
    const reload = reloader(house(load));
    const first = reload();
    await new Promise((resolve) => setImmediate(resolve));
    const others = [reload(), reload(), reload()];
    await Promise.all([first, ...others]);
    assert.equal(most, 1);
    assert.equal(reads, 2);
  });
});
