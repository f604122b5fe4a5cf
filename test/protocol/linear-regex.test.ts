import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { linearRegex } from '../../src/protocol/linear-regex.ts';

function read(text: string) {
  const made = linearRegex(text);
  assert.ok(made.ok, made.ok ? '' : made.what);
  return made.regex;
}

describe('a regular expression of an owner', () => {
  it('fits a whole value or does not fit it', () => {
    const regex = read('[A-Z]{2}-[0-9]+');
    assert.ok(regex.fitsWhole('GB-12'));
    for (const other of ['GB-12\n', '\nGB-12', 'xGB-12', 'GB-12 ', ''])
      assert.ok(!regex.fitsWhole(other), other);
    assert.ok(!read('^a$').fitsWhole('b\na\nc'), 'no line of a value is the value');
  });

  it('is found from left to right, in units of UTF-16, and never as nothing', () => {
    assert.deepEqual(read('a+').places('😀aab a'), [
      [2, 4],
      [6, 7],
    ]);
    assert.deepEqual(read('x*').places('axxb'), [[1, 3]]);
    assert.deepEqual(read('x').places(''), []);
  });

  for (const [text, why] of [
    ['', /empty/],
    ['(', /missing closing/],
    ['(?=a)', /no regular expression of RE2/],
    ['(?m)^a$', /flags m or s/],
    ['(?is).', /flags m or s/],
    ['a'.repeat(1025), /longer than/],
  ] as const)
    it(`is none when it is ${JSON.stringify(text.slice(0, 12))}`, () => {
      const made = linearRegex(text);
      assert.ok(!made.ok);
      assert.match(made.what, why);
    });

  it('that would read to the end from every place is given up, and nothing passes for "not found"', () => {
    const far = read('key(?:=.*;)?');
    assert.equal(far.places('key=1; key=2').length, 2);
    assert.throws(
      () => far.places('key='.repeat(200_000)),
      (reason: unknown) => reason instanceof Fault && reason.code === 'TOO_LARGE',
    );
  });
});
