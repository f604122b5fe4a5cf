import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Json } from '../../src/domain/message.ts';
import { readJson } from '../../src/domain/read-json.ts';
import type { JsonText } from '../../src/domain/message.ts';
import { objectOf, valueOf } from '../../src/protocol/codec.ts';

const namesOf = (text: string): string[] => Object.keys(readJson(text) as object);

/** How else a character of a name may be written. */
const written = (character: string, way: number): string => {
  const code = character.charCodeAt(0).toString(16).padStart(4, '0');
  if (way === 0 && !/["\\\u0000-\u001f]/.test(character)) return character;
  return way === 1 ? `\\u${code}` : JSON.stringify(character).slice(1, -1);
};

describe('a member name with an escape in it', () => {
  // Each first text makes the engine take the name in the second for its own (nodejs/node#63785).
  for (const [first, second, name] of [
    ['{"x":1,"\\\\u00":1}', '{"x":1,"\\u0070ath":1}', 'path'],
    ['{"x":1,"a\\\\":1}', '{"x":1,"a\\n":1}', 'a\n'],
    ['{"h":[],"\\\\":0}', '{"h":1,"\\"":2}', '"'],
    ['{"i":1,"b\\\\":1}', '{"i":1,"b\\/" : 1}', 'b/'],
    ['{"j":1,"\\\\ud83d\\\\u":1}', '{"j":1,"\\ud83d\\ude00":1}', '😀'],
    ['[{"k":1,"c\\\\":1}]', '{"k":1,"c\\\\\\\\":1}', 'c\\\\'],
  ] as const) {
    it(`is what stands there: ${second}, after ${first}`, () => {
      readJson(first);
      assert.equal(namesOf(second)[1], name);
      readJson(`{"in":[${first}]}`);
      assert.equal(Object.keys((readJson(`{"in":[ ${second} ]}`) as { in: object[] }).in[0] ?? {})[1], name);
    });
  }

  it('is so for what is judged, too', () => {
    objectOf('{"tool":1,"a\\\\":1}' as JsonText);
    assert.deepEqual(Object.keys(objectOf('{"tool":1,"a\\t":1}' as JsonText)), ['tool', 'a\t']);
    assert.deepEqual(Object.keys(valueOf('{"tool":1,"a\\r":1}' as JsonText) as object), ['tool', 'a\r']);
  });

  it('of every kind, in every place, with white space wherever it may stand', () => {
    const letters = fc.constantFrom('a', 'b', '\\', '"', '\n', '/', 'u', '0', ':', 'é', '\u2028');
    const name = fc.oneof(
      fc.array(letters, { maxLength: 4 }).map((it) => it.join('')),
      fc.constantFrom('__proto__', 'constructor', '7', ''),
    );
    const value = fc.letrec<{ any: Json }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<Json>(null, true, false, 0, -0.5, 1e21, 1e-7, 'x', '\\":', '{"a\\n":1}'),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.uniqueArray(fc.tuple(name, tie('any')), { maxLength: 4, selector: ([it]) => it }).map(fromPairs),
      ),
    })).any;
    const ways = fc.infiniteStream(fc.nat(2));
    fc.assert(
      fc.property(value, ways, (expected, way) => {
        const next = (): number => way.next().value as number;
        const space = (): string => ['', ' ', '\n\t'][next()] ?? '';
        const quoted = (text: string): string => `"${[...text].map((it) => written(it, next())).join('')}"`;
        const write = (it: Json): string => {
          if (typeof it === 'string') return space() + quoted(it) + space();
          if (Array.isArray(it)) return `[${it.length === 0 ? space() : it.map(write).join(',')}]`;
          if (typeof it !== 'object' || it === null) return space() + JSON.stringify(it) + space();
          const members = Object.entries(it).map(
            ([key, inner]) => `${space()}${quoted(key)}${space()}:${write(inner)}`,
          );
          return `${space()}{${members.length === 0 ? space() : members.join(',')}}${space()}`;
        };
        const source = write(expected);
        assert.deepStrictEqual(readJson(source), expected, source);
      }),
      { numRuns: 3000 },
    );
  });
});

function fromPairs(pairs: readonly (readonly [string, Json])[]): Json {
  // Object.fromEntries makes members of all of them, `__proto__` too.
  return Object.fromEntries(pairs);
}

describe('a JSON text', () => {
  it('has numbers of every form', () => {
    const read = readJson('{"a\\n":[-0,1e400,-1E+2,12345678901234567890,0.1]}');
    assert.deepStrictEqual(read, { 'a\n': [-0, Infinity, -100, 12345678901234567890, 0.1] });
  });

  it('may name a member twice: the last counts, in the place of the first', () => {
    assert.equal(JSON.stringify(readJson('{"a\\n":1,"b":2,"a\\u000a":3}')), '{"a\\n":3,"b":2}');
  });

  it('that is none is refused as the engine refuses it', () => {
    for (const text of [
      '',
      '{',
      '{"a\\n":}',
      '{"a\\n":1}}',
      '{"a\\x":1}',
      '{"a\\n":01}',
      '{"a\\n" 1}',
      "{'a\\n':1}",
    ])
      assert.throws(() => readJson(text), SyntaxError, text);
  });

  it('may be long, and deep within reason', () => {
    const long = '\\n'.repeat(1_000_000);
    const read = readJson(`{"a\\n":"${long}","b":[${'"x",'.repeat(100_000)}"\\t"]}`) as Record<
      string,
      string
    >;
    assert.equal(read['a\n']?.length, 1_000_000);
    const nested = (depth: number): string => `${'['.repeat(depth)}{"a\\n":1}${']'.repeat(depth)}`;
    assert.equal(JSON.stringify(readJson(nested(900))), nested(900));
    assert.throws(() => readJson(nested(100_000)), SyntaxError);
  });
});
