import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Arrival, Outlet } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import { Halt } from '../domain/halt.ts';
import type { JsonText, Message } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { canonical, elements, readMessage, type Bounds } from '../protocol/codec.ts';
import { wordOutcome, type WireReply } from '../protocol/wire-errors.ts';
import { EventResponse } from './event-response.ts';
import { answerText, sendAccepted, sendReply } from './send-reply.ts';
import type { FrontSession } from './session.ts';
import { turnedDown } from './unanswered.ts';

/** Messages in one batch. Each is charged and decided by itself; this bounds what one request may set going. */
const batchMax = 100;
/** Answers that together are longer than this are sent one by one, as events. */
const wholeCharsMax = 16 * 1024 * 1024;

const openArray = 0x5b;
const space = 0x20;

/** Whether a body holds several messages. */
export function isBatch(text: string): boolean {
  let at = 0;
  while (text.charCodeAt(at) <= space) at++;
  return text.charCodeAt(at) === openArray;
}

/**
 * The messages of a batch, all of them or none: a batch that is wrong in one place sets nothing going. Throws `BAD_MESSAGE`
 * where batches are not spoken, for an empty or too long one, for `initialize` in it (2025-03-26 basic/lifecycle) and for an
 * id that stands twice; and as `readMessage`.
 */
export function readBatch(text: string, bounds: Bounds, allowed: boolean): Message[] {
  const whole = canonical(text, bounds);
  if (!allowed) throw new Fault('BAD_MESSAGE', { detail: 'a batch' });
  const messages = elements(whole, batchMax + 1).map((it) => readMessage(it, bounds));
  if (messages.length === 0 || messages.length > batchMax)
    throw new Fault('BAD_MESSAGE', { detail: `a batch of none, or of more than ${batchMax}` });
  const ids = new Set<string | number>();
  for (const message of messages) {
    if (message.kind !== 'request') continue;
    if (message.method === 'initialize') throw new Fault('BAD_MESSAGE', { detail: 'initialize in a batch' });
    if (ids.has(message.id)) throw new Fault('BAD_MESSAGE', { detail: 'an id stands twice in a batch' });
    ids.add(message.id);
  }
  return messages;
}

/** One arrival for each message. The first bears the id of the request, the others have their own. */
export function arrivalsOf(common: Arrival, messages: readonly Message[]): Arrival[] {
  return messages.map((message, at) => ({
    ...common,
    id: at === 0 ? common.id : randomUUID(),
    message,
    halt: new Halt(),
  }));
}

/** Carries out every message, each with its own record. Never rejects. */
export async function carryOutAll(
  arrivals: readonly Arrival[],
  handle: (arrival: Arrival) => Promise<Outcome>,
  ended: (arrival: Arrival, outcome: Outcome) => void,
): Promise<void> {
  await Promise.all(
    arrivals.map(async (arrival) => {
      const outcome = await handle(arrival).catch((reason: unknown): Outcome => ({
        kind: 'failed',
        fault: Fault.from(reason),
      }));
      ended(arrival, outcome);
    }),
  );
}

/** The response to a batch: its answers in an array, or as events once something has to be said before them. */
export class BatchResponse implements Outlet {
  readonly #res: ServerResponse;
  readonly #callId: string;
  readonly #session: FrontSession;
  readonly #unreadBytesMax: number;
  readonly #answers: JsonText[] = [];
  #chars = 0;
  #events: EventResponse | undefined;
  /** How the first message ended that asked for no answer and was not accepted. */
  #refused: WireReply | undefined;
  #accepted = 0;

  constructor(res: ServerResponse, callId: string, session: FrontSession, unreadBytesMax: number) {
    this.#res = res;
    this.#callId = callId;
    this.#session = session;
    this.#unreadBytesMax = unreadBytesMax;
  }

  send = (text: RedactedJson): 'sent' | 'gone' => this.#begun()?.send(text) ?? 'gone';

  put({ id, message }: Arrival, outcome: Outcome): void {
    const reply = wordOutcome(outcome, id, 'legacy');
    if (message.kind !== 'request') {
      const refused = turnedDown(outcome, reply, 'legacy');
      if (refused === undefined) this.#accepted++;
      else this.#refused ??= refused;
      return;
    }
    if (this.#events === undefined && this.#res.destroyed) return;
    const text = answerText(message.id, reply);
    this.#chars += text.length;
    if (this.#chars > wholeCharsMax) this.#begun();
    if (this.#events === undefined) this.#answers.push(text);
    else this.#events.send(text as RedactedJson);
  }

  finish(): void {
    if (this.#events !== undefined) return this.#events.end();
    if (this.#res.destroyed) return;
    if (this.#answers.length > 0)
      return sendReply(
        this.#res,
        `[${this.#answers.join(',')}]` as JsonText,
        answered,
        this.#callId,
        undefined,
      );
    if (this.#accepted === 0 && this.#refused !== undefined)
      return sendReply(
        this.#res,
        answerText(undefined, this.#refused),
        this.#refused,
        this.#callId,
        undefined,
      );
    sendAccepted(this.#res, this.#callId);
  }

  #begun(): EventResponse | undefined {
    if (this.#events !== undefined) return this.#events;
    const begun = EventResponse.begin(this.#res, this.#callId, this.#session, this.#unreadBytesMax);
    if (begun !== undefined) for (const text of this.#answers.splice(0)) begun.send(text as RedactedJson);
    return (this.#events = begun);
  }
}

const answered: WireReply = {
  status: 200,
  kind: 'result',
  body: '{}' as JsonText,
  retryInMs: undefined,
};
