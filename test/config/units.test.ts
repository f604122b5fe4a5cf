import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readBudget, readDurationMs, readRate, readRates, readSizeBytes } from '../../src/config/units.ts';

test('a rate says how many calls in which time', () => {
  assert.deepEqual(readRate('10/min'), { count: 10, perMs: 60_000, text: '10/min' });
  assert.deepEqual(
    ['5/s', '100/h', '1000/day'].map((text) => readRate(text)?.perMs),
    [1_000, 3_600_000, 86_400_000],
  );
});

test('what only resembles a rate is none', () => {
  for (const text of [
    '',
    '0/s',
    '-1/s',
    '1.5/s',
    '01/s',
    '5',
    '5/',
    '/s',
    '5/sec',
    '5 / s',
    '5/S',
    '5/s ',
    '10000000000/s',
    '5/constructor',
  ]) {
    assert.equal(readRate(text), undefined, text);
  }
});

test('times and sizes are read with their unit, and never without', () => {
  assert.deepEqual(
    ['500ms', '55s', '2m', '1h', '1d'].map(readDurationMs),
    [500, 55_000, 120_000, 3_600_000, 86_400_000],
  );
  assert.deepEqual(
    ['12B', '512KiB', '4MiB', '2GiB'].map(readSizeBytes),
    [12, 524_288, 4_194_304, 2_147_483_648],
  );
  for (const text of ['', '5', '5 s', '-5s', '5.5s', '5min', '5S', '1e3s', '9999999999s'])
    assert.equal(readDurationMs(text), undefined, text);
  for (const text of ['', '4', '4MB', '4mib', '4 MiB', '-4MiB', '4GB'])
    assert.equal(readSizeBytes(text), undefined, text);
});

test('no text makes a reader throw or give a number that is not whole', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const read of [readDurationMs(text), readSizeBytes(text), readRate(text)?.count]) {
        assert.ok(read === undefined || Number.isSafeInteger(read));
      }
    }),
  );
});

test('a burst is a rate of its own, in the time in which the rate alone would let it pass', () => {
  assert.deepEqual(readRates('600/min burst 20'), [
    { count: 600, perMs: 60_000, text: '600/min' },
    { count: 20, perMs: 2_000, text: 'burst of 20 (600/min)' },
  ]);
  assert.deepEqual(readRates('7/s burst 2')?.[1], { count: 2, perMs: 286, text: 'burst of 2 (7/s)' });
  assert.deepEqual(readRates('10/min'), [readRate('10/min')]);
  for (const text of [
    '10/min burst 10',
    '10/min burst 11',
    '10/min burst 0',
    '10/min burst -1',
    '10/min  burst 2',
    '10/min burst',
    'burst 2',
  ])
    assert.equal(readRates(text), undefined, text);
});

test('a burst lets no more through than it says, and stays within the rate', () => {
  const rate = fc.tuple(
    fc.integer({ min: 2, max: 9_999_999 }),
    fc.constantFrom('s', 'min', 'h', 'day'),
    fc.double({ min: 0, max: 1, noNaN: true }),
  );
  fc.assert(
    fc.property(rate, ([count, unit, part]) => {
      const burst = 1 + Math.floor(part * (count - 2));
      const [all, some] = readRates(`${String(count)}/${unit} burst ${String(burst)}`) ?? [];
      assert.ok(all && some);
      assert.equal(some.count, burst);
      assert.ok(Number.isSafeInteger(some.perMs) && some.perMs >= 1 && some.perMs <= all.perMs);
      // Never looser than the rate itself.
      assert.ok(some.count / some.perMs <= all.count / all.perMs);
    }),
  );
});

test('a budget says what is summed up, to how much, in which time', () => {
  assert.deepEqual(readBudget('sum(args.amount) <= 500/day'), {
    path: ['amount'],
    most: 500,
    perMs: 86_400_000,
    text: 'sum(args.amount) <= 500/day',
  });
  assert.deepEqual(readBudget('sum(args.a.b) <= 0.5/min')?.path, ['a', 'b']);
  for (const text of [
    'sum(args.amount)<=500/day',
    'sum(amount) <= 500/day',
    'sum(args.) <= 500/day',
    'sum(args.a.) <= 500/day',
    'sum(args.items.*.amount) <= 500/day',
    'sum(args.amount) < 500/day',
    'sum(args.amount) <= 0/day',
    'sum(args.amount) <= 1e3/day',
    'sum(args.amount) <= 500/week',
    'sum(args.amount) <= 500/day ',
    'max(args.amount) <= 500/day',
  ])
    assert.equal(readBudget(text), undefined, text);
});
