import type { Era } from '../domain/era.ts';
import type { JsonText, Message, RequestId } from '../domain/message.ts';
import { encode, objectOf } from '../protocol/codec.ts';
import { eraOfLine, metaKeys, metaOf } from '../protocol/era.ts';
import { encodeHeader, nameHeaderOf } from '../protocol/mirror.ts';
import type { Heard } from './heard.ts';
import type { Headers } from './wire.ts';

/** What the client sent in one line, on its way to the daemon. */
export type Ask = {
  readonly text: JsonText;
  /** Undefined for a batch and for a reply. */
  readonly method: string | undefined;
  readonly params: JsonText | undefined;
  readonly era: Era;
  /** The revision that a modern message claims. */
  readonly revision: string | undefined;
  /** Requests that nobody has answered yet: their ids as JSON text, and as values. Empty for notifications and replies. */
  readonly waiting: Map<string, RequestId>;
  /** Of these, the ones that the client has taken back. Their answers go no further. */
  readonly unwanted: Set<string>;
  /** Ends the exchange with the daemon. */
  readonly stop: AbortController;
  /** Something was heard of it before its answer. */
  begun: boolean;
};

/** Readies a line for its way. `assumed`: the revision of a modern client, whose notifications need not repeat it. */
export function askOf(heard: Exclude<Heard, { kind: 'unreadable' }>, assumed: string | undefined): Ask {
  const messages = heard.kind === 'batch' ? heard.messages : [heard.message];
  const waiting = new Map(
    messages.flatMap((it) => (it.kind === 'request' ? [[String(encode(it.id)), it.id]] : [])),
  );
  const common = {
    text: heard.text,
    waiting,
    unwanted: new Set<string>(),
    stop: new AbortController(),
    begun: false,
  };
  if (heard.kind === 'batch' || heard.message.kind === 'reply')
    return { ...common, method: undefined, params: undefined, era: 'legacy', revision: undefined };
  const { message } = heard;
  const { method, params } = message;
  const revision = revisionOf(message) ?? (message.kind === 'notice' ? assumed : undefined);
  return { ...common, method, params, era: revision === undefined ? 'legacy' : 'modern', revision };
}

function revisionOf(message: Exclude<Message, { kind: 'reply' }>): string | undefined {
  if (eraOfLine(message) === 'legacy') return undefined;
  const claimed = metaOf(objectOf(message.params))[metaKeys.version];
  // What is no string is no revision; the daemon says so when it finds no header.
  return typeof claimed === 'string' ? claimed : '';
}

/**
 * The headers in which a modern message is repeated (2026-07-28 streamable-http, request metadata). Without `Mcp-Param-*`: the
 * daemon asks for none over the socket, where nothing can have read them on the way, and one large argument would fill a head.
 */
export function modernHeaders({ method = '', params, revision = '' }: Ask): Headers {
  const name = nameHeaderOf(method, objectOf(params));
  return {
    ...(revision === '' ? {} : { 'mcp-protocol-version': encodeHeader(revision) }),
    'mcp-method': encodeHeader(method),
    ...(name === undefined ? {} : { 'mcp-name': encodeHeader(name) }),
  };
}

/** The request that a `notifications/cancelled` names, as JSON text. */
export function cancelledId({ method, params }: Ask): string | undefined {
  if (method !== 'notifications/cancelled') return undefined;
  const { requestId } = objectOf(params);
  return typeof requestId === 'string' || typeof requestId === 'number' ? encode(requestId) : undefined;
}
