import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { overlap } from '../../src/policy-tools/overlap.ts';
import { namePattern } from '../../src/policy/match.ts';

describe('two patterns overlap when some name fits both', () => {
  for (const [one, other, wanted] of [
    ['a', 'a', true],
    ['a', 'b', false],
    ['*', 'anything', true],
    ['get_*', '*_file', true],
    ['get_*', 'list_*', false],
    ['a*b', 'a*c', false],
    ['a*b*', '*bc', true],
    ['ab', 'a', false],
    ['**', '*', true],
  ] as const) {
    it(`${one} and ${other}: ${wanted}`, () => {
      assert.equal(overlap(one, other), wanted);
      assert.equal(overlap(other, one), wanted);
    });
  }

  it('whatever name fits both, they are said to overlap', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 6 });
    const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 6 });
    fc.assert(
      fc.property(pattern, pattern, name, (one, other, value) => {
        const fits = [one, other].every((it) => {
          const compiled = namePattern(it);
          return compiled.ok && compiled.pattern.test(value);
        });
        assert.ok(!fits || overlap(one, other));
      }),
      { numRuns: 2000 },
    );
  });
});
