import { Fault } from '../domain/faults.ts';
import type { Message } from '../domain/message.ts';

/**
 * The legacy era: revisions with an `initialize` handshake and sessions. The modern era (2026-07-28: everything in each
 * request, no sessions) gets its place beside it; the data plane never knows which one a caller speaks.
 */
export const legacyRevisions: readonly string[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'];

const known = new Set(legacyRevisions);

/**
 * Settles at the door whether we speak the caller's era. Throws `UNSUPPORTED_VERSION` for a version header we do not know
 * (2025-06-18 basic/transports: MUST 400) and for modern requests; a dual-era client then falls back to `initialize`.
 */
export function checkEra(versionHeader: string | undefined, message: Message): void {
  if (versionHeader !== undefined && !known.has(versionHeader)) {
    throw new Fault('UNSUPPORTED_VERSION', { detail: 'MCP-Protocol-Version header' });
  }
  // The body decides; the header is only a cross-check (an old header on a modern body must not open a legacy path).
  if (
    message.kind !== 'reply' &&
    message.params?.includes('"io.modelcontextprotocol/protocolVersion":') === true
  ) {
    throw new Fault('UNSUPPORTED_VERSION', { detail: 'a request of a modern revision' });
  }
}
