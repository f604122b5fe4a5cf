import type { JsonText } from '../domain/message.ts';
import { encode } from '../protocol/codec.ts';
import { legacyRevisions, metaKeys, modernRevisions } from '../protocol/era.ts';

/*
 * What the hall says about itself. It speaks for servers that may be started later, so it names what it can carry rather than
 * what the ones that happen to run would give: a listing that is empty tells a client the same, at the right time.
 */

const offered = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
} as const;

/** Of 2025-11-25; whether a tool may become a task stands with the tool. */
const tasks = { list: {}, cancel: {}, requests: { tools: { call: {} } } } as const;

/** The result of `initialize`, in the revision that was asked for, or the newest of its era. */
export function greeting(requested: unknown, servers: readonly string[], version: string): JsonText {
  const newest = legacyRevisions.at(-1);
  const protocolVersion = legacyRevisions.find((it) => it === requested) ?? newest;
  const capabilities = protocolVersion === newest ? { ...offered, tasks } : offered;
  return encode({
    protocolVersion,
    capabilities,
    serverInfo: { name: 'mcpd', version },
    instructions: instructionsFor(servers),
  });
}

/** The result of `server/discover` (2026-07-28 server/discover). */
export function discovery(servers: readonly string[], version: string): JsonText {
  return encode({
    resultType: 'complete',
    supportedVersions: modernRevisions,
    capabilities: { ...offered, extensions: { 'io.modelcontextprotocol/tasks': {} } },
    instructions: instructionsFor(servers),
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { [metaKeys.server]: { name: 'mcpd', version } },
  });
}

function instructionsFor(servers: readonly string[]): string {
  return (
    `mcpd shows ${servers.length === 1 ? 'one server' : `${servers.length} servers`} here: ${servers.join(', ')}. ` +
    'The name of a tool or prompt begins with the name of its server and two underscores, ' +
    'the URI of a resource with "mcpd.", the name of its server and "+".'
  );
}
