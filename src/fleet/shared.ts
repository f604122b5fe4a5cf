import { Fault } from '../domain/faults.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import { encode, errorBody, member, withMember, withoutMember } from '../protocol/codec.ts';
import type { Connection } from './connection.ts';
import type { Standing } from './standing.ts';

/** What changes or shows the state of a whole child, and so cannot be had by one session of many. */
const notShared: ReadonlySet<string> = new Set([
  'resources/subscribe',
  'resources/unsubscribe',
  'logging/setLevel',
  // A task id is as good as a key, and one child's tasks belong to many callers.
  'tasks/list',
  'tasks/get',
  'tasks/result',
  'tasks/cancel',
]);

/** Revisions a client may speak to a child that was initialised by us: stdio messages are the same in all of them. */
const revisions: ReadonlySet<unknown> = new Set(['2025-03-26', '2025-06-18', '2025-11-25']);

/** Carries a message to the one child that all sessions share. */
export function forwardShared(
  standing: Standing,
  spec: ServerSpec,
  readyWithinMs: number,
  pass: Pass,
): Promise<Answer | undefined> {
  const { message, halt } = pass.call;
  if (message.kind !== 'request') {
    // Who has said `initialized`, or which roots one client has, is no business of a child that serves all; and it asks
    // nobody anything, so no reply is for it.
    pass.spend();
    if (message.kind === 'reply') standing.unheard();
    return Promise.resolve(undefined);
  }
  if (notShared.has(message.method)) {
    pass.spend();
    return Promise.resolve({ kind: 'error', text: errorBody(-32601, 'Method not found') });
  }
  const { connection } = standing.supervisor;
  if (connection !== undefined) return ask(standing, spec, connection, pass);
  const withinMs = Math.min(spec.answerWithinMs, readyWithinMs);
  return standing.supervisor.whenReady(withinMs, halt).then((ready) => ask(standing, spec, ready, pass));
}

function ask(standing: Standing, spec: ServerSpec, connection: Connection, pass: Pass): Promise<Answer> {
  const { message } = pass.call;
  if (message.kind !== 'request' || message.method !== 'initialize')
    return connection.ask(pass, spec.answerWithinMs);
  const { greeting } = standing;
  if (greeting === undefined)
    return Promise.reject(new Fault('BUG', { detail: 'a child is ready without a greeting' }));
  const call = pass.spend();
  return Promise.resolve({ kind: 'result', text: greetingFor(greeting, call.params['protocolVersion']) });
}

/** The shared child's `initialize` result as one session may see it: in its own revision, without what cannot be shared. */
export function greetingFor(greeting: JsonText, requested: unknown): JsonText {
  const capabilities = member(greeting, ['capabilities']);
  let shared = greeting;
  if (capabilities?.startsWith('{') === true) {
    const resources = member(capabilities, ['resources']);
    const fewer = withoutMember(withoutMember(capabilities, 'logging'), 'tasks');
    const kept =
      resources?.startsWith('{') === true
        ? withMember(fewer, ['resources'], withoutMember(resources, 'subscribe'))
        : fewer;
    shared = withMember(shared, ['capabilities'], kept);
  }
  return revisions.has(requested)
    ? withMember(shared, ['protocolVersion'], encode(requested as string))
    : shared;
}
