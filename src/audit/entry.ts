import type { Arrival, Call, Target } from '../domain/call.ts';
import type { Principal, Session } from '../domain/caller.ts';
import type { Decision } from '../domain/decision.ts';
import type { Json, Message } from '../domain/message.ts';
import type { Upcall } from '../domain/upstream.ts';
import { member } from '../protocol/codec.ts';
import { decisionText, type Found, type Granted } from './decided.ts';
import { quote, shortHash, type Outside } from './outside.ts';

/** What we know of the thing a call aims at, at the time of the call. */
export type Described = {
  readonly serverVersion?: string | undefined;
  readonly toolDigest?: string | undefined;
};

/** What a trail has learnt of one call so far. */
export type Facts = {
  readonly arrival: Arrival;
  /** Known once the credential was checked. */
  readonly principal: Principal | undefined;
  readonly call: Call | undefined;
  readonly described: Described;
  readonly decision: Decision | undefined;
  readonly ordersVersion: string | undefined;
  /** Undefined where nothing was found, which is almost always. */
  readonly found: Found | undefined;
  /** The `args` member, see argument-digest.ts; empty where there are none, or not yet. */
  readonly args: string;
  /** What makes the payload fit for the record; undefined where it is not to be kept. */
  readonly payload: ((text: string) => string) | undefined;
};

/** A payload longer than this is left out, and the record says so. */
export const payloadCharsMax = 1024 * 1024;

/*
 * Every line is one JSON object, put together by hand because it is written twice for each call. Members:
 *
 *   kind       decision | outcome | upcall | command | sign-ins; and what the journal says of itself
 *   time       ISO 8601, milliseconds, wall clock            id         correlation id
 *   caller     name of the credential                        client     what the client says it is
 *   via        which credential: `key AbCd1234`, …           userAgent  what its library says it is
 *   session    first 12 hex digits of a SHA-256              remote     address of the peer
 *   toolDigest short SHA-256 of the tool's definition        resources  what the rule's `record` names, and the URI
 *   decision   see decided.ts                                argBytes   UTF-8 bytes of `params`
 *   attempt    which try, from the second on                 found      { in, out }: what redaction found, name → count
 *   refusedBy  rule and reason, where it was not the decision that refused
 *   args       argument → keyed digest of its value; in the outcome where the arguments are large
 *
 * A call that goes out has two: `decision` with phase `intent` before, `outcome` with `committed` after. Where it is made
 * again there is an intent for each try, and still one outcome. Every other call has one `outcome` that holds everything.
 */

/** The intent, before the call goes out. */
export function intentEntry(facts: Facts, granted: Granted, time: string, outside: Outside): string {
  return `{"kind":"decision","phase":"intent","time":"${time}"${about(facts, granted, outside)}}`;
}

/** The members that say which call it was; begins with a comma. */
export function about(facts: Facts, granted: Granted | undefined, outside: Outside): string {
  const { arrival, call } = facts;
  // The call as it was judged: what the policy takes out of a message, and the tickets and seals of ours that come back in
  // one, are no longer in it.
  const { message } = call ?? arrival;
  // Until a call goes out nobody can tell whether what was found was taken out of it or is why it was refused.
  const withheld = granted === undefined && facts.found?.inward === true;
  let text = `,"id":${quote(arrival.id)}`;
  if (call === undefined) {
    text += early(arrival, facts.principal, outside);
    text += whence(facts.principal, arrival, facts.described, outside);
    text += `,"method":${methodText(message, outside)}`;
  } else {
    text += standing(call, facts.described, outside);
    text += resources(call, withheld ? undefined : facts.decision, outside);
  }
  if (facts.decision !== undefined)
    text += `,"decision":${decisionText(facts.decision, facts.ordersVersion, granted, outside)}`;
  const params = message.kind === 'reply' ? message.answer.text : message.params;
  text += `,"argBytes":${params === undefined ? 0 : Buffer.byteLength(params)}`;
  if (!withheld) text += facts.args;
  if (granted !== undefined && granted.attempt > 1) text += `,"attempt":${granted.attempt}`;
  if (facts.found !== undefined) text += facts.found.text(granted === undefined ? 'both' : 'in');
  if (facts.payload !== undefined && params !== undefined)
    text += withheld ? ',"paramsOmitted":"findings"' : payload('params', params, facts.payload);
  return text;
}

/** How a message came, and to which server; begins with a comma, or is empty. */
function whence(
  principal: Principal | undefined,
  { userAgent, remote, server }: Pick<Arrival, 'userAgent' | 'remote' | 'server'>,
  { serverVersion, toolDigest }: Described,
  outside: Outside,
): string {
  let text = principal?.via === undefined ? '' : `,"via":${outside(principal.via)}`;
  if (userAgent !== undefined) text += `,"userAgent":${outside(userAgent)}`;
  text += `,"remote":${outside(remote)},"server":${outside(server)}`;
  if (serverVersion !== undefined) text += `,"serverVersion":${outside(serverVersion)}`;
  return toolDigest === undefined ? text : `${text},"toolDigest":${quote(toolDigest)}`;
}

function methodText(message: Message, outside: Outside): string {
  return message.kind === 'reply' ? '"(reply)"' : outside(message.method);
}

/** Who calls what, from where; begins with a comma. */
function standingText(call: Call, described: Described, outside: Outside): string {
  const { session, principal, message, target } = call;
  const text = whoIs(session, outside) + whence(principal, call, described, outside);
  return `${text},"method":${methodText(message, outside)},"target":${targetText(target, outside)}`;
}

/** What stood in the record before, and for which call of which moment. */
type Standing = {
  readonly text: string;
  readonly knew: number;
  readonly agreed: Session['agreed'];
  readonly principal: Principal;
  readonly userAgent: string | undefined;
  readonly remote: string;
  readonly server: string;
  readonly serverVersion: string | undefined;
  readonly toolDigest: string | undefined;
  readonly method: string;
  readonly name: string;
};

/** By session, which is with one server; of its last call. */
const stood = new WeakMap<Session, Standing>();

/** The same, and worded once for a session that calls one tool again and again: it is most of a record. */
function standing(call: Call, described: Described, outside: Outside): string {
  const { session, principal, userAgent, remote, server, message, target } = call;
  const knew = outside.knows?.();
  // A session of the modern era is gone with its call.
  if (knew === undefined || session.era === 'modern' || target.kind !== 'tool' || message.kind === 'reply')
    return standingText(call, described, outside);
  const last = stood.get(session);
  if (
    last !== undefined &&
    last.knew === knew &&
    last.agreed === session.agreed &&
    last.principal === principal &&
    last.userAgent === userAgent &&
    last.remote === remote &&
    last.server === server &&
    last.serverVersion === described.serverVersion &&
    last.toolDigest === described.toolDigest &&
    last.method === message.method &&
    last.name === target.name
  )
    return last.text;
  const text = standingText(call, described, outside);
  // What holds a secret is not kept, nor what was kept before it was known to be one.
  if (text !== standingText(call, described, unchanged)) stood.delete(session);
  else {
    const { agreed } = session;
    const { serverVersion, toolDigest } = described;
    const about = { agreed, principal, userAgent, remote, server, serverVersion, toolDigest };
    stood.set(session, { text, knew, ...about, method: message.method, name: target.name });
  }
  return text;
}

const unchanged: Outside = Object.assign((text: string) => quote(text), { capped: quote, named: quote });

/** A message from a server, and whether the caller was asked. */
export function upcallEntry(
  upcall: Upcall,
  session: Session,
  decision: Decision,
  ordersVersion: string,
  asked: boolean,
  time: string,
  outside: Outside,
): string {
  const { message } = upcall;
  let text = `{"kind":"upcall","time":"${time}"`;
  if (upcall.callId !== undefined) text += `,"id":${quote(upcall.callId)}`;
  text += `${whoIs(session, outside)},"server":${outside(upcall.server)},"method":${outside(message.method)}`;
  text += `,"message":"${message.kind}","decision":${decisionText(decision, ordersVersion, undefined, outside)}`;
  return `${text},"asked":${asked},"argBytes":${message.params === undefined ? 0 : Buffer.byteLength(message.params)}}`;
}

/** A command of the operator. */
export type CommandRecord = {
  readonly by: string;
  /** How it is known who gave it (`user`, `claimed`, `person`), and what they may do. */
  readonly as?: string;
  readonly role?: string;
  readonly command: string;
  /** Never the value of a secret. */
  readonly args: readonly string[];
  /** What came of it, in a word or a sentence. */
  readonly result: string;
};

export function commandEntry(record: CommandRecord, time: string, outside: Outside): string {
  const args = record.args.map(outside).join(',');
  const as = record.as === undefined ? '' : `,"as":${outside(record.as)}`;
  const role = record.role === undefined ? '' : `,"role":${outside(record.role)}`;
  return (
    `{"kind":"command","time":"${time}","by":${outside(record.by)}${as}${role},"command":${outside(record.command)}` +
    `,"args":[${args}],"result":${outside(record.result)}}`
  );
}

/** Failed sign-ins that have no record of their own, because there were too many. */
export function signInsEntry(
  remote: string,
  count: number,
  sinceMs: number,
  time: string,
  outside: Outside,
): string {
  const since = new Date(sinceMs).toISOString();
  return `{"kind":"sign-ins","time":"${time}","remote":${outside(remote)},"suppressed":${count},"since":"${since}"}`;
}

/** A member that holds a payload, or says that it was too large; begins with a comma. */
export function payload(name: 'params' | 'result', text: string, clean: (text: string) => string): string {
  return text.length <= payloadCharsMax ? `,"${name}":${clean(text)}` : `,"${name}Omitted":"too large"`;
}

function whoIs(session: Session, outside: Outside): string {
  const { agreed } = session;
  let text = `,"caller":${outside(session.principal.name)}`;
  if (agreed !== undefined) {
    text += `,"client":{"name":${outside(agreed.client.name)},"version":${outside(agreed.client.version)}}`;
  }
  return `${text},"session":"${hashOf(session)}"`;
}

/** The same for every call of a session. */
const hashes = new WeakMap<Session, string>();

function hashOf(session: Session): string {
  let found = hashes.get(session);
  if (found === undefined) {
    found = shortHash(session.id);
    hashes.set(session, found);
  }
  return found;
}

/** What is known of a message that never became a call. */
function early(arrival: Arrival, principal: Principal | undefined, outside: Outside): string {
  const caller = principal === undefined ? '' : `,"caller":${outside(principal.name)}`;
  return caller + claimed(arrival);
}

function claimed(arrival: Arrival): string {
  return arrival.sessionId === undefined ? '' : `,"session":"${shortHash(arrival.sessionId)}"`;
}

function targetText(target: Target, outside: Outside): string {
  return `{"kind":"${target.kind}","name":${outside(targetName(target))}}`;
}

function targetName(target: Target): string {
  switch (target.kind) {
    case 'tool':
    case 'prompt':
      return target.name;
    case 'resource':
      return target.uri;
    case 'task':
      return target.tool === undefined ? target.id : `${target.tool}#${target.id}`;
    case 'subscription':
      return target.uris.join(' ').slice(0, 4096);
    case 'completion':
      return target.of.kind === 'prompt' ? target.of.name : target.of.uri;
    case 'listing':
      return target.of;
    case 'protocol':
    case 'upcall':
    case 'unknown':
      return target.method;
  }
}

function resources(call: Call, decision: Decision | undefined, outside: Outside): string {
  const paths = decision === undefined || decision.kind === 'deny' ? [] : decision.record;
  let text = call.target.kind === 'resource' ? `"uri":${outside.capped(call.target.uri)}` : '';
  if (paths.length === 0 && text === '') return '';
  for (const path of paths) {
    const value = recorded(call, path.split('.'), outside);
    if (value !== undefined) text += `${text === '' ? '' : ','}${outside.capped(path)}:${value}`;
  }
  return `,"resources":${outside.named(`{${text}}`)}`;
}

/** The value at a path into the arguments, as JSON text; undefined where the path leads nowhere. */
function recorded(call: Call, path: readonly string[], outside: Outside): string | undefined {
  let value: Json | undefined = call.params['arguments'];
  for (const key of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, key))
      return undefined;
    value = value[key];
  }
  if (typeof value === 'string') return outside.capped(value);
  if (value === undefined || value === null || typeof value === 'boolean') return String(value ?? null);
  if (typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value);
  // Other numbers, lists and objects as text with the digits they came with: a double may round one id to another.
  const text = call.message.kind === 'reply' ? undefined : call.message.params;
  const exact = text === undefined ? undefined : member(text, ['arguments', ...path]);
  return exact === undefined ? undefined : outside.capped(exact);
}
