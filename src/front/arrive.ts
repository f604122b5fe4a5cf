import type { IncomingMessage } from 'node:http';
import { noteVisit, refuseUnread } from '../call/handle-call.ts';
import type { Arrival, Outlet } from '../domain/call.ts';
import type { Principal } from '../domain/caller.ts';
import type { Fault } from '../domain/faults.ts';
import { Halt } from '../domain/halt.ts';
import type { Message } from '../domain/message.ts';
import type { FrontPlane } from './front-plane.ts';

/** What stands in a record where the message was not read, because its sender was not known or its bytes were not valid. */
const unread: Message = { kind: 'notice', method: '(unread)', params: undefined };

/** A request as it came: who it says it is, and nothing it says. */
export function arrive(
  req: IncomingMessage,
  callId: string,
  server: string,
  plane: FrontPlane,
  outlet: Outlet,
): Arrival {
  return {
    id: callId,
    at: plane.wallMs(),
    remote: plane.peers.remote(req),
    server,
    credentials: plane.peers.credentials(req),
    sessionId: headerOf(req, 'mcp-session-id'),
    userAgent: req.headers['user-agent'],
    message: unread,
    era: 'legacy',
    mirror: mirrorOf(req),
    halt: new Halt(),
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

const noParams: ReadonlyMap<string, string> = new Map();
const paramPrefix = 'mcp-param-';

/** The `Mcp-Param-*` headers. Over a Unix socket nothing can have read them on the way, so none are asked for. */
function mirrorOf(req: IncomingMessage): Arrival['mirror'] {
  if (req.socket.remoteAddress === undefined) return undefined;
  let found: Map<string, string> | undefined;
  for (const name in req.headers) {
    const value = req.headers[name];
    if (name.startsWith(paramPrefix) && typeof value === 'string')
      (found ??= new Map()).set(name.slice(paramPrefix.length), value);
  }
  return found ?? noParams;
}

const nowhere: Outlet = { send: () => 'gone' };

export function headerOf(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name];
  return typeof value === 'string' ? value : undefined;
}
