import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestId } from '../domain/message.ts';
import { errorText } from '../protocol/codec.ts';
import { wordTurnedAway, type TurnedAway } from '../protocol/wire-errors.ts';
import { sendReply } from './send-reply.ts';

/** What is read and thrown away of a body for the sake of its connection. */
const skippedBytesMax = 64 * 1024;

/** Says that there is too much to do, and when to come back. `id`: of the request, where it was read so far. */
export function sendTurnedAway(
  req: IncomingMessage,
  res: ServerResponse,
  away: TurnedAway,
  callId: string,
  id?: RequestId,
): void {
  if (res.headersSent || res.destroyed) return;
  if (!isWorthKeeping(req)) res.setHeader('connection', 'close');
  const reply = wordTurnedAway(away, callId);
  sendReply(res, errorText(id, reply.body), reply, callId, undefined);
}

/**
 * Whether the connection goes on after a body that nobody reads. A client that has to connect anew, and to greet with TLS, costs
 * more than its small body: to close would make too much into more. What waits for our `100 Continue` may or may not send its body.
 */
function isWorthKeeping({ complete, headers }: IncomingMessage): boolean {
  if (complete) return true;
  if (headers.expect !== undefined || headers['transfer-encoding'] !== undefined) return false;
  return Number(headers['content-length'] ?? 0) <= skippedBytesMax;
}
