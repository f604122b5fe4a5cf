import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { covers } from '../../src/config/covers.ts';
import { namePattern, uriPattern } from '../../src/policy/match.ts';

test('a pattern covers what it fits, and nothing wider', () => {
  const names: readonly (readonly [string, string, boolean])[] = [
    ['a', 'a', true],
    ['a', 'b', false],
    ['*', 'a*b', true],
    ['a*', 'a', true],
    ['a*', 'ab*', true],
    ['a*', '*', false],
    ['a*c', 'a*b*c', true],
    ['a*b*c', 'a*c', false],
    ['*a', 'a*', false],
    ['read_*', 'read_file', true],
    ['read_file', 'read_*', false],
  ];
  for (const [wide, narrow, expected] of names)
    assert.equal(covers(wide, narrow), expected, `${wide} ${narrow}`);
  const uris: readonly (readonly [string, string, boolean])[] = [
    ['a://*', 'a://b', true],
    ['a://*', 'a://b/c', false],
    ['a://*', 'a://**', false],
    ['a://**', 'a://*', true],
    ['a://**', 'a://b/*/c', true],
    ['a://*/*', 'a://*/b', true],
    ['a://*', 'a://b*c', true],
  ];
  for (const [wide, narrow, expected] of uris)
    assert.equal(covers(wide, narrow, 'uri'), expected, `${wide} ${narrow}`);
});

const text = (letters: readonly string[]) =>
  fc.array(fc.constantFrom(...letters), { minLength: 1, maxLength: 7 }).map((all) => all.join(''));

test('what a pattern covers is fitted by it, as the engine understands patterns', () => {
  for (const [kind, compile] of [['name', namePattern] as const, ['uri', uriPattern] as const]) {
    const pattern = text(['a', 'b', '/', '*', '**']);
    fc.assert(
      fc.property(
        pattern,
        pattern,
        fc.array(text(['a', 'b', '/']), { maxLength: 7 }),
        (wide, narrow, runs) => {
          const [outer, inner] = [compile(wide), compile(narrow)];
          assert.ok(outer.ok && inner.ok);
          if (!covers(wide, narrow, kind)) return;
          // Texts that the narrow pattern may fit: its stars filled with whatever there is.
          for (const run of ['', ...runs]) {
            const value = narrow.replaceAll(/\*+/g, run);
            if (inner.pattern.test(value)) assert.ok(outer.pattern.test(value), `${wide} ${narrow} ${value}`);
          }
        },
      ),
      { numRuns: 3000 },
    );
  }
});

test('two long patterns of nothing but stars are compared in no time', () => {
  const stars = '*a'.repeat(256);
  assert.equal(covers(stars, `${stars}*b`), false);
});
