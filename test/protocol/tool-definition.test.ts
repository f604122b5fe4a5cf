import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Json, JsonText } from '../../src/domain/message.ts';
import { canonical } from '../../src/protocol/codec.ts';
import { admitsOf, definitionDigest, offeredTool } from '../../src/protocol/tool-definition.ts';

const text = (value: unknown): JsonText =>
  canonical(JSON.stringify(value), { bytesMax: 10_000_000, depthMax: 600 });
const digest = (value: unknown): string => definitionDigest(text(value));

const whole = {
  name: 'write',
  title: 'Write',
  description: 'Writes a file.',
  inputSchema: {
    type: 'object',
    properties: { path: { type: 'string' }, n: { type: 'integer' } },
    required: ['path', 'n'],
  },
  outputSchema: { type: 'object' },
  annotations: { readOnlyHint: false, title: 'W' },
  icons: [{ src: 'https://a/1.png' }, { src: 'https://a/2.png' }],
  execution: { taskSupport: 'optional' },
  _meta: { v: 1 },
};

/** The same value with the members of every object the other way round. */
function turned(value: Json): Json {
  if (Array.isArray(value)) return value.map(turned);
  if (value === null || typeof value !== 'object') return value;
  const back: [string, Json][] = Object.entries(value).map(([key, it]) => [key, turned(it)]);
  return Object.fromEntries(back.reverse());
}

describe('the digest of a definition', () => {
  it('is 64 hex digits', () => assert.match(digest(whole), /^[0-9a-f]{64}$/));

  it('does not depend on the order of members, at any depth, or on white space', () => {
    assert.notEqual(JSON.stringify(turned(whole)), JSON.stringify(whole));
    assert.equal(digest(turned(whole)), digest(whole));
    const spaced = canonical(JSON.stringify(whole, undefined, 3), { bytesMax: 100_000, depthMax: 20 });
    assert.equal(definitionDigest(spaced), digest(whole));
  });

  it('does not depend on how a text is escaped', () => {
    const spelled = canonical('{"name":"\\u0061\\u000a","\\u0062":1}', { bytesMax: 1000, depthMax: 5 });
    assert.equal(definitionDigest(spelled), digest({ b: 1, name: 'a\n' }));
  });

  for (const [what, other] of [
    ['name', { name: 'write2' }],
    ['title', { title: 'write' }],
    ['description', { description: 'Writes a file. ' }],
    ['input schema', { inputSchema: { ...whole.inputSchema, additionalProperties: false } }],
    [
      'a type deep in the input schema',
      {
        inputSchema: {
          ...whole.inputSchema,
          properties: { path: { type: 'number' }, n: { type: 'integer' } },
        },
      },
    ],
    ['the order of a list', { inputSchema: { ...whole.inputSchema, required: ['n', 'path'] } }],
    ['output schema', { outputSchema: { type: 'array' } }],
    ['annotations', { annotations: { readOnlyHint: true, title: 'W' } }],
    ['icons', { icons: [...whole.icons].reverse() }],
    ['execution', { execution: { taskSupport: 'required' } }],
    ['_meta', { _meta: { v: 2 } }],
    ['a field that nobody knows', { later: null }],
    ['a field less', { title: undefined }],
    ['null for a text', { title: null }],
    ['a text for a number', { _meta: { v: '1' } }],
  ] as const) {
    it(`changes with ${what}`, () => assert.notEqual(digest({ ...whole, ...other }), digest(whole)));
  }

  it('keeps numbers apart that a double does not', () => {
    const of = (digits: string) => definitionDigest(`{"n":${digits}}` as JsonText);
    assert.notEqual(of('9007199254740993'), of('9007199254740992'));
  });

  it('tells members from text that looks like them', () => {
    assert.notEqual(digest({ a: '1","b":"2' }), digest({ a: '1', b: '2' }));
    assert.notEqual(digest({ a: ['x', 'y'] }), digest({ a: ['x,y'] }));
    assert.notEqual(digest({ 'a\\': 'b' }), digest({ a: '\\b' }));
  });

  it('is equal for equal values and differs for different ones', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 4 }), (a, b) => {
        assert.equal(digest(turned(a as Json)), digest(a));
        const same = JSON.stringify(sorted(a as Json)) === JSON.stringify(sorted(b as Json));
        assert.equal(digest(a) === digest(b), same);
      }),
      { numRuns: 400 },
    );
  });

  it('is found for a definition that is nested as deeply as any may be, and for one with many members', () => {
    const deep = canonical(`${'{"a":['.repeat(250)}1${']}'.repeat(250)}`, {
      bytesMax: 10_000,
      depthMax: 512,
    });
    assert.match(definitionDigest(deep), /^[0-9a-f]{64}$/);
    const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, at) => [`k${at}`, at]));
    assert.equal(digest(turned(wide)), digest(wide));
  });
});

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries: [string, Json][] = Object.entries(value).map(([key, it]) => [key, sorted(it)]);
  return { members: entries.sort(([a], [b]) => (a < b ? -1 : 1)) };
}

describe('what annotations admit to', () => {
  for (const [annotations, admits] of [
    [undefined, undefined],
    [null, undefined],
    [[], undefined],
    ['readOnlyHint', undefined],
    [{}, undefined],
    [{ readOnlyHint: true }, undefined],
    [{ readOnlyHint: false }, 'write'],
    [{ readOnlyHint: 'false' }, undefined],
    [{ readOnlyHint: false, destructiveHint: false }, 'write'],
    [{ readOnlyHint: false, destructiveHint: true }, 'destructive'],
    [{ destructiveHint: true }, 'destructive'],
    [{ destructiveHint: 1 }, undefined],
    // Nothing is destroyed by what only reads (2025-11-25 schema, ToolAnnotations).
    [{ readOnlyHint: true, destructiveHint: true }, undefined],
  ] as const) {
    it(`${JSON.stringify(annotations)}: ${admits ?? 'nothing'}`, () =>
      assert.equal(admitsOf(annotations as Json | undefined), admits));
  }
});

describe('an offered tool', () => {
  it('has its schema, and what it admits to', () => {
    const { inputSchema, admits, digest: mark } = offeredTool(text(whole));
    assert.deepEqual(inputSchema, whole.inputSchema);
    assert.equal(admits, 'write');
    assert.equal(mark, digest(whole));
  });

  it('may have no schema', () => assert.equal(offeredTool(text({ name: 'a' })).inputSchema, undefined));
});
