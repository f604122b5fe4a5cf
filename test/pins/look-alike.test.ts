import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lookAlikes } from '../../src/pins/look-alike.ts';

describe('names that look the same', () => {
  for (const names of [
    ['read_file', 'Read_File'],
    ['read_file', 'ｒead_file'],
    ['ﬁle', 'file'],
    ['\u212a', 'k'],
    ['\u017fave', 'save'],
    ['straße', 'STRASSE'],
    ['caf\u00e9', 'cafe\u0301'],
    ['ab', 'a\u200bb'],
    ['ab', 'a\u{e0041}b'],
  ])
    it(names.map((it) => JSON.stringify(it)).join(' and '), () =>
      assert.deepEqual([...lookAlikes([...names, 'other'])].sort(), [...names].sort()),
    );

  it('are not those that differ in what is seen', () =>
    assert.deepEqual([...lookAlikes(['read', 'reads', 'read_', 'raed', '__proto__', 'constructor'])], []));

  it('are all of three', () => assert.equal(lookAlikes(['a', 'A', 'ａ', 'b']).size, 3));
});
