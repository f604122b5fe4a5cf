import type { Arrival, Call, Target } from '../domain/call.ts';
import type { Principal, Session } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { Json, JsonObject, Message } from '../domain/message.ts';
import type { Judged } from '../policy/decide.ts';
import { objectOf } from '../protocol/codec.ts';
import { metaKeys, metaOf, tasksExtension } from '../protocol/era.ts';
import { hasLookAlike } from '../protocol/look-alike.ts';
import { methodToServer } from '../protocol/methods.ts';

/** Knows which tool a task came of. */
export type TaskTools = {
  readonly toolOf: (session: Session, taskId: string) => string | undefined;
};

/** Longer names than any listing of ours shows; nobody could have been told of one. */
const nameCharsMax = 512;
const uriCharsMax = 64 * 1024;

/**
 * Says what a message aims at. Throws `BAD_MESSAGE` when a request comes as a notification or the other way round,
 * `BAD_PARAMS` when the parameters do not name their target in the one shape that every reader understands alike.
 */
export function nameCall(arrival: Arrival, principal: Principal, session: Session, tasks: TaskTools): Call {
  const { id, at, remote, server, userAgent, outlet, message, halt, mirror } = arrival;
  const params = message.kind === 'reply' ? {} : objectOf(message.params);
  const target = aimOf(message, params, session, tasks);
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
    halt,
    mirror,
    resumes: undefined,
  };
}

/** Whether the answer to this call makes its session known. */
export function opensSession(call: Call): boolean {
  return call.message.kind === 'request' && call.message.method === 'initialize';
}

/** What a decision looks at. */
export function judgedOf(call: Call): Judged {
  const { server, principal, target, params, message } = call;
  if (target.kind !== 'tool' && target.kind !== 'prompt')
    return { server, principal, target, args: message.kind === 'reply' ? {} : params };
  const args = params['arguments'];
  return { server, principal, target, args: isObject(args) ? args : {} };
}

function aimOf(message: Message, params: JsonObject, session: Session, tasks: TaskTools): Target {
  if (message.kind === 'reply') return { kind: 'protocol', method: 'reply' };
  const { method } = message;
  const known = methodToServer(method, session.era);
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
    case 'task': {
      if (session.era === 'modern') needsTasks(params);
      const taskId = nameIn(params[known.aim.at]);
      return { kind: 'task', id: taskId, tool: tasks.toolOf(session, taskId) };
    }
    case 'subscription': {
      const tools = toolsFollowed(params['notifications'], session, tasks);
      const uris = subscribedIn(params['notifications']);
      return { kind: 'subscription', uris, ...(tools.length === 0 ? {} : { tools }) };
    }
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
  refuseLookAlikes(value, ['type', 'name', 'uri']);
  if (value['type'] === 'ref/prompt') return { kind: 'prompt', name: nameIn(value['name']) };
  if (value['type'] === 'ref/resource') return { kind: 'resource', uri: uriIn(value['uri']) };
  throw new Fault('BAD_PARAMS', { detail: 'ref is neither ref/prompt nor ref/resource' });
}

/** A reader that ignores case would act on `Name` where we decided about `name` (CVE-2026-27896). */
function refuseLookAlikes(value: JsonObject, names: readonly string[]): void {
  const name = names.find((it) => hasLookAlike(value, it));
  if (name !== undefined)
    throw new Fault('BAD_PARAMS', { detail: `a member differs from ${name} only in case` });
}

/** Only who declares the extension can know what a task is (tasks extension of 2026-07-28, capability negotiation). */
function needsTasks(params: JsonObject): void {
  const capabilities = metaOf(params)[metaKeys.capabilities];
  const extensions = isObject(capabilities) ? capabilities['extensions'] : undefined;
  if (isObject(extensions) && Object.hasOwn(extensions, tasksExtension)) return;
  throw new Fault('LACKS_CAPABILITY', {
    detail: tasksExtension,
    data: { requiredCapabilities: { extensions: { [tasksExtension]: {} } } },
  });
}

const subscribedMax = 1000;

function subscribedIn(filter: Json | undefined): readonly string[] {
  if (!isObject(filter)) throw new Fault('BAD_PARAMS', { detail: 'notifications is not an object' });
  refuseLookAlikes(filter, ['resourceSubscriptions', 'taskIds']);
  const uris = filter['resourceSubscriptions'];
  if (uris === undefined) return [];
  if (!Array.isArray(uris) || uris.length > subscribedMax)
    throw new Fault('BAD_PARAMS', { detail: `resourceSubscriptions is no list of up to ${subscribedMax}` });
  return uris.map(uriIn);
}

/**
 * A stream may also follow tasks (tasks extension of 2026-07-28): their ids would bring another caller's results. The tools
 * that they came of, because whoever may not call a tool may not hear of its tasks either.
 */
function toolsFollowed(filter: Json | undefined, session: Session, tasks: TaskTools): readonly string[] {
  const ids = isObject(filter) ? filter['taskIds'] : undefined;
  if (ids === undefined) return [];
  const all: readonly unknown[] = Array.isArray(ids) && ids.length <= subscribedMax ? ids : [undefined];
  const tools = all.map((id) => (typeof id === 'string' ? tasks.toolOf(session, id) : undefined));
  const own = tools.filter((it) => it !== undefined);
  if (own.length < tools.length)
    throw new Fault('BAD_PARAMS', { detail: 'taskIds is no list of tasks that this caller began' });
  return [...new Set(own)];
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
