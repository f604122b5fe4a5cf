import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readDurationMs, readRate, readSizeBytes } from '../../src/config/units.ts';

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
  assert.deepEqual(['12B', '512KiB', '4MiB'].map(readSizeBytes), [12, 524_288, 4_194_304]);
  for (const text of ['', '5', '5 s', '-5s', '5.5s', '5min', '5S', '1e3s', '9999999999s'])
    assert.equal(readDurationMs(text), undefined, text);
  for (const text of ['', '4', '4MB', '4mib', '4 MiB', '-4MiB', '4GiB'])
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
