import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import { headerOf } from './arrive.ts';
import { EventReader } from './event-reader.ts';
import type { FrontPlane } from './front-plane.ts';
import { checkAccept } from './guard.ts';
import { lookAgain, type Known } from './sign-in.ts';
import { checkRevision, knowsMarks, type EventStream, type FrontSession } from './session.ts';
import { startStream } from './stream.ts';

/** A request that holds no message, and how it is put on record: before it is done, or not done. */
export type Visit = { readonly callId: string; readonly record: (what: string) => void };

/**
 * GET: the session's standing stream, for what belongs to no call; or, with `Last-Event-ID`, the rest of the stream that the
 * event was on. The standing stream has one reader at a time (409), as in the official servers; whoever can name an event has
 * read that stream before, and takes it over from a connection that may long be dead.
 */
export function holdStream(
  req: IncomingMessage,
  res: ServerResponse,
  server: string,
  known: Known,
  visit: Visit,
  plane: FrontPlane,
): void {
  if (plane.draining() && !isRestOfAnswer(req, server, known.principal, plane)) throw new Fault('DRAINING');
  checkAccept(req, ['text/event-stream']);
  const session = findSession(req, server, known.principal, plane);
  const expires = (reader: EventReader): EventReader => {
    reader.closeAt(known.untilMs, plane.wallMs());
    lookAgain(req, res, server, plane, reader.close);
    return reader;
  };
  const lastEventId = headerOf(req, 'last-event-id');
  if (lastEventId !== undefined && lastEventId !== '') {
    resumeStream(res, session, lastEventId, expires, visit, plane);
    return;
  }
  if (session.streaming) throw new Fault('SESSION_BUSY');
  visit.record('(stream opened)');
  session.standing.readOn(expires(readerOf(session.standing, res, visit, plane)), knowsMarks(session));
}

/**
 * Whether somebody comes back for the answer of a call. mcpd that stops answers what is under way, and its answer may be on a
 * stream that its client was sent away from, or that broke: refused here, it would be lost.
 */
function isRestOfAnswer(
  req: IncomingMessage,
  server: string,
  principal: Principal,
  { sessions }: FrontPlane,
): boolean {
  const session = sessions.peek(principal, server, headerOf(req, 'mcp-session-id'));
  const place = session?.placeOf(headerOf(req, 'last-event-id') ?? '');
  return place !== undefined && place.stream !== session?.standing;
}

function resumeStream(
  res: ServerResponse,
  session: FrontSession,
  lastEventId: string,
  expires: (reader: EventReader) => EventReader,
  visit: Visit,
  plane: FrontPlane,
): void {
  const place = session.placeOf(lastEventId);
  // Not 404: to a client that says that its whole session is over.
  if (place === undefined) throw new Fault('UNKNOWN_EVENT');
  const { stream, after } = place;
  visit.record('(stream resumed)');
  if (stream.isOver(after)) {
    // The one status that tells an event reader not to come back (WHATWG HTML, server-sent events, 9.2.3).
    res.writeHead(204, { 'mcpd-correlation-id': visit.callId });
    res.end();
    return;
  }
  const reader = expires(readerOf(stream, res, visit, plane));
  const marked = knowsMarks(session);
  if (marked && stream !== session.standing && plane.pollAfterMs !== undefined)
    reader.letGoAfter(plane.pollAfterMs, plane);
  stream.read(reader, after, marked);
}

function readerOf(stream: EventStream, res: ServerResponse, visit: Visit, plane: FrontPlane): EventReader {
  startStream(res, { 'mcpd-correlation-id': visit.callId });
  const reader = new EventReader(res, plane.pressure.unreadBytesMax, () => stream.leave(reader));
  return reader;
}

/** DELETE: the caller ends its session; its child stops. */
export function endSession(
  req: IncomingMessage,
  res: ServerResponse,
  server: string,
  principal: Principal,
  visit: Visit,
  plane: FrontPlane,
): void {
  const id = headerOf(req, 'mcp-session-id');
  // One that was open before a restart need not be brought back to be ended.
  const asleep = id === undefined ? undefined : plane.sessions.asleep(principal, server, id);
  const session = asleep === undefined ? findSession(req, server, principal, plane) : undefined;
  visit.record('(session ended)');
  if (asleep !== undefined) plane.sessions.forget(asleep);
  if (session !== undefined) plane.sessions.end(session);
  res.writeHead(204, { 'mcpd-correlation-id': visit.callId });
  res.end();
}

function findSession(
  req: IncomingMessage,
  server: string,
  principal: Principal,
  plane: FrontPlane,
): FrontSession {
  const session = plane.sessions.find(principal, server, headerOf(req, 'mcp-session-id'));
  checkRevision(headerOf(req, 'mcp-protocol-version'), session);
  return session;
}
