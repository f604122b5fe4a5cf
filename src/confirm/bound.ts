import { createHash } from 'node:crypto';
import { stillBound } from '../domain/binding.ts';
import type { Call } from '../domain/call.ts';
import type { Confirmation } from '../domain/decision.ts';
import type { JsonText } from '../domain/message.ts';
import { encode, members, object } from '../protocol/codec.ts';
import { metaKeys } from '../protocol/era.ts';

/** Everything that a yes is bound to. A call that differs in any of it needs another yes. */
export type Bound = {
  readonly caller: string;
  /** Empty in the modern era, where there is none. */
  readonly session: string;
  readonly server: string;
  readonly method: string;
  readonly target: string;
  readonly rule: string;
  readonly ordersVersion: string;
  /** The definition of the tool and the child that carries it out; see `stillBound`. */
  readonly binding: string;
  /** SHA-256, in hex, of what goes to the server. */
  readonly digest: string;
};

export function boundOf(call: Call, permit: Confirmation, ordersVersion: string, binding: string): Bound {
  const { message, session } = call;
  return {
    caller: call.principal.name,
    session: session.era === 'legacy' ? session.id : '',
    server: call.server,
    method: message.kind === 'reply' ? '' : message.method,
    target: JSON.stringify(call.target),
    rule: permit.rule,
    ordersVersion,
    binding,
    digest: digestOf(call),
  };
}

/** Whether a yes that was asked for `then` is one for `now`. */
export function fits(then: Bound, now: Bound): boolean {
  return then.digest === now.digest && fitsButArguments(then, now);
}

/** The same, whatever the arguments are. */
export function fitsButArguments(then: Bound, now: Bound): boolean {
  return (
    then.caller === now.caller &&
    then.session === now.session &&
    then.server === now.server &&
    then.method === now.method &&
    then.target === now.target &&
    then.rule === now.rule &&
    then.ordersVersion === now.ordersVersion &&
    stillBound(then.binding, now.binding)
  );
}

/** What one request must say anew each time, and what says nothing to the tool. */
const perRequest: ReadonlySet<string> = new Set([
  'progressToken',
  metaKeys.version,
  metaKeys.capabilities,
  metaKeys.client,
  metaKeys.logLevel,
  'traceparent',
  'tracestate',
]);
/** Ours, or the server's own and sealed by us; they have a place of their own in the digest. */
const perRound: ReadonlySet<string> = new Set(['inputResponses', 'requestState']);

/**
 * The canonical `params` without what differs from one request to the next: what somebody is shown who says yes to a call that
 * comes again. Arguments that are there and empty are as none: that is how they read when a ticket was taken out of them.
 */
export function boundText(call: Call): JsonText {
  return object([...boundMembers(call), ...paramsOf(call).filter(([key]) => key === 'inputResponses')]);
}

function boundMembers(call: Call): [string, JsonText][] {
  const kept: [string, JsonText][] = [];
  for (const [key, text] of paramsOf(call)) {
    if (perRound.has(key) || (key === 'arguments' && text === '{}')) continue;
    if (key !== '_meta' || !text.startsWith('{')) {
      kept.push([key, text]);
      continue;
    }
    const meta = members(text).filter(([name]) => !perRequest.has(name));
    if (meta.length > 0) kept.push([key, object(meta)]);
  }
  return kept;
}

function digestOf(call: Call): string {
  const hash = createHash('sha256');
  // With its length before it, so that no text can reach over into the next.
  const part = (text: string) => hash.update(`${text.length}:`).update(text);
  // As it was written: half a pair of surrogates is lost in UTF-8, and two names would be one.
  for (const [key, text] of boundMembers(call)) {
    part(encode(key));
    part(text);
  }
  const all = paramsOf(call);
  for (const key of perRound) part(all.find(([name]) => name === key)?.[1] ?? '');
  part(call.resumes ?? '');
  return hash.digest('hex');
}

function paramsOf({ message }: Call): readonly [string, JsonText][] {
  if (message.kind === 'reply' || message.params?.startsWith('{') !== true) return [];
  return members(message.params);
}
