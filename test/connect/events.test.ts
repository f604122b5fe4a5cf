import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readEvents, type StreamEvent } from '../../src/connect/events.ts';
import { Fault } from '../../src/domain/faults.ts';

async function eventsIn(chunks: readonly (string | Buffer)[], bytesMax = 100): Promise<StreamEvent[]> {
  const body = (async function* () {
    for (const chunk of chunks) yield Buffer.from(chunk);
  })();
  const found: StreamEvent[] = [];
  for await (const event of readEvents(body, bytesMax)) found.push(event);
  return found;
}

const plain = (text: string): StreamEvent => ({ text, id: undefined, retryMs: undefined });

describe('server-sent events', () => {
  for (const [what, stream, found] of [
    ['one line of data', 'event: message\ndata: {"a":1}\n\n', [plain('{"a":1}')]],
    ['several lines of data', 'data: {\ndata:"a"\ndata:  :1}\n\n', [plain('{\n"a"\n :1}')]],
    ['CRLF line ends', 'data: x\r\n\r\n', [plain('x')]],
    ['comments and unknown fields', ': hello\nfoo: bar\ndata: x\n\n: bye\n\n', [plain('x')]],
    [
      'an id and a time to come back',
      'id: 7\nretry: 2000\ndata:\n\n',
      [{ text: '', id: '7', retryMs: 2000 }],
    ],
    [
      'a time out of bounds',
      'retry: 0\ndata: x\n\nretry: 999999999\n\nretry: soon\n\n',
      [
        { text: 'x', id: undefined, retryMs: 50 },
        { text: '', id: undefined, retryMs: 60_000 },
      ],
    ],
    ['an id that could not stand in a header', 'id: ü\ndata: x\n\n', [plain('x')]],
    ['an event that the end cuts off', 'data: x\n\ndata: y\n', [plain('x')]],
    ['line ends of other readers', 'data: a\u2028b\rc\n\n', [plain('a\u2028b\rc')]],
  ] as [string, string, StreamEvent[]][])
    it(`${what}, however the stream is cut up`, async () => {
      assert.deepEqual(await eventsIn([stream]), found);
      const bytes = Buffer.from(stream);
      assert.deepEqual(await eventsIn([...bytes].map((byte) => Buffer.from([byte]))), found);
    });

  it('an event over the bound is refused, in one line or in many', async () => {
    const tooLarge = (reason: unknown) => reason instanceof Fault && reason.code === 'TOO_LARGE';
    assert.equal((await eventsIn([`data: ${'x'.repeat(100)}\n\n`])).length, 1);
    await assert.rejects(eventsIn([`data: ${'x'.repeat(102)}\n\n`]), tooLarge);
    await assert.rejects(eventsIn([`data: ${'x'.repeat(60)}\n`.repeat(2)]), tooLarge);
  });

  it('bytes that are not UTF-8 are refused', async () => {
    await assert.rejects(
      eventsIn([Buffer.from([0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0x0a, 0x0a])]),
      (reason) => reason instanceof Fault && reason.code === 'BAD_JSON',
    );
  });
});
