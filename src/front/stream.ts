import type { ServerResponse } from 'node:http';
import type { RedactedJson } from '../domain/redacted.ts';

/** How long a client waits before it comes back for the rest of a stream. */
export const retryMs = 1_000;

const streamHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;

/** Starts an event stream (WHATWG HTML, server-sent events). */
export function startStream(res: ServerResponse, headers: Readonly<Record<string, string>>): void {
  res.writeHead(200, { ...streamHeaders, ...headers });
  res.flushHeaders();
}

/**
 * One event. Canonical JSON holds no line end, so a tool's text can never start a field of its own.
 * A reader that is gone or hopelessly slow says `gone`: one that has left more than `unreadBytesMax` unread is let go. What it
 * missed is kept for when it comes back (`callers/replay.ts`). So it holds no more than that and one event.
 */
export function sendEvent(
  res: ServerResponse,
  text: RedactedJson,
  unreadBytesMax: number,
  eventId?: string,
): 'sent' | 'gone' {
  if (res.destroyed || res.writableEnded) return 'gone';
  if (res.writableLength > unreadBytesMax) {
    res.destroy();
    return 'gone';
  }
  res.write(`event: message\n${eventId === undefined ? '' : `id: ${eventId}\n`}data: ${text}\n\n`);
  return 'sent';
}

/**
 * An event that says where the reader is and when to come back, and holds no message (2025-11-25 basic/transports, sending
 * messages, 6). Clients of older revisions take its empty data for a broken message.
 */
export function sendMark(res: ServerResponse, eventId: string): void {
  if (!res.destroyed && !res.writableEnded) res.write(`retry: ${retryMs}\nid: ${eventId}\ndata:\n\n`);
}

/** Ends a connection whose stream goes on: the client is to come back for the rest. */
export function endWithRetry(res: ServerResponse): void {
  if (!res.destroyed && !res.writableEnded) res.end(`retry: ${retryMs}\n\n`);
}

/** A comment: keeps middleboxes from closing an idle stream, and finds out that the reader is gone. */
export function keepAlive(res: ServerResponse): void {
  if (!res.destroyed && !res.writableEnded) res.write(': keep-alive\n\n');
}

/** The first event of the older transport: where to send messages (2024-11-05 basic/transports, HTTP with SSE). */
export function sendEndpoint(res: ServerResponse, path: string): void {
  res.write(`event: endpoint\ndata: ${path}\n\n`);
}
