import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hallOf, isHall, whoIsIn } from '../../src/call/hall-choice.ts';
import { Fault } from '../../src/domain/faults.ts';
import { noSwitches, rule } from '../policy/support.ts';
import { allowAll, off, ordersOf } from './hall-support.ts';
import { quiet } from './quiet.ts';

describe('what stands behind /mcp', () => {
  for (const [query, hall] of [
    ['', '*'],
    ['servers=fs', '*?servers=fs'],
    ['servers=b,a,b', '*?servers=a,b'],
    ['servers=b%2Ca%2ca', '*?servers=a,b'],
    ['profile=coding', '*?profile=coding'],
    ['servers=', undefined],
    ['servers', undefined],
    ['servers=a,', undefined],
    ['servers=,', undefined],
    ['servers=A', undefined],
    ['servers=*', undefined],
    ['servers=a b', undefined],
    ['servers=a+b', undefined],
    ['servers=%61', undefined],
    ['servers=a/../b', undefined],
    ['servers=a&servers=b', undefined],
    ['servers=a&profile=b', undefined],
    ['servers=a=b', undefined],
    ['server=a', undefined],
    ['Servers=a', undefined],
    ['profile=', undefined],
    ['profile=a,b', undefined],
    ['profile=__proto__', undefined],
    ['x=1', undefined],
    ['?', undefined],
    [`servers=${'a'.repeat(33)}`, undefined],
    [`servers=${Array.from({ length: 65 }, (_, at) => `s${at}`).join()}`, undefined],
  ] as const)
    it(`?${query.slice(0, 40)} is ${hall ?? 'nothing'}`, () => {
      assert.equal(hallOf(query), hall);
      if (hall !== undefined) assert.ok(isHall(hall));
    });

  it('no server’s name can be a hall’s', () => {
    for (const server of ['a', 'servers', '-', '', 'profile-x']) assert.ok(!isHall(server));
  });
});

describe('who is in', () => {
  const ann = { name: 'ann' };
  const rules = {
    b: allowAll,
    a: allowAll,
    hidden: [rule('x', 'allow', { callers: ['bob'], tools: ['*'] })],
  };
  const profiles = new Map([
    ['coding', ['b', 'hidden', 'nobody']],
    ['bobs', ['hidden']],
    ['empty', []],
  ]);
  const orders = ordersOf(rules);
  const who = (hall: string, its = orders) => whoIsIn(hall, ann, 'ping', its, profiles, quiet.facts);

  it('everything a caller may see, in order', () => {
    const { open, decision } = who('*');
    assert.deepEqual([open, decision.kind], [['a', 'b'], 'allow']);
  });

  it('what was chosen', () => assert.deepEqual(who('*?servers=b').open, ['b']));

  it('what a profile has that the caller may see', () =>
    assert.deepEqual(who('*?profile=coding').open, ['b']));

  for (const [hall, unknown] of [
    ['*?servers=a,hidden', ['hidden']],
    ['*?servers=a,nobody', ['nobody']],
    ['*?servers=hidden,nobody', ['hidden', 'nobody']],
    ['*?profile=none', ['none']],
    ['*?profile=bobs', ['bobs']],
    ['*?profile=empty', ['empty']],
    ['*?profile=constructor', ['constructor']],
  ] as const)
    it(`${hall}: ${unknown.join()} is unknown, hidden or not`, () => {
      assert.throws(
        () => who(hall),
        (reason) => {
          assert.ok(reason instanceof Fault && reason.code === 'NO_ROUTE');
          assert.deepEqual(reason.data, { unknown });
          return true;
        },
      );
    });

  it('nobody, where the name is no hall’s', () => {
    const { open, decision } = who('*?x=1');
    assert.deepEqual([open, decision.kind], [[], 'deny']);
  });

  it('what is switched off is known, and not in', () => {
    const its = ordersOf(rules, {
      ...noSwitches,
      servers: new Map([
        ['a', off],
        ['hidden', off],
      ]),
    });
    const { open, off: shut, decision } = who('*', its);
    assert.deepEqual([open, [...shut.keys()], decision.kind], [['b'], ['a'], 'allow']);
    assert.deepEqual(who('*?servers=a', its).open, []);
    const closed = who('*?servers=a', its).decision;
    assert.ok(closed.kind === 'deny' && !closed.hidden);
    assert.throws(() => who('*?servers=hidden', its));
  });
});
