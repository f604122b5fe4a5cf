import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { namePattern, neverPlain, uriPattern, type Compiled } from '../../src/policy/match.ts';

const tests = (compiled: Compiled, value: string): boolean => {
  assert.ok(compiled.ok, 'the pattern compiles');
  return compiled.pattern.test(value);
};

describe('a name pattern', () => {
  const cases: [pattern: string, value: string, expected: boolean][] = [
    ['read_file', 'read_file', true],
    ['read_file', 'read_file ', false],
    ['read_file', 'READ_FILE', false],
    ['read_file', 'read_fіle', false],
    ['caf\u00e9', 'cafe\u0301', false],
    ['*', '', true],
    ['*', 'anything/at all', true],
    ['read_*', 'read_', true],
    ['read_*', 'read', false],
    ['read_*', 'spread_file', false],
    ['*_file', 'delete_file', true],
    ['*_file', 'delete_file\n', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-c-b', false],
    ['**', 'x', true],
    ['a**b', 'axxb', true],
    ['a.c', 'abc', false],
    ['[a-z]', 'b', false],
    ['a?', 'ab', false],
    ['__proto__', '__proto__', true],
  ];
  for (const [pattern, value, expected] of cases) {
    test(`${pattern} ${expected ? 'matches' : 'does not match'} ${JSON.stringify(value)}`, () => {
      assert.equal(tests(namePattern(pattern), value), expected);
    });
  }
});

describe('a uri pattern', () => {
  const cases: [pattern: string, value: string, expected: boolean][] = [
    ['file:///pub/*', 'file:///pub/a.txt', true],
    ['file:///pub/*', 'file:///pub/', true],
    ['file:///pub/*', 'file:///pub/a/b.txt', false],
    ['file:///pub/**', 'file:///pub/a/b.txt', true],
    ['file:///pub/**', 'file:///public', false],
    ['file:///*/x', 'file:///a/x', true],
    ['file:///*/x', 'file:///a/b/x', false],
    ['file:///**/x', 'file:///a/b/x', true],
    ['file:///**/x', 'file:///x', false],
    ['file:///a/*.md', 'file:///a/b.md', true],
    ['file:///a/*.md', 'file:///a/b/c.md', false],
    ['**/x*y/**', 'a/xzy/b', true],
    ['**/x*y/**', 'a/x/y/b', false],
    ['demo://item/{id}', 'demo://item/{id}', true],
    ['demo://item/{id}', 'demo://item/7', false],
  ];
  for (const [pattern, value, expected] of cases) {
    test(`${pattern} ${expected ? 'matches' : 'does not match'} ${value}`, () => {
      assert.equal(tests(uriPattern(pattern), value), expected);
    });
  }
});

/** Says the same by trying everything: slow, and plainly right. */
function slowly(pattern: string, value: string, crossing: boolean): boolean {
  if (pattern === '') return value === '';
  const stars = /^[*]+/.exec(pattern)?.[0].length ?? 0;
  if (stars === 0)
    return pattern[0] === value[0] && value !== '' && slowly(pattern.slice(1), value.slice(1), crossing);
  const rest = pattern.slice(stars);
  for (let taken = 0; taken <= value.length; taken++) {
    if (taken > 0 && value[taken - 1] === '/' && !crossing && stars === 1) return false;
    if (slowly(rest, value.slice(taken), crossing)) return true;
  }
  return false;
}

describe('every pattern', () => {
  const text = (max: number) => fc.array(fc.constantFrom('a', 'b', '/', '*', '*'), { maxLength: max });
  test('agrees with a matcher that tries everything', () => {
    fc.assert(
      fc.property(text(9), text(12), fc.boolean(), (patternParts, valueParts, crossing) => {
        const pattern = patternParts.join('');
        const value = valueParts.join('').replaceAll('*', 'a');
        fc.pre(pattern !== '');
        const compiled = crossing ? namePattern(pattern) : uriPattern(pattern);
        assert.equal(tests(compiled, value), slowly(pattern, value, crossing));
      }),
      { numRuns: 4000 },
    );
  });
  test('of many words agrees with it as well, across the edges of a machine word', () => {
    fc.assert(
      fc.property(fc.integer({ min: 25, max: 70 }), fc.integer({ min: 0, max: 70 }), (size, extra) => {
        const pattern = `*${'a'.repeat(size)}*b*`;
        const compiled = namePattern(pattern);
        assert.equal(tests(compiled, `${'a'.repeat(size)}b`), true);
        assert.equal(
          tests(compiled, `${'a'.repeat(size - 1)}b${'a'.repeat(Math.min(extra, size - 1))}b`),
          false,
        );
        assert.equal(tests(compiled, `${'a'.repeat(size + extra)}cb`), true);
      }),
    );
  });
  test('answers for 64 KiB of almost-matches', () => {
    const hostile = 'a'.repeat(64 * 1024);
    const compiled = uriPattern(`**${'a*'.repeat(14)}`.slice(0, 16) + 'b');
    assert.equal(tests(compiled, hostile), false);
  });
  const bad: [pattern: string, what: RegExp][] = [
    ['', /empty/],
    ['a'.repeat(513), /longer than 512/],
    ['*a'.repeat(17), /more than 16 stars/],
    ['a\u0000b', /control/],
    ['\ud800', /Unicode/],
  ];
  for (const [pattern, what] of bad) {
    test(`is refused when it ${what.source}`, () => {
      const compiled = namePattern(pattern);
      assert.ok(!compiled.ok);
      assert.match(compiled.what, what);
    });
  }
});

describe('a pattern that can never allow anything', () => {
  for (const pattern of [
    'FILE:///x',
    'file:///a/../b',
    'file:///%73ecret',
    'https://a:443/',
    'no-scheme',
    'file:///a\\b',
  ]) {
    test(`is told for ${pattern}`, () => assert.notEqual(neverPlain(pattern), undefined));
  }
  for (const pattern of [
    '*',
    '**',
    '**/x',
    '*://x/**',
    'file:///**',
    'demo://item/{id}',
    'file:/**',
    'memo:*',
    'https://*/a',
  ]) {
    test(`is not told for ${pattern}`, () => assert.equal(neverPlain(pattern), undefined));
  }
});
