import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'toml';
import { formatPolicy } from '../../src/config/format.ts';
import { absent, corporaDir } from '../support/corpora.ts';

/** Before → after. */
const layouts: readonly (readonly [string, string, string])[] = [
  ['spaces around the sign', 'a=1\nb   =   2\n c\t= 3\n', 'a = 1\nb = 2\nc = 3\n'],
  ['spaces at the ends', 'a = 1   \n# x \t\n[b]  \n', 'a = 1\n\n# x\n[b]\n'],
  ['dots', 'a . b = 1\n[ c . "d e" ]\n', 'a.b = 1\n\n[c."d e"]\n'],
  ['blank lines', '\n\n\na = 1\n\n\n\nb = 2\n[c]\n[d]\n\n\n', 'a = 1\n\nb = 2\n\n[c]\n\n[d]\n'],
  ['comments above a table', 'a = 1\n# about b\n[b]\n', 'a = 1\n\n# about b\n[b]\n'],
  ['comments in an empty table', '[a]\n# b = 1\n[c]\n', '[a]\n# b = 1\n\n[c]\n'],
  ['comments behind', 'a=1    # one\nbcd = 22 # two\n', 'a = 1  # one\nbcd = 22 # two\n'],
  [
    'comments that go on',
    'a=1     # one\n        # more\n    # other\n',
    'a = 1   # one\n        # more\n# other\n',
  ],
  ['short lists', 'a = [\n  1,\n  2,\n]\n', 'a = [1, 2]\n'],
  ['tables in a line', 'a = {b=1,c={d = 2}}\ne = {}\n', 'a = { b = 1, c = { d = 2 } }\ne = {}\n'],
  ['lists with comments', 'a=[1,# one\n2\n\n\n# end\n]\n', 'a = [\n  1, # one\n  2,\n\n  # end\n]\n'],
  ['lists that begin with a comment', 'a = [ # why\n1]\n', 'a = [\n  # why\n  1,\n]\n'],
  ['texts of several lines', 'a="""\nx  \n\n\n  y"""\n', 'a = """\nx  \n\n\n  y"""\n'],
  ['line ends', 'a = 1\r\n\r\n[b]\r\n# c\r\n', 'a = 1\n\n[b]\n# c\n'],
  ['no end', 'a = 1', 'a = 1\n'],
  ['nothing', '', ''],
  ['a byte order mark', '\ufeffa = 1\n', 'a = 1\n'],
];
for (const [name, before, after] of layouts)
  test(`the layout: ${name}`, () => {
    assert.equal(formatPolicy(before), after);
    assert.equal(formatPolicy(after), after);
  });

test('a list that is too long for a line has an entry in each', () => {
  const words = Array.from({ length: 12 }, (_, at) => `"read_something_${String(at)}"`);
  const expected = `tools = [\n${words.map((word) => `  ${word},\n`).join('')}]\n`;
  assert.equal(formatPolicy(`tools = [${words.join(',')}]`), expected);
  assert.equal(formatPolicy(expected), expected);
  const nested = formatPolicy(`a = [[${words.join(',')}], [1]]`);
  assert.equal(nested, `a = [\n  [\n${words.map((word) => `    ${word},\n`).join('')}  ],\n  [1],\n]\n`);
});

test('a text that is not TOML is left alone', () => {
  for (const text of ['a =', 'a = 1\na = 2\n', '[a', '{"a": 1}', 'a = "\n"'])
    assert.equal(formatPolicy(text), undefined, text);
});

const shipped = globSync('policies/{mcpd,servers/*}.toml', { cwd: join(import.meta.dirname, '..', '..') });

test('the shipped policies have this layout', () => {
  assert.ok(shipped.length >= 4);
  for (const file of shipped) {
    const text = readFileSync(join(import.meta.dirname, '..', '..', file), 'utf8');
    assert.equal(formatPolicy(text), text, file);
  }
});

test(
  'whatever is TOML says the same afterwards, and is not changed by a second time',
  { skip: absent('toml-test') },
  () => {
    const files = globSync('toml-test/tests/valid/**/*.toml', { cwd: corporaDir });
    assert.ok(files.length > 200);
    for (const file of files) {
      const text = readFileSync(join(corporaDir, file), 'utf8');
      const formatted = formatPolicy(text);
      // Whole numbers that a double does not hold; our own reader refuses such a file too.
      if (file.endsWith('integer/long.toml')) assert.equal(formatted, undefined);
      else same(text, formatted, file);
    }
  },
);

test('whatever is laid out in whatever way says the same afterwards', () => {
  const gap = fc.constantFrom('', ' ', '\t', '    ');
  const end = fc.constantFrom('\n', '\n', '\n\n\n', '  # why\n', '\n   # on its own\n', '\r\n');
  const scalar = fc.constantFrom(
    '1',
    '"x"',
    "'y # z'",
    'true',
    '1.5e3',
    '2026-12-31T00:00:00Z',
    '"""\na\n\n  b"""',
  );
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      scalar,
      fc
        .tuple(fc.array(tie('value'), { maxLength: 8 }), fc.constantFrom(',', ' , ', ',\n', ', # c\n\n'))
        .map(([all, comma]) => `[${all.map((one) => `${String(one)}${comma}`).join('')}]`),
      fc
        .array(scalar, { maxLength: 4 })
        .map((all) => `{${all.map((one, at) => `k${String(at)}= ${one}`).join(' ,')}}`),
    ),
  })).value;
  const statement = fc.tuple(fc.boolean(), gap, gap, value, end);
  const document = fc
    .array(statement, { maxLength: 12 })
    .map((all) =>
      all
        .map(([header, before, after, one, last], at) =>
          header
            ? `${before}[ t${String(at)} . "x y" ]${last}`
            : `${before}k${String(at)}${before}=${after}${String(one)}${last}`,
        )
        .join(''),
    );
  fc.assert(
    fc.property(document, (text) => {
      same(text, formatPolicy(text), text);
    }),
  );
});

/** Both mean the same, hold the same comments, and formatting again changes nothing. */
function same(before: string, after: string | undefined, name: string): void {
  assert.ok(after !== undefined, name);
  assert.deepEqual(parse(after), parse(before.replace(/^\ufeff/, '')), name);
  assert.equal(formatPolicy(after), after, name);
}
