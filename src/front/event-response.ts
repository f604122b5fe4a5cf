import type { ServerResponse } from 'node:http';
import type { Outlet } from '../domain/call.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { EventReader } from './event-reader.ts';
import { knowsMarks, type EventStream, type FrontSession } from './session.ts';
import { startStream } from './stream.ts';

/**
 * A POST's response that became an event stream. In the legacy era the stream belongs to the session and outlives its
 * connection; in the modern era (no session) it is the connection.
 */
export class EventResponse implements Outlet {
  readonly #reader: EventReader;
  readonly #stream: EventStream | undefined;

  /** Undefined when it is too late: the client is gone, or was answered. */
  static begin(
    res: ServerResponse,
    callId: string,
    session: FrontSession | undefined,
    unreadBytesMax: number,
  ): EventResponse | undefined {
    return res.headersSent || res.destroyed
      ? undefined
      : new EventResponse(res, callId, session, unreadBytesMax);
  }

  private constructor(
    res: ServerResponse,
    callId: string,
    session: FrontSession | undefined,
    unreadBytesMax: number,
  ) {
    const stream = session?.openStream();
    this.#stream = stream;
    startStream(res, { 'mcpd-correlation-id': callId });
    const reader = new EventReader(res, unreadBytesMax, () => stream?.leave(reader));
    this.#reader = reader;
    if (session !== undefined) stream?.readOn(reader, knowsMarks(session));
  }

  send = (text: RedactedJson): 'sent' | 'gone' => (this.#stream ?? this.#reader).send(text);

  /** Nothing more will be said. */
  end(): void {
    if (this.#stream === undefined) this.#reader.close();
    else this.#stream.end();
  }

  /** Ends the connection, not the stream: the client is to come back for the rest. */
  letGo(): void {
    this.#reader.letGo();
  }
}
