import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Json, JsonObject } from '../../src/domain/message.ts';
import { amountOf, mostOf } from '../../src/limits/amount.ts';
import { budget, call } from './support.ts';

const told = (value: Json, most = 9_000_000_000) => amountOf(budget(most), call({ args: { amount: value } }));

test('an amount of up to six decimals is exactly what it says', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 9_000_000_000_000_000n }), (millionths) => {
      const digits = millionths.toString().padStart(7, '0');
      const amount = told(Number(`${digits.slice(0, -6)}.${digits.slice(-6)}`));
      assert.ok(amount.kind === 'amount');
      // A double of that size is itself off by one at most.
      const off = Math.abs(amount.millionths - Number(millionths));
      assert.ok(off <= (millionths > 10_000_000_000_000n ? 1 : 0), `${digits} became ${amount.millionths}`);
    }),
    { numRuns: 2000 },
  );
});

test('what is finer is rounded up, so that many small ones are not free', () => {
  assert.deepEqual(told(0.0000001), { kind: 'amount', millionths: 1 });
  assert.deepEqual(told(1.0000001), { kind: 'amount', millionths: 1_000_001 });
  assert.deepEqual(told(Number.MIN_VALUE), { kind: 'amount', millionths: 1 });
  assert.deepEqual(told(0), { kind: 'amount', millionths: 0 });
  assert.deepEqual(told(-0), { kind: 'amount', millionths: 0 });
});

test('what is no amount is none', () => {
  for (const value of ['1', true, null, [], {}, [5], NaN, Infinity, -1, -1e-9, 1e300])
    assert.equal(told(value as Json).kind, 'unfit', JSON.stringify(value));
});

test('all of a budget fits it, and no more', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9_000_000_000 }),
      fc.integer({ min: 0, max: 999_999 }),
      (whole, part) => {
        const most = Math.min(whole + part / 1_000_000, 9_000_000_000);
        const all = told(most, most);
        assert.deepEqual(all, { kind: 'amount', millionths: mostOf(budget(most)) });
        assert.equal(told(most * 1.0001 + 0.00001, most).kind, 'unfit');
      },
    ),
  );
});

test('a path leads through own members of objects only', () => {
  const at = (path: readonly string[], args: { [key: string]: Json }) =>
    amountOf(budget(10, 1000, path), call({ args })).kind;
  assert.equal(at(['a', 'b'], { a: { b: 1 } }), 'amount');
  assert.equal(at(['a', 'length'], { a: [1] }), 'unfit');
  assert.equal(at(['constructor', 'length'], {}), 'unfit');
  assert.equal(at(['__proto__', 'x'], {}), 'unfit');
  assert.equal(at(['a', 'b'], { 'a.b': 1 }), 'unfit');
  assert.equal(at(['a'], JSON.parse('{"__proto__":{"a":1}}') as { [key: string]: Json }), 'unfit');
});

test('what every object has by birth is as missing as anything else', () => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const told = amountOf(budget(10, 1000, [name]), call({ args: {} }));
    assert.deepEqual(told, { kind: 'unfit', why: `the argument "${name}" is missing` });
  }
});

test('beside another argument that some servers take for it cannot be told', () => {
  const kind = (args: JsonObject) => amountOf(budget(10), call({ args })).kind;
  assert.equal(kind({ amount: 1 }), 'amount');
  assert.equal(kind({ amount: 1, Amount: 9 }), 'unfit');
  assert.equal(kind({ amount: 1, amounts: 9 }), 'amount');
});
