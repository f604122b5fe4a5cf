import type { ServerResponse } from 'node:http';
import type { Outlet } from '../domain/call.ts';
import type { Era } from '../domain/era.ts';
import type { Fault } from '../domain/faults.ts';
import type { JsonText, Message, RequestId } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { errorText } from '../protocol/codec.ts';
import { wordFault, wordOutcome, type WireReply } from '../protocol/wire-errors.ts';
import { EventResponse } from './event-response.ts';
import { letGoAfter, type Leave } from './let-go.ts';
import { answerText, sendAccepted, sendReply, type Challenge } from './send-reply.ts';
import { knowsMarks, type FrontSession } from './session.ts';
import { turnedDown } from './unanswered.ts';

/**
 * The response to one POST. It is plain JSON unless something has to be said before the answer (progress, a question, a
 * log line); then it becomes an event stream, which both kinds of client must accept (2025-03-26 basic/transports).
 */
export class PostResponse implements Outlet {
  readonly #res: ServerResponse;
  /** A stream begins before the outcome is known, and its headers carry the id all the same. */
  readonly #callId: string;
  readonly #challenge: Challenge;
  readonly #unreadBytesMax: number;
  #events: EventResponse | undefined;
  /** The id that the answer must bear; undefined while the message is not read, and for what is not answered. */
  #id: RequestId | undefined;
  #kind: Message['kind'] = 'notice';
  #era: Era = 'legacy';
  /** Of the legacy era. None before `initialize` is answered, so what comes before has nowhere to go. */
  #session: FrontSession | undefined;
  #poll: NodeJS.Timeout | undefined;

  constructor(res: ServerResponse, callId: string, challenge: Challenge, unreadBytesMax: number) {
    this.#res = res;
    this.#callId = callId;
    this.#challenge = challenge;
    this.#unreadBytesMax = unreadBytesMax;
  }

  send = (text: RedactedJson): 'sent' | 'gone' => this.#begun()?.send(text) ?? 'gone';

  /** Which message this is the response to. */
  to(message: Message): void {
    this.#kind = message.kind;
    this.#id = message.kind === 'request' ? message.id : undefined;
  }

  speak(era: Era, session: FrontSession | undefined): void {
    this.#era = era;
    this.#session = session;
  }

  /** Begins the event stream at once, for a client that would rather have one. */
  stream(): void {
    if (this.#kind === 'request') this.#begun();
  }

  /** Holds the connection no longer than this; a client that understands it comes back for the rest. */
  letGoAfter(ms: number, leave: Leave): void {
    if (this.#kind !== 'request' || this.#session === undefined || !knowsMarks(this.#session)) return;
    this.#poll = letGoAfter(ms, leave, () => this.#begun()?.letGo());
  }

  finish(outcome: Outcome): void {
    clearTimeout(this.#poll);
    // An answer in one piece is worth nothing to a client that is gone; a stream can be asked for again.
    if (this.#events === undefined && this.#res.destroyed) return;
    const worded = wordOutcome(outcome, this.#callId, this.#era);
    const reply = this.#kind === 'request' ? worded : turnedDown(outcome, worded, this.#era);
    if (reply === undefined) return sendAccepted(this.#res, this.#callId);
    const opened = outcome.kind === 'answered' ? outcome.opened : undefined;
    this.#end(answerText(this.#id, reply), reply, opened?.era === 'legacy' ? opened.id : undefined);
  }

  refuse(fault: Fault): void {
    clearTimeout(this.#poll);
    if (this.#events === undefined && this.#res.destroyed) return;
    const reply = wordFault(fault, this.#callId);
    // What is left of a refused body must not be read as the next request.
    if (reply.status !== 404 && !this.#res.headersSent) this.#res.setHeader('connection', 'close');
    this.#end(errorText(this.#id, reply.body), reply, undefined);
  }

  #begun(): EventResponse | undefined {
    if (this.#era === 'legacy' && this.#session === undefined) return undefined;
    this.#events ??= EventResponse.begin(this.#res, this.#callId, this.#session, this.#unreadBytesMax);
    return this.#events;
  }

  #end(text: JsonText, reply: WireReply, sessionId: string | undefined): void {
    if (this.#events !== undefined) {
      this.#events.send(text as RedactedJson);
      this.#events.end();
      return;
    }
    sendReply(this.#res, text, reply, this.#callId, sessionId, this.#challenge);
  }
}
