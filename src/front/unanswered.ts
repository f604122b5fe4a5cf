import type { Era } from '../domain/era.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { WireReply } from '../protocol/wire-errors.ts';

/** What is down, full or overtaken takes a while to mend. */
const retryInMs = 5_000;

/**
 * How a notification or a reply is turned down; undefined where it is answered with 202. To a request, an error is said in a
 * 200; here the status is all that its sender hears (Streamable HTTP of every revision: what cannot be accepted MUST be
 * answered with an error status). Clients of the legacy era are spared what a request would hear in a 200: the official Python
 * SDK 1.x ends its whole connection over any such status, and nothing brings it back when the server is well again.
 */
export function turnedDown(outcome: Outcome, reply: WireReply, era: Era): WireReply | undefined {
  if (outcome.kind === 'accepted' || outcome.kind === 'answered') return undefined;
  if (reply.status >= 300) return reply;
  if (era === 'legacy') return undefined;
  if (outcome.kind === 'failed')
    return outcome.fault.side === 'caller'
      ? { ...reply, status: 400 }
      : { ...reply, status: 503, retryInMs: reply.retryInMs ?? retryInMs };
  if (outcome.kind === 'refused') {
    if (outcome.why.kind === 'exhausted') return { ...reply, status: 429 };
    // As one that does not exist, and that servers ignore: a status of its own would say that there is something to hide.
    if (outcome.why.hidden) return undefined;
  }
  return { ...reply, status: 403 };
}
