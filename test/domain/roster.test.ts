import { deepEqual, equal, ok } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { Roster } from '../../src/domain/roster.ts';

describe('the roster', () => {
  it('finds, counts and lists in the order they came, also where places are used again', () => {
    const roster = new Roster<string, number>();
    for (const [key, value] of Object.entries({ a: 1, b: 2, c: 3 })) roster.set(key, value);
    equal(roster.delete('a'), true);
    roster.set('d', 4);
    roster.set('b', 20);
    deepEqual([roster.size, roster.first(), roster.list()], [3, 20, [20, 3, 4]]);
    deepEqual([roster.get('a'), roster.get('b'), roster.get('d')], [undefined, 20, 4]);
    equal(roster.delete('a'), false);
  });

  it('is empty when all have gone', () => {
    const roster = new Roster<number, object>();
    roster.set(0, {});
    equal(roster.delete(0), true);
    deepEqual([roster.size, roster.first(), roster.list(), roster.get(0)], [0, undefined, [], undefined]);
  });

  it('does what a map does, whatever comes and goes', () => {
    const roster = new Roster<number, number>();
    const map = new Map<number, number>();
    for (let step = 0, key = 1; step < 20_000; step += 1, key = (key * 16_807) % 2_147_483_647) {
      if (key % 3 === 0) equal(roster.delete(key % 97), map.delete(key % 97));
      else {
        roster.set(key % 97, step);
        map.set(key % 97, step);
      }
      equal(roster.get(key % 89), map.get(key % 89));
    }
    deepEqual(roster.list(), [...map.values()]);
    equal(roster.size, map.size);
  });

  it('lets go of what has gone, where a map holds it until the next full collection', () => {
    const roster = keptAfterSmallCollections('roster');
    const map = keptAfterSmallCollections('map');
    ok(roster * 2 < map, `kept: ${String(roster)} bytes by a roster, ${String(map)} by a map`);
  });
});

/**
 * Bytes that outlive all small collections after a full one, when 5000 things of 1 kB come and go, a hundred at a time. In a
 * process of its own, because only there the collector can be told when to work.
 */
function keptAfterSmallCollections(kind: 'roster' | 'map'): number {
  const script = `
    import { Roster } from ${JSON.stringify(new URL('../../src/domain/roster.ts', import.meta.url).href)};
    const held = ${kind === 'map' ? 'new Map()' : 'new Roster()'};
    const pass = (from, to) => {
      for (let key = from; key < to; key += 1) {
        held.set(key, Array.from({ length: 128 }, () => key + 0.5));
        held.delete(key - 100);
        if (key % 200 === 0) gc({ type: 'minor' });
      }
    };
    pass(0, 1000);
    gc();
    const before = process.memoryUsage().heapUsed;
    pass(1000, 6000);
    gc({ type: 'minor' });
    gc({ type: 'minor' });
    process.stdout.write(String(process.memoryUsage().heapUsed - before));`;
  const args = ['--expose-gc', '--input-type=module', '-e', script];
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 }));
}
