import type { ServerResponse } from 'node:http';
import type { RedactedJson } from '../domain/redacted.ts';

/** What one reader may leave unread before it is cut off. */
const unreadBytesMax = 16 * 1024 * 1024;

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
 * A reader that is gone or hopelessly slow says `gone`; a slow one is cut off rather than buffered for ever.
 */
export function sendEvent(res: ServerResponse, text: RedactedJson): 'sent' | 'gone' {
  if (res.destroyed || res.writableEnded) return 'gone';
  if (res.writableLength > unreadBytesMax) {
    res.destroy();
    return 'gone';
  }
  res.write(`event: message\ndata: ${text}\n\n`);
  return 'sent';
}

/** A comment: keeps middleboxes from closing an idle stream, and finds out that the reader is gone. */
export function keepAlive(res: ServerResponse): void {
  if (!res.destroyed && !res.writableEnded) res.write(': keep-alive\n\n');
}
