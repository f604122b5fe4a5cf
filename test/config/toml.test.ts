import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readToml } from '../../src/config/toml.ts';

function slipsOf(text: string): readonly string[] {
  const read = readToml(text);
  return read.ok
    ? []
    : read.slips.map(({ line, column, what }) => `${String(line)}:${String(column)} ${what}`);
}

test('every key and value knows its place', () => {
  const read = readToml(
    'a = "x"\n\n[limits]\n  per = "1/s"\n[[rule]]\nname = "one"\n[[rule]]\ntools = ["a",\n  "b"]\nx.y = {z = 1}\n',
  );
  assert.ok(read.ok);
  const { places } = read.document;
  assert.deepEqual(places.valueOf(['a']), { line: 1, column: 5 });
  assert.deepEqual(places.keyOf(['limits', 'per']), { line: 4, column: 3 });
  assert.deepEqual(places.valueOf(['rule', 0, 'name']), { line: 6, column: 8 });
  assert.deepEqual(places.valueOf(['rule', 1, 'tools', 1]), { line: 9, column: 3 });
  assert.deepEqual(places.keyOf(['rule', 1, 'x', 'y', 'z']), { line: 10, column: 8 });
  assert.deepEqual(places.keyOf(['rule', 1, 'missing']), { line: 7, column: 3 });
  assert.deepEqual(places.keyOf(['missing']), { line: 1, column: 1 });
});

test('what is not TOML is refused where it goes wrong', () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['a = \n', /^1:5 not valid TOML/],
    ['a = 1\nb = "x\n', /^2:\d+ not valid TOML: Unterminated string/],
    ['a = 1\na = 2\n', /^2:1 duplicate: "a"/],
    ['[t]\n[t]\n', /^2:1 duplicate: "t"/],
    ['a = 9007199254740993\n', /^1:\d+ not valid TOML/],
    [`a = ${'['.repeat(40)}${']'.repeat(40)}`, /^1:\d+ not valid TOML/],
  ];
  for (const [text, expected] of cases) assert.match(slipsOf(text).join('\n'), expected, text);
});

test('a key that would set a prototype is refused wherever it stands', () => {
  for (const text of [
    '__proto__ = 1',
    '[__proto__]\na = 1',
    '[[__proto__]]\na = 1',
    'env.__proto__ = "x"',
    'env = {"__proto__" = "x"}',
  ]) {
    assert.match(slipsOf(text).join('\n'), /unknown key "__proto__"/, text);
  }
  assert.equal(Object.hasOwn(Object.prototype, 'a'), false);
});

test('a date is not taken for a name', () => {
  assert.match(slipsOf('name = 1979-05-27').join('\n'), /^1:8 wrong type for "name"/);
  assert.match(slipsOf('x = [07:32:00]').join('\n'), /^1:6 wrong type/);
  assert.match(slipsOf('x = 1979-05-27T07:32:00').join('\n'), /^1:5 wrong type/);
});

test('a time with its offset is a moment, and never a text', () => {
  for (const text of ['x = 1979-05-27T07:32:00Z', 'x = 1979-05-27 09:32:00+02:00']) {
    const read = readToml(text);
    assert.ok(read.ok);
    const { x } = read.document.value as { x: unknown };
    assert.ok(x instanceof Date);
    assert.equal(x.toISOString(), '1979-05-27T07:32:00.000Z');
  }
});

test('no text makes the reader throw', () => {
  const piece = fc.constantFrom(
    'a',
    '=',
    '[',
    ']',
    '"',
    '{',
    '}',
    '\n',
    ' ',
    '1',
    '.',
    '#',
    "'",
    ',',
    '\\',
    '__proto__',
    '\u0000',
    'é',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      readToml(pieces.join(''));
    }),
  );
});
