import type { Target } from '../domain/call.ts';
import type { Era } from '../domain/era.ts';
import type { Denial, Exhausted } from '../domain/decision.ts';
import type { Fault, FaultCode } from '../domain/faults.ts';
import type { Json, JsonText } from '../domain/message.ts';
import type { Risk } from '../domain/orders.ts';
import type { Outcome } from '../domain/outcome.ts';
import { encode, errorBody, member, withMember } from './codec.ts';

/**
 * Every fault's numbers: HTTP status and JSON-RPC code. Codes of our own lie outside −32768…−32000, as the 2026-07-28
 * revision asks (basic/index, error codes); −32000 stays where older fronts use it, because dual-era clients look for it.
 */
const numbers: Readonly<Record<FaultCode, readonly [status: number, code: number]>> = {
  BAD_JSON: [400, -32700],
  BAD_MESSAGE: [400, -32600],
  BAD_PARAMS: [200, -32602],
  BAD_HEADER: [400, -32600],
  TOO_LARGE: [413, -32600],
  TOO_DEEP: [400, -32600],
  NOT_JSON: [415, -32600],
  NOT_ACCEPTABLE: [406, -32600],
  FORBIDDEN_HOST: [403, 1403],
  FORBIDDEN_ORIGIN: [403, 1403],
  NO_ROUTE: [404, 1404],
  WRONG_METHOD: [405, 1405],
  UNAUTHENTICATED: [401, 1401],
  UNKNOWN_SESSION: [404, 1404],
  NO_SESSION: [400, -32000],
  UNKNOWN_EVENT: [400, -32000],
  SESSION_BUSY: [409, 1409],
  TOO_MANY: [429, 1429],
  UNSUPPORTED_VERSION: [400, -32000],
  UNSUPPORTED_REVISION: [400, -32022],
  MISSING_META: [400, -32602],
  HEADER_MISMATCH: [400, -32020],
  LACKS_CAPABILITY: [400, -32021],
  STALE_STATE: [200, -32602],
  CANNOT_CROSS: [200, -32601],
  UNKNOWN_METHOD: [200, -32601],
  ORDERS_CHANGED: [200, 1412],
  CANCELLED: [200, 1499],
  UPSTREAM_DOWN: [200, 1502],
  UPSTREAM_DIED: [200, 1503],
  UPSTREAM_TIMEOUT: [200, 1504],
  UPSTREAM_GARBLED: [200, 1505],
  UPSTREAM_BUSY: [200, 1506],
  SECRET_UNAVAILABLE: [200, 1507],
  ISSUER_UNAVAILABLE: [503, 1513],
  AUDIT_UNAVAILABLE: [503, 1510],
  PLACE_TAKEN: [503, 1511],
  CONFIG_INVALID: [503, 1511],
  DRAINING: [503, 1512],
  BUG: [500, -32603],
};

/** The code of a refusal by policy that is not hidden. */
const refusedCode = 1403;

/** `mcpd` has too much to do; whoever may have too much under way is told 1429, as where too many sessions stand. */
const overloadedCode = 1514;

/** A reply in numbers and text, ready for a door to word. `body` is a JSON-RPC result or error, without its envelope. */
export type WireReply = {
  readonly status: number;
  readonly kind: 'result' | 'error';
  readonly body: JsonText;
  /** For `Retry-After`, milliseconds. */
  readonly retryInMs: number | undefined;
  /** Set where only the credential is not good enough: the class of tool that it would have to be good for. */
  readonly needs?: Risk;
};

/**
 * Turned away before anything was decided, because there is too much to do: `everybody` is, or the `caller` who has more under
 * way than one may have. No fault, and not on record one by one: a flood must not become a flood of records.
 */
export type TurnedAway = {
  readonly kind: 'turned away';
  readonly who: 'everybody' | 'caller';
  readonly retryInMs: number;
};

/** What being turned away looks like on the wire: when to come back stands in the header and in the body. */
export function wordTurnedAway({ who, retryInMs }: TurnedAway, callId: string): WireReply {
  const again = `Come back in ${seconds(retryInMs)}.`;
  const data = { correlationId: callId, retryInMs: Math.ceil(retryInMs) };
  return who === 'caller'
    ? {
        status: 429,
        kind: 'error',
        body: errorBody(1429, `Too much of yours is under way. ${again}`, data),
        retryInMs,
      }
    : {
        status: 503,
        kind: 'error',
        body: errorBody(overloadedCode, `mcpd has too much to do right now. ${again}`, data),
        retryInMs,
      };
}

/** What a fault looks like on the wire. `callId` is the correlation id: it finds the call in the audit. */
export function wordFault(fault: Fault, callId: string): WireReply {
  const [status, code] = numbers[fault.code];
  const retryInMs = comeBackAfter(fault.code, status);
  const again = retryInMs === undefined ? {} : { retryInMs };
  const body = errorBody(code, fault.says, { ...fault.data, ...again, correlationId: callId });
  return { status, kind: 'error', body, retryInMs };
}

/** Where it is a question of time: the header says it to programs, the body to whoever only sees that. */
function comeBackAfter(code: FaultCode, status: number): number | undefined {
  // A line is shorter in a moment; what is full, stopped or not answered takes longer to mend.
  if (code === 'UPSTREAM_BUSY') return 1_000;
  return status === 503 || status === 429 ? 5_000 : undefined;
}

/**
 * What an outcome looks like on the wire. A denied tool is answered as an unknown one, so that probing tells nothing;
 * a refusal that the model can act on (a limit, a no) is a tool result with `isError`, so that the model reads it
 * (2025-11-25 server/tools, error handling).
 */
export function wordOutcome(outcome: Outcome, callId: string, era: Era): WireReply {
  const reply = wordLegacy(outcome, callId);
  return era === 'modern' ? inModern(reply, outcome) : reply;
}

/** HTTP status of the JSON-RPC errors that have one (2026-07-28 streamable-http, status codes). */
const modernStatus: ReadonlyMap<number, number> = new Map([
  [-32601, 404],
  [-32020, 400],
  [-32021, 400],
  [-32022, 400],
]);

/** The same reply as the modern era words it: results say their type, and some errors have other numbers. */
function inModern(reply: WireReply, outcome: Outcome): WireReply {
  if (reply.kind === 'result') {
    // A server's own result says so itself; ours are those that never reached it.
    if (outcome.kind === 'answered' || outcome.kind === 'accepted') return reply;
    // A question of ours does too (`input_required`); what holds a ticket is a result like any other.
    if (outcome.kind === 'awaiting' && member(reply.body, ['resultType']) !== undefined) return reply;
    return { ...reply, body: withMember(reply.body, ['resultType'], encode('complete')) };
  }
  const code = Number(member(reply.body, ['code']));
  // -32002 may not be used any more (2026-07-28 basic/index, error codes).
  if (code === -32002) return { ...reply, body: withMember(reply.body, ['code'], encode(-32602)) };
  const status = modernStatus.get(code);
  return status === undefined ? reply : { ...reply, status };
}

function wordLegacy(outcome: Outcome, callId: string): WireReply {
  switch (outcome.kind) {
    // A question to the caller is an answer to its call: it says what to send next.
    case 'awaiting':
    case 'answered':
      return { status: 200, kind: outcome.answer.kind, body: outcome.answer.text, retryInMs: undefined };
    case 'accepted':
      return { status: 202, kind: 'result', body: '{}' as JsonText, retryInMs: undefined };
    case 'refused':
      return outcome.why.kind === 'deny'
        ? wordDenial(outcome.why, outcome.target, callId)
        : wordExhausted(outcome.why, outcome.target, callId);
    case 'declined':
      return wordNo(saysDeclined(outcome.why), outcome.target, callId, {});
    case 'failed':
      return wordFault(outcome.fault, callId);
  }
}

function saysDeclined(why: Extract<Outcome, { kind: 'declined' }>['why']): string {
  if (why.kind === 'declined')
    return `Not done: ${why.by} said no${why.reason === '' ? '' : ` (${why.reason})`}.`;
  if (why.kind === 'expired') return `Not done: nobody agreed within ${seconds(why.afterMs)}.`;
  return `Not done: this needs a yes, and nobody can be asked now (${why.reason}).`;
}

function wordDenial(why: Denial, target: Target, callId: string): WireReply {
  if (why.needs !== undefined) {
    // Not a tool result: the client itself, and not the model, can ask its issuer for more (2026-07-28 authorization).
    const body = errorBody(refusedCode, `Refused: ${why.reason}`, {
      correlationId: callId,
      needs: why.needs,
    });
    return { status: 403, kind: 'error', body, retryInMs: undefined, needs: why.needs };
  }
  if (!why.hidden) return wordNo(`Refused by policy: ${why.reason}`, target, callId, {});
  const error = (code: number, message: string, data?: Json): WireReply => ({
    status: target.kind === 'protocol' || target.kind === 'listing' ? 404 : 200,
    kind: 'error',
    body: errorBody(code, message, data),
    retryInMs: undefined,
  });
  switch (target.kind) {
    case 'tool':
      return error(-32602, `Unknown tool: ${target.name}`);
    case 'prompt':
      return error(-32602, `Unknown prompt: ${target.name}`);
    case 'resource':
      return error(-32002, 'Resource not found', { uri: target.uri });
    case 'completion':
      return error(-32602, 'Unknown reference');
    case 'task':
      return error(-32602, 'There is no such task.');
    case 'subscription':
      return error(-32602, 'Resource not found', { uris: [...target.uris] });
    case 'protocol':
    case 'listing':
      return error(1404, 'There is nothing at this address.');
    case 'upcall':
    case 'unknown':
      return error(-32601, 'Method not found');
  }
}

/** A tool's result says in its text when to come back, because the model reads that; `Retry-After` says it to programs. */
function wordExhausted({ limit, retryInMs }: Exhausted, target: Target, callId: string): WireReply {
  // A rate begins with its number; a budget, a named limit and a resting tool are said in words of their own.
  const over = /^(\d|burst )/.test(limit)
    ? `Too many calls: the limit is ${limit}.`
    : `Refused for now: ${limit}.`;
  // No waiting makes one call smaller than a budget, and Infinity is no number in JSON or in a header.
  if (!Number.isFinite(retryInMs)) return wordNo(`${over} Waiting does not help.`, target, callId, {});
  const says = `${over} Try again in ${seconds(retryInMs)}.`;
  return { ...wordNo(says, target, callId, { 'mcpd/retryInMs': Math.ceil(retryInMs) }), retryInMs };
}

function wordNo(says: string, target: Target, callId: string, meta: { [key: string]: Json }): WireReply {
  const text = `${says} [${callId}]`;
  const _meta = { ...meta, 'mcpd/correlationId': callId };
  if (target.kind === 'tool') {
    const body = encode({ content: [{ type: 'text', text }], isError: true, _meta });
    return { status: 200, kind: 'result', body, retryInMs: undefined };
  }
  return { status: 200, kind: 'error', body: errorBody(refusedCode, text, _meta), retryInMs: undefined };
}

function seconds(ms: number): string {
  return `${Math.max(1, Math.ceil(ms / 1000))} s`;
}
