import type { ServerResponse } from 'node:http';
import type { JsonText, RequestId } from '../domain/message.ts';
import type { Risk } from '../domain/orders.ts';
import { encode, errorText, resultText } from '../protocol/codec.ts';
import type { WireReply } from '../protocol/wire-errors.ts';

/** The JSON-RPC response to a request; an error without an id for what is no request and went wrong. */
export function answerText(id: RequestId | undefined, reply: WireReply): JsonText {
  return reply.kind === 'result' && id !== undefined
    ? resultText(id, reply.body)
    : errorText(id, reply.kind === 'error' ? reply.body : notExpected);
}

const notExpected = encode({ code: -32600, message: 'A notification or a response cannot be answered.' });

/** The value of `WWW-Authenticate`; `needs` is the class of tool that the credential is not good for. */
export type Challenge = (needs: Risk | undefined) => string;

/** One JSON text as the whole response. */
export function sendReply(
  res: ServerResponse,
  text: JsonText,
  reply: WireReply,
  callId: string,
  sessionId: string | undefined,
  challenge?: Challenge,
): void {
  const bytes = Buffer.byteLength(text);
  // As many bytes as characters: all ASCII, and then a plain copy does what an encoder would.
  const encoding = bytes === text.length ? 'latin1' : 'utf8';
  const headers: Record<string, string | number> = {
    'content-type': 'application/json',
    'content-length': bytes,
    'mcpd-correlation-id': callId,
  };
  if (sessionId !== undefined) headers['mcp-session-id'] = sessionId;
  // Readers that disagree on what was wrong with a message may disagree on where it ended (request smuggling).
  if (reply.status === 400) headers['connection'] = 'close';
  if (challenge !== undefined && (reply.status === 401 || reply.needs !== undefined))
    headers['www-authenticate'] = challenge(reply.needs);
  if (reply.retryInMs !== undefined) headers['retry-after'] = Math.max(1, Math.ceil(reply.retryInMs / 1000));
  res.writeHead(reply.status, headers);
  res.end(text, encoding);
}

/** Taken, and there is nothing to answer. */
export function sendAccepted(res: ServerResponse, callId: string): void {
  res.writeHead(202, { 'mcpd-correlation-id': callId, 'content-length': '0' });
  res.end();
}
