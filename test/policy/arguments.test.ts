import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Json } from '../../src/domain/message.ts';
import { misfit } from '../../src/policy/arguments.ts';

const draft7 = 'http://json-schema.org/draft-07/schema#';
const object = (properties: Json, more = {}): Json => ({ type: 'object', properties, ...more });

describe('arguments', () => {
  test('that fit are not spoken of', () => {
    const schema = object(
      { path: { type: 'string' }, n: { type: 'integer', minimum: 1 } },
      { required: ['path'] },
    );
    assert.equal(misfit(schema, { path: '/a', n: 3 }), undefined);
    assert.equal(misfit(schema, { path: '/a', more: true }), undefined);
  });
  const rows: readonly (readonly [why: string, schema: Json, args: Json, told: string])[] = [
    ['a wrong type', object({ n: { type: 'number' } }), { n: '5' }, 'n: expected of type number.'],
    ['nothing is coerced', object({ b: { type: 'boolean' } }), { b: 'true' }, 'b: expected of type boolean.'],
    [
      'one that is missing',
      object({}, { required: ['path'] }),
      {},
      'path: expected to be given, and it is not.',
    ],
    [
      'one too many',
      object({ a: {} }, { additionalProperties: false }),
      { a: 1, force: true },
      'force: expected not to be given.',
    ],
    [
      'a place deep inside',
      object({ edits: { items: object({ old: { type: 'string' } }) } }),
      { edits: [{ old: 'x' }, { old: 1 }] },
      'edits.1.old: expected of type string.',
    ],
    ['no object at all', object({}), ['a'], 'arguments: expected of type object.'],
    [
      'a word that is none of them',
      object({ mode: { enum: ['r', 'w'] } }),
      { mode: 'x' },
      'mode: expected one of "r", "w".',
    ],
    ['a number too large', object({ n: { maximum: 10 } }), { n: 11 }, 'n: expected a number of at most 10.'],
    [
      'the alternative that was nearly met',
      { anyOf: [object({ a: { type: 'string' } }), { type: 'string' }] },
      { a: 1 },
      'a: expected of type string.',
    ],
  ];
  for (const [why, schema, args, told] of rows)
    test(`tell of ${why}`, () => assert.equal(misfit(schema, args), told));

  test('never tell the value', () => {
    const secret = 'hunter2-hunter2';
    const schemas: Json[] = [
      { type: 'number' },
      { const: 1 },
      { enum: [1] },
      { pattern: '^x$' },
      { minLength: 99 },
      { maxLength: 1 },
      { not: {} },
      { anyOf: [{ type: 'null' }] },
      { oneOf: [{}, {}] },
      false,
    ];
    for (const schema of schemas) {
      const told = misfit(object({ key: schema }), { key: secret });
      assert.ok(told !== undefined && !told.includes('hunter2'), String(told));
    }
  });
  test('are told of in one printable line of at most 300 characters', () => {
    const name = `\u202e\u001b[2J${'x'.repeat(500)}`;
    const schema = object(
      {},
      { additionalProperties: { enum: Array.from({ length: 100 }, (_, at) => 'v'.repeat(at)) } },
    );
    const told = misfit(schema, { [name]: 1 }) ?? '';
    assert.ok(told.length > 0 && told.length <= 300);
    assert.match(told, /^[\x20-\x7e…]+$/);
  });
});

describe('a schema', () => {
  test('of draft 7 is read as one', () => {
    const items = [{ type: 'string' }];
    const tuple: Json = { $schema: draft7, items, additionalItems: false };
    assert.equal(misfit(tuple, ['a']), undefined);
    assert.notEqual(misfit(tuple, ['a', 'b']), undefined);
  });
  test('that refers elsewhere cannot be used, and nothing is fetched', () => {
    const told = misfit(object({ a: { $ref: 'https://example.com/schema' } }), { a: 1 });
    assert.equal(
      told,
      'The schema of the tool cannot be used: it refers to a schema that is not part of it.',
    );
  });
  test('with a look-ahead leaves that pattern to the server, and checks the rest', () => {
    const schema = object({ p: { type: 'string', pattern: '^(?!secret)', maxLength: 9 } });
    assert.equal(misfit(schema, { p: 'x' }), undefined);
    assert.notEqual(misfit(schema, { p: 'x'.repeat(10) }), undefined);
    const names: Json = { patternProperties: { '^(?=a)': {} }, additionalProperties: false };
    assert.equal(misfit(names, { a: 1 }), undefined);
  });
  test('finds its patterns anywhere in a text, as ECMAScript does', () => {
    const fits = (pattern: string, p: string): boolean =>
      misfit(object({ p: { pattern } }), { p }) === undefined;
    assert.ok(fits('b', 'a\nbc') && !fits('^b', 'a\nb') && fits('^\\u0061\\/$', 'a/'));
    assert.ok(fits('^\\\\u0061$', '\\u0061') && !fits('^\\\\u0061$', 'a') && fits('\\cJ', '\n'));
  });
  test('that is malformed in places is read where it is not', () => {
    const schema = object({ a: { type: 'any', required: true, minimum: 'x', enum: 5, pattern: 1 }, b: 7 });
    assert.equal(misfit(schema, { a: 1, b: 2 }), undefined);
    assert.notEqual(misfit({ ...(schema as object), required: ['c'] }, { a: 1 }), undefined);
  });
  test('is not confused by names that every object has', () => {
    const schema = object({ constructor: { type: 'string' } }, { required: ['toString'] });
    assert.match(misfit(schema, {}) ?? '', /^toString/);
    assert.match(misfit(schema, { toString: 1, constructor: 1 }) ?? '', /^constructor/);
    const proto = JSON.parse(
      '{"properties":{"__proto__":{"type":"string"}},"additionalProperties":false}',
    ) as Json;
    assert.match(misfit(proto, JSON.parse('{"__proto__":1}') as Json) ?? '', /^__proto__/);
    assert.equal(({} as Record<string, unknown>)['type'], undefined);
  });
});

describe('a hostile schema, or hostile arguments, do not keep the daemon busy:', () => {
  const nested = (depth: number): Json => JSON.parse('{"a":'.repeat(depth) + '1' + '}'.repeat(depth)) as Json;
  const doubling: Json = {
    $ref: '#/$defs/d0',
    $defs: Object.fromEntries(
      Array.from({ length: 31 }, (_, at): [string, Json] => [
        `d${at}`,
        at === 30 || { allOf: [{ $ref: `#/$defs/d${at + 1}` }, { $ref: `#/$defs/d${at + 1}` }] },
      ]),
    ),
  };
  const long = 'a'.repeat(60_000);
  const rows: readonly (readonly [why: string, schema: Json, args: Json])[] = [
    ['a circle', { $ref: '#' }, {}],
    [
      'a circle of two',
      { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' },
      {},
    ],
    ['references that double', doubling, {}],
    ['a schema too deep', nested(5000), {}],
    ['a schema too large', { enum: Array.from({ length: 60_000 }, () => 1) }, {}],
    ['arguments too deep', { additionalProperties: { $ref: '#' } }, nested(5000)],
    ['a pattern that doubles', object({ p: { pattern: '(x+x+)+y' } }), { p: 'x'.repeat(300_000) }],
    ['a large pattern and a long text', object({ p: { pattern: '(?:a?){1000}[b-c]' } }), { p: long }],
    [
      'many large patterns',
      {
        patternProperties: Object.fromEntries(
          Array.from({ length: 400 }, (_, at) => [`(?:a?){900}[b-c]${at}`, {}]),
        ),
      },
      { [long]: 1 },
    ],
    [
      'items that are all compared',
      { uniqueItems: true },
      Array.from({ length: 100_000 }, (_, at) => ({ at })),
    ],
    [
      'a wide choice for many items',
      { items: { not: { enum: Array.from({ length: 15_000 }, (_, at) => at) } } },
      Array.from({ length: 10_000 }, () => -1),
    ],
    [
      'many alternatives for many items',
      { items: { anyOf: [...Array.from({ length: 5_000 }, () => ({ type: 'null' })), {}] } },
      Array.from({ length: 10_000 }, () => 1),
    ],
    [
      'members that are counted again and again',
      {
        unevaluatedProperties: false,
        allOf: Array.from({ length: 500 }, () => ({ additionalProperties: true })),
      },
      Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [`k${at}`, 1])),
    ],
  ];
  for (const [why, schema, args] of rows)
    test(why, () => {
      const told = misfit(schema, args) ?? '';
      assert.match(told, /cannot be used|too large to be checked/);
    });

  test('a pattern that is too large to be read is so every time, and never taken for one that says nothing', () => {
    const schema = object({ p: { pattern: '(?:a?){1000}'.repeat(8) + '$' } });
    for (let time = 0; time < 3; time++)
      assert.match(misfit(schema, { p: 'b' }) ?? '', /too large to be checked/);
  });
  test('a thousandth of a number is still a multiple, and a huge one no trouble', () => {
    const schema = object({ n: { multipleOf: 0.001 } });
    assert.equal(misfit(schema, { n: 0.3 }), undefined);
    assert.notEqual(misfit(schema, { n: 0.0001 }), undefined);
    assert.equal(misfit(schema, { n: 1e308 }), undefined);
    assert.notEqual(
      misfit(object({ n: { multipleOf: 1e-300 } }), { n: JSON.parse('1e400') as number }),
      undefined,
    );
  });
});
