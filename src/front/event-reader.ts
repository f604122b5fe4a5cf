import type { ServerResponse } from 'node:http';
import type { RedactedJson } from '../domain/redacted.ts';
import { letGoAfter, type Leave } from './let-go.ts';
import { endWithRetry, keepAlive, sendEvent, sendMark } from './stream.ts';

/** An idle stream says so this often, so that a reader that went away is noticed. */
const keepAliveMs = 15_000;

/** Somebody reads an event stream on this connection. */
export class EventReader {
  readonly #res: ServerResponse;
  readonly #unreadBytesMax: number;
  #late: NodeJS.Timeout | undefined;
  #expires: NodeJS.Timeout | undefined;

  /** `left` is called once, when the connection is closed by either side. */
  constructor(res: ServerResponse, unreadBytesMax: number, left: () => void) {
    this.#res = res;
    this.#unreadBytesMax = unreadBytesMax;
    const beat = setInterval(() => keepAlive(res), keepAliveMs);
    res.on('close', () => {
      clearInterval(beat);
      clearTimeout(this.#late);
      clearTimeout(this.#expires);
      left();
    });
  }

  /** Without an event id where the reader cannot come back. */
  send = (text: RedactedJson, eventId?: string): 'sent' | 'gone' =>
    sendEvent(this.#res, text, this.#unreadBytesMax, eventId);

  mark = (eventId: string): void => sendMark(this.#res, eventId);

  close = (): void => void this.#res.end();

  /** Ends the connection when the credential it was opened with runs out: an open stream shows no credential again. */
  closeAt(untilMs: number, nowMs: number): void {
    const inMs = untilMs - nowMs;
    // A longer timer would fire at once (Node's timers hold 31 bits); no stream lasts for 24 days.
    if (inMs < 2 ** 31) this.#expires = setTimeout(this.close, Math.max(0, inMs));
  }

  /** Ends the connection; the reader is to come back for the rest. */
  letGo(): void {
    endWithRetry(this.#res);
  }

  letGoAfter(ms: number, leave: Leave): void {
    this.#late = letGoAfter(ms, leave, () => this.letGo());
  }
}
