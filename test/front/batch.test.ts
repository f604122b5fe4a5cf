import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { LiveSession } from '../../src/callers/live-session.ts';
import { Replay } from '../../src/callers/replay.ts';
import type { Arrival } from '../../src/domain/call.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { BatchResponse, isBatch, readBatch } from '../../src/front/batch.ts';
import { Events, messageOf } from './legacy-wire.ts';

const unreadBytesMax = 16 * 1024 * 1024;
const bounds = { bytesMax: 1024 * 1024, depthMax: 16 };

const arrival = (id: number): Arrival => ({
  id: `c-${id}`,
  at: 0,
  remote: '',
  server: 'fx',
  credentials: { kind: 'none' },
  sessionId: undefined,
  userAgent: undefined,
  message: { kind: 'request', id, method: 'tools/call', params: undefined },
  era: 'legacy',
  mirror: undefined,
  halt: new Halt(),
  outlet: { send: () => 'gone' },
});

const answered = (chars: number): Outcome => ({
  kind: 'answered',
  answer: { kind: 'result', text: `{"x":"${'x'.repeat(chars)}"}` as RedactedJson },
  opened: undefined,
});

function session(): LiveSession {
  const replay = new Replay({ eventsMax: 10, bytesMax: 1024 * 1024, allBytesMax: 1024 * 1024 });
  return new LiveSession('s', { name: 'tester' }, 'fx', 0, replay);
}

/** What a client receives of one response. */
async function received(write: (res: ServerResponse) => void): Promise<Response> {
  const server = createServer((_req, res) => write(res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    const body = await response.arrayBuffer();
    return new Response(response.status === 202 ? null : body, response);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

describe('a body', () => {
  it('is a batch when its first character says so', () => {
    for (const text of ['[', '[]', ' [', '\r\n\t [1]']) assert.equal(isBatch(text), true, text);
    for (const text of ['', ' ', '{', '{"a":[]}', '"["', '\u00a0[', '\ufeff[', 'x['])
      assert.equal(isBatch(text), false, text);
  });

  it('that is broken says so before it is asked who may send batches', () => {
    assert.throws(() => readBatch('[1', bounds, false), { code: 'BAD_JSON' });
    assert.throws(() => readBatch('[1]', bounds, false), { code: 'BAD_MESSAGE' });
    assert.throws(() => readBatch(`${'['.repeat(17)}${']'.repeat(17)}`, bounds, true), { code: 'TOO_DEEP' });
  });

  it('may hold the same id as a number and as text', () => {
    const ping = (id: string) => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`;
    assert.equal(readBatch(`[${ping('1')},${ping('"1"')}]`, bounds, true).length, 2);
    assert.throws(() => readBatch(`[${ping('1')},${ping('1')}]`, bounds, true), { code: 'BAD_MESSAGE' });
  });
});

it('a batch has at most 100 messages', () => {
  const batch = (count: number) =>
    `[${Array.from({ length: count }, (_, id) => `{"jsonrpc":"2.0","id":${id},"method":"ping"}`).join()}]`;
  assert.equal(readBatch(batch(100), bounds, true).length, 100);
  assert.throws(() => readBatch(batch(101), bounds, true), { code: 'BAD_MESSAGE' });
});

describe('the response to a batch', () => {
  it('is one array while its answers fit in one', async () => {
    const response = await received((res) => {
      const batch = new BatchResponse(res, 'c', session(), unreadBytesMax);
      batch.put(arrival(1), answered(10));
      batch.put(arrival(2), answered(10));
      batch.finish();
    });
    assert.equal(((await response.json()) as unknown[]).length, 2);
  });

  it('is a stream of events when they do not', async () => {
    const response = await received((res) => {
      const batch = new BatchResponse(res, 'c', session(), unreadBytesMax);
      for (const id of [1, 2, 3, 4]) batch.put(arrival(id), answered(5 * 1024 * 1024));
      batch.finish();
    });
    const events = await new Events(response).rest();
    assert.deepEqual(
      events.map((it) => messageOf(it).id),
      [1, 2, 3, 4],
    );
  });

  it('is a stream once something was said, and holds what was answered before', async () => {
    const response = await received((res) => {
      const batch = new BatchResponse(res, 'c', session(), unreadBytesMax);
      batch.put(arrival(1), answered(1));
      assert.equal(batch.send('{"method":"x"}' as RedactedJson), 'sent');
      batch.put(arrival(2), answered(1));
      batch.finish();
    });
    const events = (await new Events(response).rest()).map(messageOf);
    assert.deepEqual(
      events.map(({ id, method }) => id ?? method),
      [1, 'x', 2],
    );
  });
});
