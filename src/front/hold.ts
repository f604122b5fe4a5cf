import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Principal, Session } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { checkAccept } from './guard.ts';
import { headerOf } from './receive.ts';
import { keepAlive, sendEvent, startStream } from './stream.ts';

/** What holding and ending a session needs. */
export type HoldPlane = {
  readonly find: (principal: Principal, server: string, sessionId: string | undefined) => HeldSession;
  readonly end: (session: Session) => void;
  readonly draining: () => boolean;
};

type HeldSession = Session & {
  readonly streaming: boolean;
  readonly attach: (stream: HeldStream) => void;
  readonly detach: (stream: HeldStream) => void;
};
type HeldStream = { readonly send: (text: RedactedJson) => 'sent' | 'gone'; readonly close: () => void };

/** An idle stream says so this often, so that a reader that went away is noticed. */
const keepAliveMs = 15_000;

/** A request that holds no message, and how it is put on record: before it is done, or not done. */
export type Visit = { readonly callId: string; readonly record: (what: string) => void };

/** GET: the session's standing stream, for what belongs to no call. One at a time (409), as in the official servers. */
export function holdStream(
  req: IncomingMessage,
  res: ServerResponse,
  server: string,
  principal: Principal,
  visit: Visit,
  plane: HoldPlane,
): void {
  if (plane.draining()) throw new Fault('DRAINING');
  checkAccept(req, ['text/event-stream']);
  const session = plane.find(principal, server, headerOf(req, 'mcp-session-id'));
  if (session.streaming) throw new Fault('SESSION_BUSY');
  visit.record('(stream opened)');
  startStream(res, { 'mcpd-correlation-id': visit.callId });
  const stream: HeldStream = { send: (text) => sendEvent(res, text), close: () => res.end() };
  session.attach(stream);
  const beat = setInterval(() => keepAlive(res), keepAliveMs);
  res.on('close', () => {
    clearInterval(beat);
    session.detach(stream);
  });
}

/** DELETE: the caller ends its session; its child stops. */
export function endSession(
  req: IncomingMessage,
  res: ServerResponse,
  server: string,
  principal: Principal,
  visit: Visit,
  plane: HoldPlane,
): void {
  const session = plane.find(principal, server, headerOf(req, 'mcp-session-id'));
  visit.record('(session ended)');
  plane.end(session);
  res.writeHead(204, { 'mcpd-correlation-id': visit.callId });
  res.end();
}
