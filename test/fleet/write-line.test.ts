import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Fault } from '../../src/domain/faults.ts';
import { writeLine } from '../../src/fleet/write-line.ts';
import { encode } from '../../src/protocol/codec.ts';
import { json } from './support.ts';

it('a written line is one line for every reader and means what it meant', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('\u0085', '\u2028', '\u2029', '\ud800', '\n', '\ufeff', ''),
      (text, odd) => {
        const value = { text: text + odd + text };
        const line = writeLine(encode(value));
        assert.equal(line.indexOf('\n'), line.length - 1);
        assert.doesNotMatch(line.slice(0, -1), /[\u0000-\u001f\u0085\u2028\u2029]/);
        assert.equal(Buffer.from(line).toString('utf8'), line);
        assert.deepEqual(JSON.parse(line), value);
      },
    ),
  );
});

it('a line break in text that should be canonical is a mistake of ours, and is not sent', () => {
  assert.throws(
    () => writeLine(json('{"a":\n1}')),
    (reason) => reason instanceof Fault && reason.code === 'BUG',
  );
});
