import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonText } from '../../src/domain/message.ts';
import { hiddenIn } from '../../src/pins/hidden.ts';

const found = (definition: object) => hiddenIn(JSON.stringify(definition) as JsonText);

describe('hidden characters', () => {
  for (const [what, description] of [
    ['plain text', 'Reads a file.'],
    ['line ends and tabs', 'One.\r\n\tTwo.'],
    ['letters of other scripts', 'Liest eine Datei – čte soubor, читает, 読む, يقرأ'],
    ['an odd space', 'a\u00a0b'],
    ['an emoji in colour', 'Careful \u26a0\ufe0f'],
    ['an emoji with a skin', '\u{1f44d}\u{1f3fd}'],
    ['a family', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}'],
    ['a key cap', '1\ufe0f\u20e3'],
    ['a backslash and a u', 'C:\\users'],
  ] as const) {
    it(`${what}: nothing`, () => assert.deepEqual(found({ name: 'a', description }), []));
  }

  for (const [what, description, codes] of [
    ['zero width', 'a\u200bb', ['U+200B']],
    ['bidi', 'a\u202eb\u2066', ['U+202E', 'U+2066']],
    ['tags that only a model reads', 'a\u{e0041}\u{e0042}', ['U+E0041', 'U+E0042']],
    ['an escape sequence', '\u001b[2Jgone', ['U+001B']],
    ['back space', 'rm\b', ['U+0008']],
    ['a bell that JSON spells with four digits', '\u0007', ['U+0007']],
    ['C1', '\u009b31m', ['U+009B']],
    ['delete', '\u007f', ['U+007F']],
    ['a soft hyphen', 'pass\u00adword', ['U+00AD']],
    ['variation selectors that spell bytes', 'x\ufe00\u{e0101}', ['U+FE00', 'U+E0101']],
    ['a joiner that joins nothing', 'a\u200db', ['U+200D']],
    ['a line separator', 'a\u2028b', ['U+2028']],
    ['a Hangul filler', 'a\u3164b', ['U+3164']],
    ['half a pair', 'a\ud800b', ['U+D800']],
    ['private use', '\ue000', ['U+E000']],
  ] as const) {
    it(`${what}: ${codes.join(' ')}`, () =>
      assert.deepEqual(found({ name: 'a', description }), [
        { at: 'description', codes, count: codes.length },
      ]));
  }

  it('are found wherever a text can stand, in names of members too', () => {
    const places = found({
      name: 'a\u200b',
      inputSchema: { properties: { ['p\u200b']: { description: 'x\u200b', enum: ['y', 'z\u200b'] } } },
      annotations: { title: '\u200b' },
      __proto__x: '\u200b',
    });
    assert.deepEqual(
      places.map(({ at }) => at),
      [
        'name',
        'inputSchema.properties.p\u200b (name)',
        'inputSchema.properties.p\u200b.description',
        'inputSchema.properties.p\u200b.enum.1',
        'annotations.title',
        '__proto__x',
      ],
    );
  });

  it('are found in a member called __proto__', () =>
    assert.equal(hiddenIn('{"__proto__":{"a":"\u200b"}}' as JsonText).length, 1));

  it('are told with a bound, however many there are', () => {
    const many = Object.fromEntries(
      Array.from({ length: 1000 }, (_, at) => [`k${at}`, '\u200b'.repeat(1000)]),
    );
    const places = found(many);
    assert.equal(places.length, 16);
    assert.deepEqual(places[0], { at: 'k0', codes: ['U+200B'], count: 100 });
    const [one] = found({
      a: Array.from({ length: 200 }, (_, at) => String.fromCodePoint(0xe0000 + at)).join(''),
    });
    assert.equal(one?.codes.length, 16);
  });

  it('are found in large texts', () => {
    assert.deepEqual(found({ a: 'x'.repeat(3_000_000) }), []);
    assert.equal(found({ a: `${'\u26a0\ufe0f'.repeat(300_000)}\u200b` }).length, 1);
  });
});
