/** What a client is told of a notification or a reply: 202 where it went on, and nothing of the kind where it did not. */
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { LiveSession } from '../../src/callers/live-session.ts';
import { Replay } from '../../src/callers/replay.ts';
import type { Arrival } from '../../src/domain/call.ts';
import type { Denial } from '../../src/domain/decision.ts';
import { Fault, type FaultCode } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Era } from '../../src/domain/era.ts';
import type { Message } from '../../src/domain/message.ts';
import type { Outcome } from '../../src/domain/outcome.ts';
import type { RedactedJson } from '../../src/domain/redacted.ts';
import { BatchResponse } from '../../src/front/batch.ts';
import { PostResponse } from '../../src/front/post-response.ts';
import { wordOutcome } from '../../src/protocol/wire-errors.ts';

const unreadBytesMax = 1024 * 1024;
const notice: Message = { kind: 'notice', method: 'notifications/x', params: undefined };
const answer = { kind: 'result', text: '{}' as RedactedJson } as const;
const reply: Message = { kind: 'reply', id: 'q-1', answer };
const target = { kind: 'unknown', method: 'notifications/x' } as const;

const failed = (code: FaultCode): Outcome => ({ kind: 'failed', fault: new Fault(code) });
const denied = (hidden: boolean): Outcome => ({
  kind: 'refused',
  why: { kind: 'deny', rule: 'r', reason: 'no', hidden } as unknown as Denial,
  target,
});
const exhausted: Outcome = {
  kind: 'refused',
  why: { kind: 'exhausted', limit: '1/m', retryInMs: 2_500 },
  target,
};

type Told = readonly [status: number, retryAfter: string | null];
const rows: readonly (readonly [string, Outcome, Told])[] = [
  ['was passed on', { kind: 'accepted' }, [202, null]],
  ['was for a server that has too much to do', failed('UPSTREAM_BUSY'), [503, '1']],
  ['was for a server that is not running', failed('UPSTREAM_DOWN'), [503, '5']],
  ['was for a server that died', failed('UPSTREAM_DIED'), [503, '5']],
  ['was for a server that lacks a secret', failed('SECRET_UNAVAILABLE'), [503, '5']],
  ['was overtaken by another policy', failed('ORDERS_CHANGED'), [503, '5']],
  ['cannot be put on record', failed('AUDIT_UNAVAILABLE'), [503, '5']],
  ['has the wrong shape', failed('BAD_PARAMS'), [400, null]],
  ['is of a session that is over', failed('UNKNOWN_SESSION'), [404, null]],
  ['was refused with the reason', denied(false), [403, null]],
  ['was refused as something that nobody knows', denied(true), [404, null]],
  ['was over a limit', exhausted, [429, '3']],
  ['nobody agreed to', { kind: 'declined', why: { kind: 'expired', afterMs: 1 }, target }, [403, null]],
  ['waits for a yes that no notification can bring', { kind: 'awaiting', answer }, [403, null]],
];

const arrivalOf = (message: Message): Arrival => ({
  id: 'c',
  at: 0,
  remote: '',
  server: 'fx',
  credentials: { kind: 'none' },
  sessionId: undefined,
  userAgent: undefined,
  message,
  era: 'legacy',
  mirror: undefined,
  halt: new Halt(),
  outlet: { send: () => 'gone' },
});

const alone =
  (message: Message, outcome: Outcome, era: Era) =>
  (res: ServerResponse): void => {
    const response = new PostResponse(res, 'c', () => '', unreadBytesMax);
    response.to(message);
    response.speak(era, undefined);
    response.finish(outcome);
  };

const inBatch =
  (...put: readonly (readonly [Message, Outcome])[]) =>
  (res: ServerResponse): void => {
    const replay = new Replay({ eventsMax: 10, bytesMax: 1024, allBytesMax: 1024 });
    const session = new LiveSession('s', { name: 'tester' }, 'fx', 0, replay);
    const response = new BatchResponse(res, 'c', session, unreadBytesMax);
    for (const [message, outcome] of put) response.put(arrivalOf(message), outcome);
    response.finish();
  };

async function told(write: (res: ServerResponse) => void): Promise<{ told: Told; body: string }> {
  const server = createServer((_req, res) => write(res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    return { told: [response.status, response.headers.get('retry-after')], body: await response.text() };
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

for (const [what, message] of [
  ['a notification', notice],
  ['a reply', reply],
] as const)
  describe(`${what} that`, () => {
    for (const [how, outcome, expected] of rows) {
      it(`${how} is answered with ${expected[0]}`, async () => {
        const { told: seen, body } = await told(alone(message, outcome, 'modern'));
        assert.deepEqual(seen, expected);
        if (seen[0] === 202) assert.equal(body, '');
        else assert.deepEqual(Object.keys(JSON.parse(body) as object), ['jsonrpc', 'error'], body);
      });

      it(`${how}, of a legacy client, ends no connection of clients that bear no error status`, async () => {
        for (const write of [alone(message, outcome, 'legacy'), inBatch([message, outcome])]) {
          const { told: seen } = await told(write);
          // What a request would hear in a status of its own, everybody hears so.
          const { status } = wordOutcome(outcome, 'c', 'legacy');
          assert.equal(seen[0], status < 300 ? 202 : status);
        }
      });
    }
  });

it('a batch of which something was passed on is not refused, so that nobody sends that part again', async () => {
  const { told: seen } = await told(
    inBatch([notice, failed('UNKNOWN_SESSION')], [reply, { kind: 'accepted' }]),
  );
  assert.deepEqual(seen, [202, null]);
});
