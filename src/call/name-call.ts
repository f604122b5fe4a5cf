import type { Arrival, Call, Target } from '../domain/call.ts';
import type { Principal, Session } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import { Halt } from '../domain/halt.ts';
import type { Json, JsonObject, Message } from '../domain/message.ts';
import { objectOf, withoutMember } from '../protocol/codec.ts';
import { methodToServer } from '../protocol/methods.ts';

/** Longer names than any listing of ours shows; nobody could have been told of one. */
const nameCharsMax = 512;
const uriCharsMax = 64 * 1024;

/**
 * Says what a message aims at. Throws `BAD_MESSAGE` when a request comes as a notification or the other way round,
 * `BAD_PARAMS` when the parameters do not name their target in the one shape that every reader understands alike.
 */
export function nameCall(arrival: Arrival, principal: Principal, session: Session): Call {
  const { id, at, remote, server, userAgent, outlet } = arrival;
  const came = arrival.message;
  const { message, params } = withoutTask(came, came.kind === 'reply' ? {} : objectOf(came.params));
  const target = aimOf(message, params);
  return {
    id,
    at,
    remote,
    principal,
    session,
    server,
    target,
    message,
    params,
    userAgent,
    outlet,
    halt: new Halt(),
  };
}

/** Whether the answer to this call makes its session known. */
export function opensSession(call: Call): boolean {
  return call.message.kind === 'request' && call.message.method === 'initialize';
}

/** Whether this call stops another one; it is carried out here, because the child knows the other by our id. */
export function cancelsAnother(call: Call): boolean {
  return call.message.kind === 'notice' && call.message.method === 'notifications/cancelled';
}

/**
 * A request without its `task` member. We do not offer tasks, and whoever does not offer them must ignore it
 * (2025-11-25 basic/utilities/tasks): the child would otherwise run the call as a task whose result nobody may fetch.
 */
function withoutTask(message: Message, params: JsonObject): { message: Message; params: JsonObject } {
  if (message.kind !== 'request' || message.params === undefined || params['task'] === undefined)
    return { message, params };
  const { task: _task, ...kept } = params;
  return { message: { ...message, params: withoutMember(message.params, 'task') }, params: kept };
}

function aimOf(message: Message, params: JsonObject): Target {
  if (message.kind === 'reply') return { kind: 'protocol', method: 'reply' };
  const { method } = message;
  const known = methodToServer(method);
  if (known === undefined) return { kind: 'unknown', method };
  // A child may act on `tools/call` sent as a notification, and nobody would ever learn how it ended.
  if (known.form !== message.kind)
    throw new Fault('BAD_MESSAGE', { detail: `${method} came as a ${message.kind}` });
  // A list or null where an object belongs is read differently by different servers.
  objectOrAbsent(params, '_meta');
  switch (known.aim.kind) {
    case 'tool':
      objectOrAbsent(params, 'arguments');
      return { kind: 'tool', name: nameIn(params[known.aim.at]) };
    case 'prompt':
      objectOrAbsent(params, 'arguments');
      return { kind: 'prompt', name: nameIn(params[known.aim.at]) };
    case 'resource':
      return { kind: 'resource', uri: uriIn(params[known.aim.at]) };
    case 'completion':
      return { kind: 'completion', of: referenceIn(params[known.aim.at]) };
    case 'listing':
      return { kind: 'listing', of: known.aim.of };
    case 'protocol':
      return { kind: 'protocol', method };
    case 'upcall':
      return { kind: 'unknown', method };
  }
}

function objectOrAbsent(params: JsonObject, key: string): void {
  const value = params[key];
  if (value !== undefined && !isObject(value))
    throw new Fault('BAD_PARAMS', { detail: `${key} is not an object` });
}

/** Strictly a string: `String(['delete_file'])` is `delete_file`, and some server will do just that. */
function nameIn(value: Json | undefined): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > nameCharsMax)
    throw new Fault('BAD_PARAMS', { detail: `the name is not a string of 1 to ${nameCharsMax} characters` });
  return value;
}

function uriIn(value: Json | undefined): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > uriCharsMax)
    throw new Fault('BAD_PARAMS', { detail: `the uri is not a string of 1 to ${uriCharsMax} characters` });
  return value;
}

function referenceIn(value: Json | undefined): Extract<Target, { kind: 'completion' }>['of'] {
  if (!isObject(value)) throw new Fault('BAD_PARAMS', { detail: 'ref is not an object' });
  if (value['type'] === 'ref/prompt') return { kind: 'prompt', name: nameIn(value['name']) };
  if (value['type'] === 'ref/resource') return { kind: 'resource', uri: uriIn(value['uri']) };
  throw new Fault('BAD_PARAMS', { detail: 'ref is neither ref/prompt nor ref/resource' });
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
