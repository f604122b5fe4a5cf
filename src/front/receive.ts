import type { IncomingMessage, ServerResponse } from 'node:http';
import { handleCall, noteVisit, refuseUnread } from '../call/handle-call.ts';
import type { DataPlane } from '../call/data-plane.ts';
import type { Arrival, Outlet } from '../domain/call.ts';
import type { Credentials, Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { JsonText, Message } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { decodeUtf8, encode, errorText, readMessage, resultText, type Bounds } from '../protocol/codec.ts';
import { checkEra } from '../protocol/era.ts';
import { wordFault, wordOutcome, type WireReply } from '../protocol/wire-errors.ts';
import { readBody } from './body.ts';
import { checkAccept, checkBodyHeaders, credentialsOf } from './guard.ts';
import { sendEvent, startStream } from './stream.ts';

export type FrontPlane = {
  readonly data: DataPlane;
  /** Checks a credential once for the whole request. Throws `UNAUTHENTICATED`. */
  readonly signIn: (credentials: Credentials) => Credentials;
  readonly bounds: Bounds;
  readonly wallMs: () => number;
  /** True while the daemon stops: nothing new is begun. */
  readonly draining: () => boolean;
  /** Where a mistake of ours is told with everything we know; the caller learns only its id. */
  readonly report: (fault: Fault, callId: string) => void;
};

/** What stands in a record where the message was not read, because its sender was not known or its bytes were not valid. */
const unread: Message = { kind: 'notice', method: '(unread)', params: undefined };

/** One POST: HTTP request → Arrival → the life of a call → HTTP response. Settles every response it is given. */
export async function receive(
  req: IncomingMessage,
  res: ServerResponse,
  callId: string,
  server: string,
  plane: FrontPlane,
): Promise<void> {
  const answer = new PostResponse(res, callId);
  const arrival = arrive(req, callId, server, plane, answer);
  try {
    const { credentials, message } = await readIn(req, res, arrival, plane);
    const outcome = await handleCall({ ...arrival, credentials, message }, plane.data);
    if (outcome.kind === 'failed' && (outcome.fault.side === 'mcpd' || outcome.fault.side === 'upstream')) {
      plane.report(outcome.fault, arrival.id);
    }
    answer.finish(message, arrival.id, outcome);
  } catch (reason) {
    const fault = Fault.from(reason);
    if (fault.side === 'mcpd') plane.report(fault, arrival.id);
    answer.refuse(fault, arrival.id);
  }
}

/** Reads and checks the message; what cannot be read is put on record with its sender. */
async function readIn(
  req: IncomingMessage,
  res: ServerResponse,
  arrival: Arrival,
  plane: FrontPlane,
): Promise<Pick<Arrival, 'credentials' | 'message'>> {
  let principal: Principal | undefined;
  try {
    if (plane.draining()) throw new Fault('DRAINING');
    // Before a byte of the body is looked at: a stranger's JSON is not worth a parse.
    const credentials = plane.signIn(arrival.credentials);
    principal = plane.data.callers.identify(credentials);
    checkBodyHeaders(req, plane.bounds.bytesMax);
    checkAccept(req, ['application/json', 'text/event-stream']);
    if (req.headers.expect !== undefined) res.writeContinue();
    const message = readMessage(decodeUtf8(await readBody(req, plane.bounds.bytesMax)), plane.bounds);
    checkEra(headerOf(req, 'mcp-protocol-version'), message);
    return { credentials, message };
  } catch (reason) {
    const fault = Fault.from(reason);
    refuseUnread(arrival, principal, fault, plane.data);
    throw fault;
  }
}

function arrive(
  req: IncomingMessage,
  callId: string,
  server: string,
  plane: FrontPlane,
  outlet: Outlet,
): Arrival {
  return {
    id: callId,
    at: plane.wallMs(),
    remote: req.socket.remoteAddress ?? '',
    server,
    credentials: credentialsOf(req),
    sessionId: headerOf(req, 'mcp-session-id'),
    userAgent: req.headers['user-agent'],
    message: unread,
    outlet,
  };
}

/** Puts a request on record that never became a message. */
export function recordRefused(
  req: IncomingMessage,
  callId: string,
  server: string,
  fault: Fault,
  plane: FrontPlane,
): void {
  refuseUnread(arrive(req, callId, server, plane, nowhere), undefined, fault, plane.data);
}

/** Puts a request on record that holds no message: a stream that opens, a session that its caller ends. */
export function recordVisit(
  req: IncomingMessage,
  callId: string,
  server: string,
  what: string,
  principal: Principal,
  plane: FrontPlane,
): void {
  const message: Message = { kind: 'notice', method: what, params: undefined };
  noteVisit({ ...arrive(req, callId, server, plane, nowhere), message }, principal, plane.data);
}

const nowhere: Outlet = { send: () => 'gone' };

export function headerOf(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/**
 * The response to one POST. It is plain JSON unless something has to be said before the answer (progress, a question, a
 * log line); then it becomes an event stream, which both kinds of client must accept (2025-03-26 basic/transports).
 */
class PostResponse implements Outlet {
  readonly #res: ServerResponse;
  /** A stream begins before the outcome is known, and its headers carry the id all the same. */
  readonly #callId: string;
  #streaming = false;

  constructor(res: ServerResponse, callId: string) {
    this.#res = res;
    this.#callId = callId;
  }

  send = (text: RedactedJson): 'sent' | 'gone' => {
    if (!this.#streaming) {
      if (this.#res.headersSent || this.#res.destroyed) return 'gone';
      startStream(this.#res, { 'mcpd-correlation-id': this.#callId });
      this.#streaming = true;
    }
    return sendEvent(this.#res, text);
  };

  finish(message: Message, callId: string, outcome: Outcome): void {
    if (this.#res.destroyed) return;
    const reply = wordOutcome(outcome, callId);
    if (message.kind !== 'request' && reply.status < 300) {
      this.#res.writeHead(202, { 'mcpd-correlation-id': callId, 'content-length': '0' });
      this.#res.end();
      return;
    }
    const id = message.kind === 'request' ? message.id : undefined;
    const text =
      reply.kind === 'result' && id !== undefined
        ? resultText(id, reply.body)
        : errorText(id, reply.kind === 'error' ? reply.body : notExpected);
    const opened = outcome.kind === 'answered' ? outcome.opened : undefined;
    this.#end(text, callId, reply, opened?.id);
  }

  refuse(fault: Fault, callId: string): void {
    if (this.#res.destroyed) return;
    const reply = wordFault(fault, callId);
    // What is left of a refused body must not be read as the next request.
    if (reply.status !== 404) this.#res.setHeader('connection', 'close');
    this.#end(errorText(undefined, reply.body), callId, reply, undefined);
  }

  #end(text: JsonText, callId: string, reply: WireReply, sessionId: string | undefined): void {
    if (this.#streaming) {
      sendEvent(this.#res, text as RedactedJson);
      this.#res.end();
      return;
    }
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
    if (reply.status === 401) headers['www-authenticate'] = 'Bearer realm="mcpd"';
    if (reply.retryInMs !== undefined)
      headers['retry-after'] = Math.max(1, Math.ceil(reply.retryInMs / 1000));
    this.#res.writeHead(reply.status, headers);
    this.#res.end(text, encoding);
  }
}

const notExpected = encode({ code: -32600, message: 'A notification or a response cannot be answered.' });
