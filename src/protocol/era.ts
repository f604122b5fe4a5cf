import type { Era } from '../domain/era.ts';
import { Fault } from '../domain/faults.ts';
import type { JsonObject, Message, Notice } from '../domain/message.ts';
import { objectOf } from './codec.ts';
import { checkMirror } from './mirror.ts';

/** The revisions that begin with `initialize`, oldest first. */
export const legacyRevisions: readonly string[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];
/** The revisions in which every request says everything about itself. */
export const modernRevisions: readonly string[] = ['2026-07-28'];

/** Members of `_meta` that belong to the protocol (2026-07-28 basic/index, `_meta`). */
export const metaKeys = {
  version: 'io.modelcontextprotocol/protocolVersion',
  capabilities: 'io.modelcontextprotocol/clientCapabilities',
  client: 'io.modelcontextprotocol/clientInfo',
  logLevel: 'io.modelcontextprotocol/logLevel',
  server: 'io.modelcontextprotocol/serverInfo',
  subscription: 'io.modelcontextprotocol/subscriptionId',
} as const;

/** The extension in which 2026-07-28 has tasks. */
export const tasksExtension = 'io.modelcontextprotocol/tasks';

/** What the HTTP headers say about a message; `undefined` where one is missing. */
export type EraHeaders = {
  readonly version: string | undefined;
  readonly method: string | undefined;
  readonly name: string | undefined;
};

const legacy = new Set(legacyRevisions);
const modern = new Set(modernRevisions);
const claim = `"${metaKeys.version}":`;

/**
 * Settles at the door which era a message belongs to. The body decides; the headers are a cross-check, because whatever
 * stands before us may have routed by them (2026-07-28 basic/transports/streamable-http). Throws `UNSUPPORTED_VERSION` for a
 * legacy message under a version header we do not know; for modern ones `HEADER_MISMATCH`, `MISSING_META` and
 * `UNSUPPORTED_REVISION`.
 */
export function eraOf(message: Message, headers: EraHeaders): Era {
  const { version } = headers;
  if (message.kind !== 'reply' && message.params?.includes(claim) === true) {
    const params = objectOf(message.params);
    const meta = metaOf(params);
    if (Object.hasOwn(meta, metaKeys.version)) {
      checkModern(message, params, meta, headers);
      return 'modern';
    }
  }
  if (version === undefined || legacy.has(version)) return 'legacy';
  if (!modern.has(version)) throw new Fault('UNSUPPORTED_VERSION', { detail: 'MCP-Protocol-Version header' });
  // Modern notifications need no `_meta`; nobody answers them.
  if (message.kind === 'notice') {
    checkNotice(message, headers);
    return 'modern';
  }
  if (message.kind === 'reply') throw new Fault('BAD_MESSAGE', { detail: 'a response in the modern era' });
  throw new Fault('MISSING_META', { detail: 'no protocolVersion' });
}

/** A message over a pipe, where there are no headers: the same question, without the cross-check. */
export function eraOfLine(message: Message): Era {
  if (message.kind === 'reply' || message.params?.includes(claim) !== true) return 'legacy';
  return Object.hasOwn(metaOf(objectOf(message.params)), metaKeys.version) ? 'modern' : 'legacy';
}

/** `params._meta`, or an empty object where it is none. */
export function metaOf(params: JsonObject): JsonObject {
  const meta = params['_meta'];
  return typeof meta === 'object' && meta !== null && !Array.isArray(meta) ? meta : {};
}

function checkModern(
  message: Exclude<Message, { kind: 'reply' }>,
  params: JsonObject,
  meta: JsonObject,
  headers: EraHeaders,
): void {
  const requested = meta[metaKeys.version];
  if (typeof requested !== 'string')
    throw new Fault('MISSING_META', { detail: 'protocolVersion is not a string' });
  if (headers.version !== requested) throw mismatch('MCP-Protocol-Version');
  if (!modern.has(requested)) {
    throw new Fault('UNSUPPORTED_REVISION', {
      data: { supported: [...modernRevisions], requested: requested.slice(0, 64) },
    });
  }
  const capabilities = meta[metaKeys.capabilities];
  const isObject = typeof capabilities === 'object' && capabilities !== null && !Array.isArray(capabilities);
  if (message.kind === 'request' && !isObject)
    throw new Fault('MISSING_META', { detail: 'no clientCapabilities' });
  if (message.kind === 'notice') return checkNotice(message, headers);
  const wrong = checkMirror(message.method, params, headers);
  if (wrong !== undefined) throw mismatch(wrong);
}

/** Only requests must have these headers; but one that is there may have been believed on the way. */
function checkNotice({ method }: Notice, headers: EraHeaders): void {
  if (headers.method !== undefined && headers.method !== method) throw mismatch('Mcp-Method');
}

function mismatch(header: string): Fault {
  return new Fault('HEADER_MISMATCH', { detail: header, data: { header } });
}
