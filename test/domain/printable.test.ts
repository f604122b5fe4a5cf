import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { printable, printableJson } from '../../src/domain/printable.ts';

const hostile = [
  '\u001b[2J',
  '\r',
  '\n',
  '\u0000',
  '\u007f',
  '\u009b31m',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u200d',
  '\ufeff',
  '\u2028',
  '\u00ad',
  '\u{e0041}',
  '\ufe0f',
  '\u3164',
  '\ud800',
  '\u00a0',
  '\u2800',
];

for (const text of hostile) {
  test(`${JSON.stringify(text)} is shown as plain characters`, () => {
    assert.match(printable(`a${text}b`), /^[\x20-\x7e]+$/);
    assert.match(printableJson(`"a${text}b"`), /^[\x20-\x7e]+$/);
  });
}

test('ordinary writing of any language stays as it is', () => {
  for (const text of ['plain', 'Grüße', 'привет', '日本語', 'हिन्दी', '😀'])
    assert.equal(printable(text), text);
});

test('an escape cannot be forged, because different texts never look the same', () => {
  assert.notEqual(printable('\\u{202e}'), printable('\u202e'));
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'binary' }),
      (a, b) => a === b || printable(a) !== printable(b),
    ),
  );
});

test('JSON keeps its meaning', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.equal(JSON.parse(printableJson(JSON.stringify(text))), text);
    }),
  );
});
