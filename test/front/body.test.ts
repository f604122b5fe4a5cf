import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { giveBack, readBody, textOf } from '../../src/front/body.ts';

/** Chunks as Node's HTTP parser hands them over: each with memory of its own. */
function requestOf(chunks: readonly Buffer[]): IncomingMessage {
  return Object.assign(Readable.from(chunks), { complete: true }) as unknown as IncomingMessage;
}

const own = (size: number, fill: string): Buffer => Buffer.from(new ArrayBuffer(size)).fill(fill);
const room = (): undefined => undefined;

describe('the memory of a body', () => {
  it('is given back for its chunks as soon as they are joined', async () => {
    const chunks = [own(65_536, 'a'), own(65_536, 'b'), own(10, 'c')];
    const body = await readBody(requestOf(chunks), 1 << 20, room);
    assert.ok(Buffer.isBuffer(body));
    assert.equal(body.toString('latin1'), 'a'.repeat(65_536) + 'b'.repeat(65_536) + 'c'.repeat(10));
    assert.deepEqual(
      chunks.map(({ length }) => length),
      [0, 0, 10],
    );
  });

  it('is whole where the body came in one piece', async () => {
    const chunk = own(65_536, 'a');
    const body = await readBody(requestOf([chunk]), 1 << 20, room);
    assert.ok(Buffer.isBuffer(body));
    assert.equal(body.length, 65_536);
  });

  it('is not given back where others have a share in it', () => {
    const small = Buffer.from('of the pool');
    const neighbour = Buffer.from('beside it');
    const half = own(131_072, 'a').subarray(0, 65_536);
    for (const it of [small, half]) giveBack(it);
    assert.deepEqual([small.toString(), neighbour.toString()], ['of the pool', 'beside it']);
    assert.equal(half.length, 65_536);
  });

  it('of large bytes is given back at once', () => {
    const large = Buffer.concat([own(65_536, 'a'), own(1, 'b')]);
    const { buffer } = large;
    giveBack(large);
    assert.deepEqual([large.length, buffer.byteLength], [0, 0]);
  });

  it('is given back as soon as it is text', () => {
    const large = own(65_536, 'a');
    assert.equal(textOf(large), 'a'.repeat(65_536));
    assert.equal(large.length, 0);
  });
});
