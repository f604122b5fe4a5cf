import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Breaker } from '../../src/domain/orders.ts';
import { admit, failed, healthy, succeeded, type Health } from '../../src/limits/breaker.ts';

const breaker: Breaker = { failures: 3, withinMs: 1000, restMs: 500 };

function after(...events: readonly (readonly ['fail' | 'well', number])[]): Health {
  return events.reduce<Health>(
    (health, [how, at]) => (how === 'fail' ? failed(health, breaker, 'x', at) : succeeded(health, 'x')),
    healthy,
  );
}

const cases: readonly (readonly [string, Health, Health['kind']])[] = [
  ['fewer failures than it takes', after(['fail', 0], ['fail', 1]), 'closed'],
  ['as many as it takes', after(['fail', 0], ['fail', 1], ['fail', 2]), 'open'],
  ['a success in between', after(['fail', 0], ['fail', 1], ['well', 2], ['fail', 3], ['fail', 4]), 'closed'],
  ['failures too far apart', after(['fail', 0], ['fail', 600], ['fail', 1000]), 'closed'],
  ['failures just within the span', after(['fail', 0], ['fail', 600], ['fail', 999]), 'open'],
];
for (const [what, health, kind] of cases) {
  test(`after ${what} it is ${kind}`, () => assert.equal(health.kind, kind));
}

test('it rests, lets one through, and closes when that one goes well', () => {
  const open = after(['fail', 0], ['fail', 0], ['fail', 0]);
  assert.deepEqual(admit(open, breaker, 'a', 499), { retryInMs: 1 });
  const first = admit(open, breaker, 'a', 500);
  assert.ok('health' in first && first.health.kind === 'half-open');
  assert.deepEqual(admit(first.health, breaker, 'b', 600), { retryInMs: 400 });
  assert.ok('health' in admit(first.health, breaker, 'a', 600), 'the one that tries may try again');
  assert.equal(succeeded(first.health, 'b'), first.health, 'another call says nothing');
  assert.equal(failed(first.health, breaker, 'b', 700), first.health);
  assert.equal(succeeded(first.health, 'a'), healthy);
  assert.deepEqual(failed(first.health, breaker, 'a', 700), { kind: 'open', since: 0, until: 1200 });
});

test('a try that never ends does not keep the tool closed off for ever', () => {
  const open = after(['fail', 0], ['fail', 0], ['fail', 0]);
  const first = admit(open, breaker, 'a', 500);
  assert.ok('health' in first);
  const second = admit(first.health, breaker, 'b', 1000);
  assert.ok('health' in second && second.health.kind === 'half-open' && second.health.trier === 'b');
  assert.equal(succeeded(second.health, 'a'), second.health);
});

test('what set out before the rest neither ends nor lengthens it', () => {
  const open = after(['fail', 0], ['fail', 0], ['fail', 0]);
  assert.equal(failed(open, breaker, 'x', 400), open);
  assert.equal(succeeded(open, 'x'), open);
});

test('whatever happens, no more than one call goes to a resting tool in a rest, and the memory is bounded', () => {
  const events = fc.array(
    fc.record({
      ms: fc.nat(300),
      who: fc.constantFrom('a', 'b', 'c'),
      how: fc.constantFrom('fail', 'well', 'ask'),
    }),
    { maxLength: 200, size: 'max' },
  );
  fc.assert(
    fc.property(events, (all) => {
      let health: Health = healthy;
      let now = 0;
      let admitted: { at: number; who: string } | undefined;
      for (const { ms, who, how } of all) {
        now += ms;
        if (how === 'fail') health = failed(health, breaker, who, now);
        else if (how === 'well') health = succeeded(health, who);
        else {
          const before = health.kind;
          const said = admit(health, breaker, who, now);
          if ('health' in said) {
            if (before === 'half-open' && admitted !== undefined && admitted.who !== who)
              assert.ok(now - admitted.at >= breaker.restMs);
            health = said.health;
            admitted = { at: now, who };
          } else assert.ok(said.retryInMs > 0 && said.retryInMs <= breaker.restMs);
        }
        if (health.kind === 'closed') assert.ok(health.failures.length < breaker.failures);
      }
    }),
  );
});
