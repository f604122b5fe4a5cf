import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasControlByte } from '../../src/protocol/control-bytes.ts';

const plainly = (bytes: Uint8Array): boolean => bytes.some((byte) => byte < 0x20);

describe('a byte below 0x20', () => {
  it('is found at every place, wherever the bytes begin in their memory', () => {
    for (let offset = 0; offset < 8; offset++)
      for (const length of [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33]) {
        const bytes = new Uint8Array(64).subarray(offset, offset + length).fill(0x20);
        assert.equal(hasControlByte(bytes), false);
        for (let at = 0; at < length; at++) {
          bytes[at] = 0x1f;
          assert.equal(hasControlByte(bytes), true, `${at} of ${length} at ${offset}`);
          bytes[at] = 0x20;
        }
      }
  });

  it('is each of the thirty-two and no other, beside any neighbours', () => {
    for (const neighbour of [0x20, 0x7f, 0x80, 0xa0, 0xff])
      for (let byte = 0; byte < 256; byte++)
        for (let at = 0; at < 4; at++) {
          const bytes = new Uint8Array(4).fill(neighbour);
          bytes[at] = byte;
          assert.equal(hasControlByte(bytes), byte < 0x20, `${byte} beside ${neighbour}`);
        }
  });

  it('does not look beyond its bytes', () => {
    const around = new Uint8Array(32);
    const bytes = around.subarray(5, 27).fill(0x41);
    assert.equal(hasControlByte(bytes), false);
  });

  it('is found in long texts, early and late', () => {
    const bytes = new Uint8Array(100_003).fill(0xc3);
    for (const at of [0, 1, 16_383, 16_384, 16_385, 65_536, 100_001, 100_002]) {
      bytes[at] = 0x0a;
      assert.equal(hasControlByte(bytes), true, String(at));
      bytes[at] = 0xc3;
    }
    assert.equal(hasControlByte(bytes), false);
  });

  it('is what a plain look finds', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 80 }),
        (all, from, more) => {
          const bytes = all.subarray(from, from + more);
          assert.equal(hasControlByte(bytes), plainly(bytes));
          const high = bytes.map((byte) => byte | 0x20);
          assert.equal(hasControlByte(high), false);
        },
      ),
    );
  });
});
