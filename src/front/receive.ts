import type { IncomingMessage, ServerResponse } from 'node:http';
import { refuseUnread } from '../call/handle-call.ts';
import type { Arrival } from '../domain/call.ts';
import type { Credentials, Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { Message, RequestId } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { TurnedAway } from '../protocol/wire-errors.ts';
import { readMessage, type Bounds } from '../protocol/codec.ts';
import { eraOf, eraOfLine } from '../protocol/era.ts';
import { arrive, headerOf } from './arrive.ts';
import type { Stay } from './admission.ts';
import { arrivalsOf, BatchResponse, carryOutAll, isBatch, readBatch } from './batch.ts';
import { readBody, textOf } from './body.ts';
import type { FrontPlane } from './front-plane.ts';
import { checkAccept, checkBodyHeaders, prefersStream } from './guard.ts';
import { PostResponse } from './post-response.ts';
import { challengeFor, lookAgain, untilOf } from './sign-in.ts';
import { checkRevision, mayBatch, type FrontSession } from './session.ts';
import { sendTurnedAway } from './turned-away.ts';

/** One POST: HTTP request → Arrival → the life of a call → HTTP response. Settles every response it is given. */
export async function receive(
  req: IncomingMessage,
  res: ServerResponse,
  callId: string,
  server: string,
  plane: FrontPlane,
  stay: Stay,
): Promise<void> {
  const answer = new PostResponse(
    res,
    callId,
    challengeFor(req, server, plane),
    plane.pressure.unreadBytesMax,
  );
  const arrival = arrive(req, callId, server, plane, answer);
  try {
    const read = await readIn(req, res, arrival, plane, answer, stay);
    if ('away' in read) return sendTurnedAway(req, res, read.away, callId, read.id);
    if ('batch' in read) return await receiveAll(res, arrival, read, plane);
    // In the modern era, to close the stream is to cancel the call; before, it means nothing (2026-07-28 streamable-http).
    if (read.era === 'modern') {
      res.on('close', () => arrival.halt.call('the caller went away'));
      if (isStream(read.message)) endWithCredential(req, res, arrival, read.credentials, plane);
    } else if (plane.pollAfterMs !== undefined) answer.letGoAfter(plane.pollAfterMs, plane);
    const { credentials, message, era } = read;
    const outcome = await plane.handle({ ...arrival, credentials, message, era });
    reportFailure(outcome, arrival.id, plane);
    endUnheardOf(outcome, res, plane);
    answer.finish(outcome);
  } catch (reason) {
    const fault = Fault.from(reason);
    if (fault.side === 'mcpd') plane.report(fault, arrival.id);
    answer.refuse(fault);
  }
}

/**
 * A session whose id nobody was told: its client went away during the handshake, and can neither use nor end it. Whoever says
 * `initialize` and hangs up, again and again, would fill every place for sessions and children. Once the headers are out, the
 * client may have the id.
 */
function endUnheardOf(outcome: Outcome, res: ServerResponse, { sessions }: FrontPlane): void {
  if (outcome.kind !== 'answered' || outcome.opened?.era !== 'legacy') return;
  if (res.destroyed && !res.headersSent) sessions.end(outcome.opened);
}

/** A request that is answered with news for as long as somebody listens, and shows its credential once. */
function isStream(message: Message): boolean {
  return message.kind === 'request' && message.method === 'subscriptions/listen';
}

function endWithCredential(
  req: IncomingMessage,
  res: ServerResponse,
  { halt, server }: Arrival,
  credentials: Credentials,
  plane: FrontPlane,
): void {
  const end = () => halt.call('its credential is not good any more');
  lookAgain(req, res, server, plane, end);
  const inMs = untilOf(credentials) - plane.wallMs();
  // A longer timer would fire at once (Node's timers hold 31 bits); no stream lasts for 24 days.
  if (inMs >= 2 ** 31) return;
  const expires = setTimeout(end, Math.max(0, inMs));
  res.on('close', () => clearTimeout(expires));
}

type Read = Pick<Arrival, 'credentials' | 'message' | 'era'>;
/** There is too much to do; `id` where the message was read so far. */
type Away = { readonly away: TurnedAway; readonly id: RequestId | undefined };
type ReadBatch = {
  readonly batch: readonly Message[];
  readonly credentials: Credentials;
  readonly session: FrontSession;
};

async function receiveAll(
  res: ServerResponse,
  arrival: Arrival,
  { batch, credentials, session }: ReadBatch,
  plane: FrontPlane,
): Promise<void> {
  const response = new BatchResponse(res, arrival.id, session, plane.pressure.unreadBytesMax);
  const arrivals = arrivalsOf({ ...arrival, credentials, outlet: response }, batch);
  await carryOutAll(arrivals, plane.handle, (ended, outcome) => {
    reportFailure(outcome, ended.id, plane);
    response.put(ended, outcome);
  });
  response.finish();
}

/** What went wrong on our side of the wire, the operator learns too. */
export function reportFailure(outcome: Outcome, callId: string, plane: FrontPlane): void {
  if (outcome.kind !== 'failed') return;
  if (outcome.fault.side === 'mcpd' || outcome.fault.side === 'upstream') plane.report(outcome.fault, callId);
}

/** Reads and checks the message; what cannot be read is put on record with its sender. */
async function readIn(
  req: IncomingMessage,
  res: ServerResponse,
  arrival: Arrival,
  plane: FrontPlane,
  answer: PostResponse,
  stay: Stay,
): Promise<Read | ReadBatch | Away> {
  let principal: Principal | undefined;
  try {
    if (plane.draining()) throw new Fault('DRAINING');
    // Before a byte of the body is looked at: a stranger's JSON is not worth a parse.
    const signedIn = plane.signIn(arrival.credentials, arrival);
    // Waiting for what is there already would cost every call a turn.
    const credentials = signedIn instanceof Promise ? await signedIn : signedIn;
    principal = plane.data.callers.identify(credentials);
    const tooMany = stay.of(principal.name);
    if (tooMany !== undefined) return { away: tooMany, id: undefined };
    const turn = plane.pressure.pace.turn();
    if (turn !== undefined) await turn;
    checkBodyHeaders(req, plane.bounds.bytesMax);
    checkAccept(req, ['application/json', 'text/event-stream']);
    if (req.headers.expect !== undefined) res.writeContinue();
    const body = await readBody(req, plane.bounds.bytesMax, (bytes) => stay.holds(bytes));
    if ('kind' in body) return { away: body, id: undefined };
    const text = textOf(body);
    if (isBatch(text)) {
      await plane.resume(arrival, credentials);
      const session = plane.sessions.peek(principal, arrival.server, arrival.sessionId);
      const read = readAll(text, req, credentials, session, plane.bounds);
      const away = stay.begins(requestsIn(read.batch));
      return away === undefined ? read : { away, id: undefined };
    }
    const message = readMessage(text, plane.bounds);
    // Only now it is known whether it asks for anything: an answer that a waiting call needs is let in however full it is.
    if (message.kind === 'request') {
      const away = stay.begins(1);
      if (away !== undefined) return { away, id: message.id };
    }
    answer.to(message);
    const era = eraOf(message, {
      version: headerOf(req, 'mcp-protocol-version'),
      method: headerOf(req, 'mcp-method'),
      name: headerOf(req, 'mcp-name'),
    });
    if (era === 'modern') answer.speak(era, undefined);
    else if (message.kind !== 'request' || message.method !== 'initialize') {
      const resuming = plane.resume(arrival, credentials);
      if (resuming !== undefined) await resuming;
      const session = plane.sessions.peek(principal, arrival.server, arrival.sessionId);
      if (session !== undefined) checkRevision(headerOf(req, 'mcp-protocol-version'), session);
      answer.speak(era, session);
      // Once a stream has begun, no status can say that the token is not good enough.
      if (session !== undefined && principal.reach?.risks === undefined && prefersStream(req))
        answer.stream();
    }
    return { credentials, message, era };
  } catch (reason) {
    const fault = Fault.from(reason);
    refuseUnread(arrival, principal, fault, plane.data);
    throw fault;
  }
}

/** How much a batch sets going. */
export function requestsIn(messages: readonly Message[]): number {
  return messages.filter(({ kind }) => kind === 'request').length;
}

function readAll(
  text: string,
  req: IncomingMessage,
  credentials: Credentials,
  session: FrontSession | undefined,
  bounds: Bounds,
): ReadBatch {
  const batch = readBatch(text, bounds, mayBatch(session));
  if (session === undefined) throw new Fault('UNKNOWN_SESSION');
  checkSame(batch, req, session);
  return { batch, credentials, session };
}

/** Throws unless the messages are of the legacy era, and the headers say what the session agreed on. */
export function checkSame(messages: readonly Message[], req: IncomingMessage, session: FrontSession): void {
  // A message of the modern era says everything about itself; in a session, two truths would be told.
  if (messages.some((message) => eraOfLine(message) === 'modern'))
    throw new Fault('BAD_MESSAGE', { detail: 'a modern message in a legacy session' });
  checkRevision(headerOf(req, 'mcp-protocol-version'), session);
}
