import type { Call, Outlet } from '../domain/call.ts';
import type { Session } from '../domain/caller.ts';
import type { Denial, Facts } from '../domain/decision.ts';
import type { Answer, JsonObject } from '../domain/message.ts';
import type { Orders } from '../domain/orders.ts';
import type { Upcall } from '../domain/upstream.ts';
import { decide } from '../policy/decide.ts';
import { harmful } from '../policy/question.ts';
import { methodToClient } from '../protocol/methods.ts';
import { encode, errorBody, noticeText, objectOf, requestText } from '../protocol/codec.ts';
import type { DataPlane } from './data-plane.ts';

/** The life of a message coming the other way: from a server to its callers. The same gauntlet, shorter. */
export function handleUpcall(upcall: Upcall, plane: DataPlane): void {
  try {
    const sessions = audienceOf(upcall, plane);
    let delivered = false;
    for (const session of sessions) delivered = carryTo(session, upcall, plane) || delivered;
    if (!delivered) upcall.settle(nobody);
  } catch (reason) {
    // The question could not be judged or written down, so nobody is asked; the child is not left waiting for ever.
    upcall.settle(nobody);
    throw reason;
  }
}

function carryTo(session: Session, upcall: Upcall, plane: DataPlane): boolean {
  const { message } = upcall;
  const orders = plane.orders.current();
  const target = { kind: 'upcall', method: message.method } as const;
  const params = objectOf(message.params);
  const decision =
    misplaced(message) ??
    harmful(message.method, params) ??
    hiddenResource(upcall, params, session, orders, plane.facts) ??
    decide(
      orders,
      { server: upcall.server, principal: session.principal, target, args: params },
      plane.facts,
    );
  if (decision.kind === 'deny') {
    plane.audit.upcall(upcall, session, decision, orders.version, false);
    upcall.settle({ kind: 'error', text: errorBody(-32601, 'Method not found') });
    return true;
  }
  const text =
    message.kind === 'request'
      ? requestText(message.id, message.method, message.params)
      : noticeText(message.method, message.params);
  const clean = plane.redactor.aside(orders, upcall.server, text);
  if (clean === undefined) {
    plane.audit.upcall(upcall, session, withheld, orders.version, false);
    upcall.settle({ kind: 'error', text: errorBody(-32601, 'Method not found') });
    return true;
  }
  if (message.kind === 'request') plane.audit.upcall(upcall, session, decision, orders.version, true);
  if (upcall.hold !== undefined) {
    upcall.hold();
    return true;
  }
  for (const outlet of waysTo(session, upcall, plane)) if (outlet.send(clean) === 'sent') return true;
  return false;
}

/**
 * Which stream a message belongs to. Stdio says nothing about it, so: progress goes where its call came from; a question or
 * a log line goes to the youngest call under way, which most likely caused it; the rest goes to the standing stream.
 * Each message goes to one stream only (2025-11-25 basic/transports: no broadcast).
 */
function waysTo(session: Session, upcall: Upcall, plane: DataPlane): readonly Outlet[] {
  const { method } = upcall.message;
  const standing = plane.sessions.standing(session);
  if (upcall.callId !== undefined) {
    const call = plane.inFlight.find(upcall.callId);
    // A task goes on after its call was answered.
    return call === undefined ? [standing] : [call.outlet];
  }
  if (method.endsWith('/list_changed') || method === 'notifications/resources/updated') return [standing];
  return [...outlets(plane.inFlight.newest(session)), standing];
}

function audienceOf(upcall: Upcall, plane: DataPlane): readonly Session[] {
  if (upcall.audience.kind !== 'call') return plane.sessions.reachedBy(upcall);
  const call = plane.inFlight.find(upcall.audience.callId);
  return call === undefined ? [] : [call.session];
}

/** News of a resource that the caller may not read, or not any more: its name alone can tell too much. */
function hiddenResource(
  { message, server }: Upcall,
  { uri }: JsonObject,
  { principal }: Session,
  orders: Orders,
  facts: Facts,
): Denial | undefined {
  if (message.method !== 'notifications/resources/updated' || typeof uri !== 'string') return undefined;
  const decision = decide(orders, { server, principal, target: { kind: 'resource', uri }, args: {} }, facts);
  return decision.kind === 'deny' ? decision : undefined;
}

/** A request that bears a notification's name would pass as one, and the client would be made to answer it. */
function misplaced({ method, kind }: Upcall['message']): Denial | undefined {
  const known = methodToClient(method);
  if (known === undefined || known.form === kind) return undefined;
  return {
    kind: 'deny',
    rule: 'built-in: misplaced method',
    reason: `${method} is no ${kind}.`,
    hidden: true,
  };
}

function outlets(call: Call | undefined): readonly Outlet[] {
  return call === undefined ? [] : [call.outlet];
}

const withheld: Denial = {
  kind: 'deny',
  rule: 'built-in: redaction',
  reason: 'the message holds what a redaction rule lets nobody have.',
  hidden: false,
};

const nobody: Answer = {
  kind: 'error',
  text: encode({ code: -32603, message: 'No client can be asked right now.' }),
};
