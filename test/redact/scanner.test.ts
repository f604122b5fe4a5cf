import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Scanner } from '../../src/redact/scanner.ts';

test('a scanner finds each literal wherever indexOf finds it', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', 'é', 'á'), { maxLength: 40 }).map((it) => it.join(''));
  const literal = fc
    .array(fc.constantFrom('a', 'b', 'c', 'é'), { minLength: 3, maxLength: 6 })
    .map((it) => it.join(''));
  fc.assert(
    fc.property(text, fc.uniqueArray(literal, { maxLength: 6 }), (where, literals) => {
      const expected: string[] = [];
      for (const it of literals)
        for (let at = where.indexOf(it); at >= 0; at = where.indexOf(it, at + 1))
          expected.push(`${it}@${at}`);
      const found: string[] = [];
      new Scanner(literals.map((it) => ({ literal: it, meaning: it, windowed: false }))).scan(
        where,
        (it, at) => found.push(`${it}@${at}`),
      );
      assert.deepEqual(found.sort(), expected.sort());
    }),
    { numRuns: 2000 },
  );
});

test('a scanner takes no literal that it would find everywhere', () => {
  assert.throws(() => new Scanner([{ literal: 'ab', meaning: 0, windowed: false }]), RangeError);
});
