import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Lines } from '../../src/fleet/lines.ts';

function cut(chunks: readonly Buffer[], bytesMax = 1000, end = true): string[] {
  const found: string[] = [];
  const lines = new Lines(bytesMax, {
    line: (bytes) => found.push(bytes.toString('utf8')),
    overlong: (head, tail) => found.push(`too long: ${head.toString('latin1')}|${tail.toString('latin1')}`),
  });
  for (const chunk of chunks) lines.feed(chunk);
  if (end) lines.end();
  return found;
}

describe('Lines', () => {
  it('finds the same lines however the stream is cut up', () => {
    const text = 'one\ntwo ü€😀\r\n\nthree\r still three\u2028\u0085\nlast';
    const bytes = Buffer.from(text);
    const expected = ['one', 'two ü€😀', '', 'three\r still three\u2028\u0085', 'last'];
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 60 }), (cuts) => {
        const at = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
        const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
        assert.deepEqual(cut(chunks), expected);
      }),
    );
  });

  it('takes a last line without LF at the end of the stream only', () => {
    assert.deepEqual(cut([Buffer.from('a\nb')], 10, false), ['a']);
    assert.deepEqual(cut([Buffer.from('a\nb')], 10, true), ['a', 'b']);
  });

  it('keeps a line of exactly the cap, with or without CR, and drops one byte more', () => {
    assert.deepEqual(cut([Buffer.from('12345\n12345\r\n')], 5), ['12345', '12345']);
    assert.deepEqual(cut([Buffer.from('123456\nok\n')], 5), ['too long: 123456|123456', 'ok']);
  });

  it('shows the edges of an overlong line and goes on after it', () => {
    const long = `${'h'.repeat(100)}${'x'.repeat(5000)}${'t'.repeat(100)}`;
    const chunks = Buffer.from(`${long}\nnext\n`);
    const pieces = [
      chunks.subarray(0, 10),
      chunks.subarray(10, 3000),
      chunks.subarray(3000, 5150),
      chunks.subarray(5150),
    ];
    assert.deepEqual(cut(pieces), [`too long: ${'h'.repeat(64)}|${'t'.repeat(64)}`, 'next']);
  });

  it('does not keep more than a cap of a line that never ends', () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    assert.deepEqual(cut(Array.from({ length: 200 }, () => chunk)), [
      `too long: ${'x'.repeat(64)}|${'x'.repeat(64)}`,
    ]);
  });
});
