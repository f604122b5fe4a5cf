import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Check, Holds } from '../../src/domain/conditions.ts';
import type { Json, JsonObject } from '../../src/domain/message.ts';
import { argumentTest } from '../../src/policy/condition.ts';
import { expectation } from '../../src/policy/expectation.ts';
import { namedArgument } from './arguments-of-rules.ts';
import { condition, facts } from './support.ts';

const silent = (what: string): never => assert.fail(what);

const rows: readonly (readonly [check: Check, value: Json, holds: Holds])[] = [
  [{ kind: 'type', type: 'string' }, 'x', 'yes'],
  [{ kind: 'type', type: 'string' }, ['x'], 'no'],
  [{ kind: 'type', type: 'integer' }, 1.0, 'yes'],
  [{ kind: 'type', type: 'integer' }, 1.5, 'no'],
  [{ kind: 'type', type: 'number' }, 1.5, 'yes'],
  [{ kind: 'type', type: 'object' }, [], 'no'],
  [{ kind: 'type', type: 'object' }, null, 'no'],
  [{ kind: 'type', type: 'null' }, null, 'yes'],
  [{ kind: 'one-of', values: ['a', 'b'] }, 'b', 'yes'],
  [{ kind: 'one-of', values: ['a', 'b'] }, 'B', 'no'],
  [{ kind: 'one-of', values: ['a'] }, ['a'], 'unknown'],
  [{ kind: 'one-of', values: [1] }, '1', 'unknown'],
  [{ kind: 'one-of', values: [1] }, 1.0, 'yes'],
  [{ kind: 'one-of', values: [true] }, 1, 'unknown'],
  [{ kind: 'one-of', values: [2 ** 53] }, 2 ** 53, 'unknown'],
  [{ kind: 'one-of', values: [] }, 'a', 'no'],
  [{ kind: 'length', min: 1, max: 2 }, '😀😀', 'yes'],
  [{ kind: 'length', min: 1, max: 2 }, 'abc', 'no'],
  [{ kind: 'length', min: 1, max: 2 }, '', 'no'],
  [{ kind: 'length', min: 1, max: 2 }, ['a', 'b', 'c'], 'no'],
  [{ kind: 'length', min: 1, max: 2 }, { a: 1 }, 'yes'],
  [{ kind: 'length', min: 1, max: 2 }, 12, 'unknown'],
  [{ kind: 'range', min: 1, max: 10 }, 10, 'yes'],
  [{ kind: 'range', min: 1, max: 10 }, 10.001, 'no'],
  [{ kind: 'range', min: 1, max: 10 }, '5', 'unknown'],
  [{ kind: 'range', min: 1, max: Infinity }, Number.POSITIVE_INFINITY, 'yes'],
  [{ kind: 'text', like: ['acme/*'], matches: [] }, 'acme/site', 'yes'],
  [{ kind: 'text', like: ['acme/*'], matches: [] }, 'ACME/site', 'no'],
  [{ kind: 'text', like: ['acme/*'], matches: [] }, ['acme/site'], 'unknown'],
  [{ kind: 'text', like: [], matches: ['[A-Z]{2}-[0-9]+'] }, 'GB-12', 'yes'],
  [{ kind: 'text', like: [], matches: ['[A-Z]{2}-[0-9]+'] }, 'GB-12\n', 'no'],
  [{ kind: 'text', like: [], matches: ['[A-Z]{2}-[0-9]+'] }, 'x GB-12', 'no'],
  [{ kind: 'text', like: [], matches: ['a|b'] }, 'ab', 'no'],
  [{ kind: 'text', like: [], matches: ['a+'] }, 'a'.repeat(100_000), 'unknown'],
  [{ kind: 'text', like: ['x'], matches: ['a+'] }, 'aaa', 'yes'],
  [{ kind: 'within', folders: ['/srv/a'] }, '/srv/a', 'yes'],
  [{ kind: 'within', folders: ['/srv/a'] }, '/srv/a/b', 'yes'],
  [{ kind: 'within', folders: ['/srv/a'] }, '/srv/ab', 'no'],
  [{ kind: 'within', folders: ['/srv/a/'] }, '/srv/ab', 'no'],
  [{ kind: 'within', folders: ['/'] }, '/etc', 'yes'],
  [{ kind: 'within', folders: ['/srv/a'] }, 'a.txt', 'unknown'],
  [{ kind: 'within', folders: ['/srv/a'] }, ['/srv/a'], 'unknown'],
  [{ kind: 'not', checks: [{ kind: 'one-of', values: ['main'] }] }, 'main', 'no'],
  [{ kind: 'not', checks: [{ kind: 'one-of', values: ['main'] }] }, 'dev', 'yes'],
  [{ kind: 'not', checks: [{ kind: 'one-of', values: ['main'] }] }, ['main'], 'unknown'],
];

describe('a check', () => {
  for (const [check, value, holds] of rows)
    test(`${JSON.stringify(check)} of ${JSON.stringify(value).slice(0, 30)} says ${holds}`, () =>
      assert.equal(namedArgument('it', check)(value), holds));
});

describe('a path', () => {
  const short: Check = { kind: 'length', min: 0, max: 3 };
  const holds = (at: string, args: JsonObject, more = {}): Holds =>
    argumentTest(condition(at, [short], more), 'all', silent).holds(args, facts.realPath);

  test('leads through members', () => {
    assert.equal(holds('a.b', { a: { b: 'x' } }), 'yes');
    assert.equal(holds('a.b', { a: { b: 'long' } }), 'no');
  });
  test('that leads nowhere is not met, unless it may', () => {
    assert.equal(holds('a.b', { a: {} }), 'no');
    assert.equal(holds('a.b', {}), 'no');
    assert.equal(holds('a.b', {}, { optional: true }), 'yes');
    assert.equal(holds('a.b', { a: { b: 'long' } }, { optional: true }), 'no');
  });
  test('into something that has no members cannot be told, optional or not', () => {
    for (const a of ['/etc', 1, null, true, ['x']]) {
      assert.equal(holds('a.b', { a }), 'unknown');
      assert.equal(holds('a.b', { a }, { optional: true }), 'unknown');
    }
    assert.equal(holds('a.*', { a: '/etc' }), 'unknown');
  });
  test('with a star is about every item and every member', () => {
    assert.equal(holds('a.*', { a: ['x', 'y'] }), 'yes');
    assert.equal(holds('a.*', { a: ['x', 'long'] }), 'no');
    assert.equal(holds('a.*', { a: { k: 'x', l: 'long' } }), 'no');
    assert.equal(holds('a.*', { a: [] }), 'yes');
    assert.equal(holds('a.*', { a: ['x', 5] }), 'unknown');
    assert.equal(holds('a.*', { a: [5, 'long'] }), 'no');
    assert.equal(holds('a.*.b', { a: [{ b: 'x' }, {}] }), 'no');
    assert.equal(holds('*', { a: 'x', b: 'long' }), 'no');
  });
  test('through items of which one lacks the argument still looks at the others', () => {
    assert.equal(holds('a.*.b', { a: [{}, { b: 'long' }] }, { optional: true }), 'no');
    assert.equal(holds('a.*.b', { a: [{}, { b: 'x' }] }, { optional: true }), 'yes');
    const none = argumentTest(condition('a.*.b', [], { absent: true }), 'all', silent);
    assert.equal(none.holds({ a: [{}, { b: 1 }] }, facts.realPath), 'no');
    assert.equal(none.holds({ a: [{}, {}] }, facts.realPath), 'yes');
  });
  test('of a denial is met by any item: one harmless item more does not dodge it', () => {
    const never = argumentTest(condition('a.*', [short]), 'any', silent);
    const any = (a: Json) => never.holds({ a }, facts.realPath);
    assert.equal(any(['long', 'x']), 'yes');
    assert.equal(any(['long', 'longer']), 'no');
    assert.equal(any(['long', 5]), 'unknown');
    assert.equal(any([5, 'x']), 'yes');
    assert.equal(any([]), 'no');
    assert.equal(any(Array.from({ length: 20_000 }, () => 'long')), 'unknown');
  });
  test('sees what is in the message, not what every object has', () => {
    const there = argumentTest(condition('constructor', []), 'all', silent);
    assert.equal(there.holds({}, facts.realPath), 'no');
    assert.equal(there.holds({ constructor: 1 }, facts.realPath), 'yes');
    const proto = argumentTest(condition('__proto__.x', []), 'all', silent);
    assert.equal(proto.holds(JSON.parse('{"__proto__":{"x":1}}') as JsonObject, facts.realPath), 'yes');
    assert.equal(proto.holds({ x: 1 }, facts.realPath), 'no');
  });
  test('to more values than are looked at cannot be told', () => {
    assert.equal(holds('a.*', { a: Array.from({ length: 9_000 }, () => 'x') }), 'yes');
    assert.equal(holds('a.*', { a: Array.from({ length: 20_000 }, () => 'x') }), 'unknown');
    assert.equal(holds('a.*', { a: ['long', ...Array.from({ length: 20_000 }, () => 'x')] }), 'no');
  });
  test('to an argument that must not be there', () => {
    const none = argumentTest(condition('force', [], { absent: true }), 'all', silent);
    assert.equal(none.holds({}, facts.realPath), 'yes');
    assert.equal(none.holds({ force: false }, facts.realPath), 'no');
  });
});

describe('a condition', () => {
  const complaints = (check: Check): string[] => {
    const told: string[] = [];
    argumentTest(condition('p', [check]), 'all', (what) => void told.push(what));
    return told;
  };
  test('with a pattern that is none says so, with its place', () => {
    assert.match(
      complaints({ kind: 'text', like: [''], matches: [] })[0] ?? '',
      /^args: p: like: the pattern "" is empty/,
    );
    assert.match(complaints({ kind: 'text', like: [], matches: ['(?=x)'] })[0] ?? '', /^args: p: matches: /);
    assert.match(
      complaints({ kind: 'not', checks: [{ kind: 'text', like: [], matches: ['('] }] })[0] ?? '',
      /^args: p: matches: /,
    );
  });
  test('with a folder that is not plain is refused', () => {
    for (const folder of ['a', '', '/a/../b', '/a/./b', '/a//b', '/a\0', '~'])
      assert.equal(complaints({ kind: 'within', folders: [folder] }).length, 1, folder);
    for (const folder of ['/', '/a', '/a/', '/a/.b', '/a/..b/c'])
      assert.deepEqual(complaints({ kind: 'within', folders: [folder] }), []);
  });
  test('does not change with what it was read from', () => {
    const path = ['path'];
    const checks: Check[] = [{ kind: 'one-of', values: ['a'] }];
    const written = { ...condition('path', checks), path, checks };
    const made = argumentTest(written, 'all', silent);
    path[0] = 'other';
    checks.pop();
    assert.equal(made.holds({ path: 'a' }, facts.realPath), 'yes');
    assert.equal(made.holds({ path: 'b', other: 'b' }, facts.realPath), 'no');
  });
  test('says what it wants in words, briefly', () => {
    assert.equal(
      expectation(condition('path', [{ kind: 'within', folders: ['/srv/x'] }])),
      'path: a path within /srv/x',
    );
    assert.equal(
      expectation(condition('n', [{ kind: 'range', min: 1, max: 5 }], { optional: true })),
      'n: a number from 1 to 5, or left out',
    );
    assert.equal(expectation(condition('force', [], { absent: true })), 'force: must not be given');
    const values = Array.from({ length: 500 }, (_, at) => `value number ${at}`);
    assert.ok(expectation(condition('p', [{ kind: 'one-of', values }])).length <= 300);
  });
});
