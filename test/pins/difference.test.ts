import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JsonText } from '../../src/domain/message.ts';
import { differences } from '../../src/pins/difference.ts';

const bounds = { changesMax: 100, charsMax: 100 };
const text = (it: unknown) => JSON.stringify(it) as JsonText;
const between = (was: unknown, is: unknown, more: Partial<typeof bounds> = {}) =>
  differences(was === undefined ? undefined : text(was), is === undefined ? undefined : text(is), {
    ...bounds,
    ...more,
  });

describe('what changed', () => {
  it('is nothing between equals, in whatever order', () =>
    assert.deepEqual(between({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1 }), {
      changes: [],
      more: 0,
    }));

  it('is told field by field, with the place of each', () =>
    assert.deepEqual(
      between(
        {
          name: 'a',
          description: 'x',
          inputSchema: { properties: { p: { type: 'string' } }, required: ['p'] },
        },
        {
          name: 'a',
          inputSchema: { properties: { p: { type: 'number' }, q: { type: 'string' } }, required: [] },
          title: 'T',
        },
      ).changes,
      [
        { at: 'description', was: '"x"', is: null },
        { at: 'inputSchema.properties.p.type', was: '"string"', is: '"number"' },
        { at: 'inputSchema.properties.q', was: null, is: '{"type":"string"}' },
        { at: 'inputSchema.required.0', was: '"p"', is: null },
        { at: 'title', was: null, is: '"T"' },
      ],
    ));

  it('of a tool that is new is each of its fields', () =>
    assert.deepEqual(between(undefined, { name: 'a', description: 'x' }).changes, [
      { at: 'name', was: null, is: '"a"' },
      { at: 'description', was: null, is: '"x"' },
    ]));

  it('shows numbers with their digits', () =>
    assert.deepEqual(
      differences('{"n":9007199254740993}' as JsonText, '{"n":9007199254740992}' as JsonText, bounds).changes,
      [{ at: 'n', was: '9007199254740993', is: '9007199254740992' }],
    ));

  it('is not hidden behind a long text that is the same: what differs is shown, and the cut is marked', () => {
    const same = 'y'.repeat(5000);
    const [change] = between({ d: same }, { d: `${same}STEAL` }).changes;
    assert.match(change?.is ?? '', /STEAL/);
    assert.match(change?.is ?? '', /\[CUT: characters \d+ to 5007 of 5007\]$/);
    const [first] = between({ d: 'a' }, { d: 'z'.repeat(5000) }).changes;
    assert.match(first?.is ?? '', /^"z{99} …\[CUT: characters 1 to 100 of 5002\]$/);
  });

  it('is bounded, and says how much more there is', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`k${at}`, at]));
    const { changes, more } = between({}, many);
    assert.deepEqual([changes.length, more], [100, 400]);
  });

  it('is one change where the kind of value is another', () =>
    assert.deepEqual(between({ a: [1] }, { a: { 0: 1 } }).changes, [{ at: 'a', was: '[1]', is: '{"0":1}' }]));

  it('is found in a member called __proto__', () =>
    assert.deepEqual(
      differences('{"__proto__":1}' as JsonText, '{"__proto__":2}' as JsonText, bounds).changes,
      [{ at: '__proto__', was: '1', is: '2' }],
    ));

  it('is told of what is nested deeply, without going all the way', () => {
    const nested = (end: string) => text(JSON.parse(`${'{"a":'.repeat(300)}"${end}"${'}'.repeat(300)}`));
    const { changes } = differences(nested('x'), nested('y'), { ...bounds, charsMax: 4000 });
    assert.equal(changes.length, 1);
    assert.match(changes[0]?.is ?? '', /"y"/);
  });
});
