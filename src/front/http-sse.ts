import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { refuseUnread } from '../call/handle-call.ts';
import type { Arrival, Outlet } from '../domain/call.ts';
import type { Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { Message } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { errorText, readMessage } from '../protocol/codec.ts';
import { eraOfLine } from '../protocol/era.ts';
import { wordFault, wordOutcome } from '../protocol/wire-errors.ts';
import type { TurnedAway } from '../protocol/wire-errors.ts';
import type { Stay } from './admission.ts';
import { arrive } from './arrive.ts';
import { arrivalsOf, carryOutAll, isBatch, readBatch } from './batch.ts';
import { readBody, textOf } from './body.ts';
import { EventReader } from './event-reader.ts';
import type { FrontPlane } from './front-plane.ts';
import { checkAccept, checkBodyHeaders } from './guard.ts';
import type { Visit } from './hold.ts';
import { PostResponse } from './post-response.ts';
import { challengeFor, lookAgain, type Known } from './sign-in.ts';
import { checkSame, reportFailure, requestsIn } from './receive.ts';
import { answerText, sendAccepted } from './send-reply.ts';
import { mayBatch, type FrontSession } from './session.ts';
import { sendEndpoint, startStream } from './stream.ts';
import { sendTurnedAway } from './turned-away.ts';

type Read = { readonly arrivals: readonly Arrival[]; readonly seat: Seat };

/** A stream on which nobody initialized anything for this long is closed. */
const initializeWithinMs = 60_000;

/** One client: its stream, which is its session too, and how far it has come. */
type Seat = { readonly session: FrontSession; stage: 'new' | 'initializing' | 'open' };

/**
 * The HTTP+SSE transport of 2024-11-05 (basic/transports): a GET holds the stream on which everything is said, its first event
 * names the address for everything that is asked. Whatever is asked lives the same life as over the newer transport.
 */
export class HttpSse {
  readonly #plane: FrontPlane;
  /** By what the address ends with. It is random, it is not the session's id, and it is worth nothing without the key. */
  readonly #seats = new Map<string, Seat>();

  constructor(plane: FrontPlane) {
    this.#plane = plane;
  }

  /** GET: begins a session that lasts as long as the stream. Throws `TOO_MANY`. */
  hold(req: IncomingMessage, res: ServerResponse, server: string, known: Known, visit: Visit): void {
    if (this.#plane.draining()) throw new Fault('DRAINING');
    checkAccept(req, ['text/event-stream']);
    const session = this.#begin(known.principal, server, visit);
    const seat: Seat = { session, stage: 'new' };
    const ticket = randomBytes(24).toString('base64url');
    this.#seats.set(ticket, seat);
    startStream(res, { 'mcpd-correlation-id': visit.callId });
    const late = setTimeout(() => seat.stage === 'new' && reader.close(), initializeWithinMs);
    const reader = new EventReader(res, this.#plane.pressure.unreadBytesMax, () => {
      clearTimeout(late);
      this.#seats.delete(ticket);
      this.#plane.sessions.end(session);
    });
    reader.closeAt(known.untilMs, this.#plane.wallMs());
    lookAgain(req, res, server, this.#plane, reader.close);
    sendEndpoint(res, `/servers/${server}/messages?sessionId=${ticket}`);
    session.attach({ send: (text) => reader.send(text), close: reader.close });
  }

  #begin(principal: Principal, server: string, visit: Visit): FrontSession {
    const { sessions } = this.#plane;
    const session = sessions.open(principal, server);
    try {
      visit.record('(stream opened)');
      return session;
    } catch (reason) {
      sessions.end(session);
      throw reason;
    }
  }

  /** POST: takes a message; what comes of it is said on the stream. Settles every response it is given. */
  async receive(
    req: IncomingMessage,
    res: ServerResponse,
    callId: string,
    server: string,
    ticket: string | undefined,
    stay: Stay,
  ): Promise<void> {
    const plane = this.#plane;
    const arrival = arrive(req, callId, server, plane, nowhere);
    let read: Read | TurnedAway;
    try {
      read = await this.#readIn(req, res, arrival, ticket, stay);
    } catch (reason) {
      const fault = Fault.from(reason);
      if (fault.side === 'mcpd') plane.report(fault, callId);
      // What is left of a refused body must not be read as the next request.
      if (!req.complete) res.setHeader('connection', 'close');
      const { unreadBytesMax } = plane.pressure;
      new PostResponse(res, callId, challengeFor(req, server, plane), unreadBytesMax).refuse(fault);
      return;
    }
    if ('kind' in read) return sendTurnedAway(req, res, read, callId);
    sendAccepted(res, callId);
    const { arrivals, seat } = read;
    await carryOutAll(arrivals, plane.handle, (ended, outcome) => {
      reportFailure(outcome, ended.id, plane);
      answerOn(seat, ended, outcome);
    });
  }

  async #readIn(
    req: IncomingMessage,
    res: ServerResponse,
    arrival: Arrival,
    ticket: string | undefined,
    stay: Stay,
  ): Promise<Read | TurnedAway> {
    const { bounds, data, draining, pressure, signIn } = this.#plane;
    let principal: Principal | undefined;
    try {
      if (draining()) throw new Fault('DRAINING');
      const credentials = await signIn(arrival.credentials, arrival);
      principal = data.callers.identify(credentials);
      const tooMany = stay.of(principal.name);
      if (tooMany !== undefined) return tooMany;
      await pressure.pace.turn();
      const seat = this.#seatOf(ticket, principal, arrival.server);
      const { session } = seat;
      checkBodyHeaders(req, bounds.bytesMax);
      if (req.headers.expect !== undefined) res.writeContinue();
      const body = await readBody(req, bounds.bytesMax, (bytes) => stay.holds(bytes));
      if ('kind' in body) return body;
      const text = textOf(body);
      const messages = isBatch(text)
        ? readBatch(text, bounds, mayBatch(session))
        : [readMessage(text, bounds)];
      const [probe] = messages;
      if (probe?.kind === 'request' && messages.length === 1 && eraOfLine(probe) === 'modern') {
        // How a client of both eras asks which one this is. It looks for the answer on the stream, as for any other.
        const fault = new Fault('UNKNOWN_METHOD', { detail: 'a modern request over HTTP+SSE' });
        refuseUnread({ ...arrival, message: probe }, principal, fault, data);
        session.deliver(errorText(probe.id, wordFault(fault, arrival.id).body) as RedactedJson);
        return { arrivals: [], seat };
      }
      checkSame(messages, req, session);
      const away = stay.begins(requestsIn(messages));
      if (away !== undefined) return away;
      advance(seat, messages);
      const outlet: Outlet = { send: session.deliver };
      return {
        arrivals: arrivalsOf({ ...arrival, credentials, sessionId: session.id, outlet }, messages),
        seat,
      };
    } catch (reason) {
      const fault = Fault.from(reason);
      refuseUnread(arrival, principal, fault, data);
      throw fault;
    }
  }

  /** Throws `UNKNOWN_SESSION`, also for what is somebody else's. */
  #seatOf(ticket: string | undefined, principal: Principal, server: string): Seat {
    const seat = ticket === undefined ? undefined : this.#seats.get(ticket);
    if (seat === undefined) throw new Fault('UNKNOWN_SESSION');
    if (this.#plane.sessions.peek(principal, server, seat.session.id) === undefined)
      throw new Fault('UNKNOWN_SESSION');
    return seat;
  }
}

/** A session is initialized once, and before anything else (2024-11-05 basic/lifecycle). Throws `BAD_MESSAGE`. */
function advance(seat: Seat, messages: readonly Message[]): void {
  const isFirst = messages.some((it) => it.kind === 'request' && it.method === 'initialize');
  if (isFirst !== (seat.stage === 'new') || seat.stage === 'initializing')
    throw new Fault('BAD_MESSAGE', { detail: `out of turn: the session is ${seat.stage}` });
  if (isFirst) seat.stage = 'initializing';
}

function answerOn(seat: Seat, { id, message }: Arrival, outcome: Outcome): void {
  if (message.kind !== 'request') return;
  if (seat.stage === 'initializing')
    seat.stage = outcome.kind === 'answered' && outcome.opened !== undefined ? 'open' : 'new';
  seat.session.deliver(answerText(message.id, wordOutcome(outcome, id, 'legacy')) as RedactedJson);
}

const nowhere: Outlet = { send: () => 'gone' };
