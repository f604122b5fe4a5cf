import { Fault } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';
import type { Era } from '../domain/era.ts';
import type { ServerSpec } from '../domain/orders.ts';
import { encode, member, objectOf, withMember, withoutMember } from '../protocol/codec.ts';
import { legacyRevisions } from '../protocol/era.ts';
import { speaksModern } from '../protocol/translate.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { ownMeta } from './probe.ts';

/** What mcpd asks for when it speaks for itself. */
const ourRevision = '2025-11-25';

/** What a child said first: the `result` of `initialize`, or that of `server/discover` where it speaks only the modern era. */
export type Introduced = { readonly era: Era; readonly greeting: JsonText };

/**
 * The first words with a child that belongs to no single client: mcpd is its client, and can do nothing for it. A server that
 * refuses `initialize` may speak only the modern era, so it is asked that way too; one that ends because of the one question
 * is asked the other one first at its next start (`modernFirst`). Rejects with `UPSTREAM_DOWN`, `UPSTREAM_GARBLED` or what
 * the connection says.
 */
export async function introduce(
  connection: Connection,
  deps: ChildDeps,
  spec: ServerSpec,
  modernFirst: boolean,
): Promise<Introduced> {
  const eras: readonly Era[] =
    spec.protocol !== 'auto' ? [spec.protocol] : modernFirst ? ['modern', 'legacy'] : ['legacy', 'modern'];
  for (const era of eras) {
    const greeting = await (era === 'modern' ? discover : initialize)(connection, deps, spec);
    // Only a refusal is a reason to ask in the other way; a child that is gone or silent would not answer that either.
    if (greeting !== undefined) return { era, greeting };
  }
  const detail =
    spec.protocol === 'modern' ? 'it does not speak the modern protocol' : 'it refused to initialize';
  throw new Fault('UPSTREAM_DOWN', { detail });
}

/** Undefined: the child is there, and does not speak like this. */
async function discover(
  connection: Connection,
  deps: ChildDeps,
  spec: ServerSpec,
): Promise<JsonText | undefined> {
  const params = encode({ _meta: ownMeta(deps.version) });
  const answer = await connection.own('server/discover', params, spec.startWithinMs);
  return answer.kind === 'result' && speaksModern(answer.text) ? answer.text : undefined;
}

/** Undefined: the child is there, and refuses. */
async function initialize(
  connection: Connection,
  deps: ChildDeps,
  spec: ServerSpec,
): Promise<JsonText | undefined> {
  const clientInfo = { name: 'mcpd', version: deps.version };
  const params = encode({ protocolVersion: ourRevision, capabilities: {}, clientInfo });
  const answer = await connection.own('initialize', params, spec.startWithinMs);
  if (answer.kind === 'error') return undefined;
  const { protocolVersion } = objectOf(answer.text);
  if (typeof protocolVersion !== 'string' || !legacyRevisions.includes(protocolVersion)) {
    throw new Fault('UPSTREAM_GARBLED', {
      detail: `it speaks no protocol version that mcpd knows (${legacyRevisions.join(', ')})`,
    });
  }
  connection.agreed(protocolVersion);
  connection.tell('notifications/initialized');
  return answer.text;
}

/** Revisions a client may speak to a child that was initialised by us: stdio messages are the same in all of them. */
const revisions: ReadonlySet<unknown> = new Set(['2025-03-26', '2025-06-18', '2025-11-25']);

/** The child's own `initialize` result as one session may see it: in its own revision, without what cannot be shared. */
export function greetingFor(greeting: JsonText, requested: unknown): JsonText {
  const capabilities = member(greeting, ['capabilities']);
  const shared =
    capabilities?.startsWith('{') === true
      ? withMember(greeting, ['capabilities'], withoutMember(capabilities, 'tasks'))
      : greeting;
  return revisions.has(requested)
    ? withMember(shared, ['protocolVersion'], encode(requested as string))
    : shared;
}
