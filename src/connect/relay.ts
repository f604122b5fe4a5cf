import { setTimeout as pause } from 'node:timers/promises';
import type { JsonText } from '../domain/message.ts';
import { encode, noticeText, objectOf } from '../protocol/codec.ts';
import { askOf, cancelledId, modernHeaders, type Ask } from './ask.ts';
import { answerAll, deliver, type Desk } from './deliver.ts';
import type { Heard } from './heard.ts';
import { messagesOf } from './messages.ts';
import { LegacySession } from './session.ts';
import { errorOf, faultBody, Trouble } from './trouble.ts';
import { send, type Headers, type HttpReply, type Sending, type Upstream } from './wire.ts';

export type RelayParts = {
  readonly upstream: Upstream;
  /** One message to the client. Resolves when it can take more. */
  readonly say: (message: JsonText) => Promise<void>;
  /** One sentence to whoever looks after the client. */
  readonly note: (sentence: string) => void;
};

/** Requests that may wait for their answers at once. More are refused rather than delayed, because replies must overtake them. */
const openMax = 256;
/** Notifications and replies on their way; the next one waits. */
const quietMax = 64;
/** What the client says next waits meanwhile, and its hanging up is not noticed. */
const readyWithinMs = 30_000;
const accept = 'application/json, text/event-stream';

/** Between one client that speaks lines and the daemon that speaks HTTP. Decides nothing: the daemon does. */
export class Relay {
  readonly #parts: RelayParts;
  readonly #open = new Map<Ask, Promise<void>>();
  readonly #desk: Desk;
  #session: LegacySession | undefined;
  /** What the client's last modern message claimed. */
  #revision: string | undefined;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    this.#desk = {
      say: parts.say,
      note: parts.note,
      session: () => this.#session,
      answered: (ask, reply, result) => this.#answered(ask, reply, result),
    };
  }

  /**
   * Passes one line on. Resolves when the next one may follow: a handshake is waited for, of everything else only that it has
   * left. So calls run side by side, and yet a cancellation comes after its request.
   */
  async take(heard: Heard): Promise<void> {
    if (heard.kind === 'unreadable') return this.#parts.say(heard.error);
    const ask = askOf(heard, this.#session === undefined ? this.#revision : undefined);
    if (ask.era === 'modern') this.#revision = ask.revision;
    if (this.#takesBack(ask)) return;
    if (ask.waiting.size > 0 && this.#open.size >= openMax)
      return answerAll(ask, faultBody('TOO_MANY'), this.#parts.say);
    while (this.#open.size >= openMax + quietMax) await Promise.race(this.#open.values());
    const sending = this.#send(ask);
    const carried = this.#carry(ask, sending).finally(() => this.#open.delete(ask));
    this.#open.set(ask, carried);
    await (isHandshake(ask) ? carried : sending.sent);
  }

  /** Waits until everything that was asked is answered, but for streams that have no end of their own. */
  async settled(): Promise<void> {
    for (const ask of this.#open.keys()) if (listens(ask)) ask.stop.abort();
    await Promise.all(this.#open.values());
  }

  /** Takes back whatever is open and ends the session. */
  async end(): Promise<void> {
    for (const ask of this.#open.keys()) ask.stop.abort();
    await this.#session?.end();
  }

  /**
   * A modern request is taken back by closing its stream (2026-07-28 streamable-http, cancellation), so its cancellation goes
   * no further than here. A legacy one travels like any notification.
   */
  #takesBack(cancel: Ask): boolean {
    const id = cancelledId(cancel);
    if (id === undefined) return false;
    const named = [...this.#open.keys()].find((ask) => ask.waiting.has(id) && !ask.unwanted.has(id));
    named?.unwanted.add(id);
    if (named?.era === 'modern') named.stop.abort();
    return (named ?? cancel).era === 'modern' || this.#session === undefined;
  }

  /** Never rejects unless the client can be told nothing any more. */
  async #carry(ask: Ask, sending: Sending): Promise<void> {
    try {
      const reply = await this.#replyTo(ask, sending);
      await deliver(ask, reply, this.#desk);
      if (ask.method === 'notifications/initialized' && reply.status < 300) this.#session?.stand();
    } catch (reason) {
      if (!ask.stop.signal.aborted) await this.#fail(ask, reason);
    }
  }

  /** A server that never hears that its client is ready may refuse everything after it, so that is said again. */
  async #replyTo(ask: Ask, sending: Sending): Promise<HttpReply> {
    let reply = await sending.reply;
    if (ask.method !== 'notifications/initialized') return reply;
    let leftMs = readyWithinMs;
    while (reply.comeBackInMs !== undefined && reply.comeBackInMs <= leftMs) {
      leftMs -= reply.comeBackInMs;
      reply.drop();
      await pause(reply.comeBackInMs, undefined, { signal: ask.stop.signal });
      reply = await this.#send(ask).reply;
    }
    return reply;
  }

  async #fail(ask: Ask, reason: unknown): Promise<void> {
    const detail = reason instanceof Trouble ? reason.detail : String(reason);
    const says = reason instanceof Error ? reason.message : String(reason);
    this.#parts.note(detail === undefined ? says : `${says} (${detail})`);
    // On a pipe, this is how a server says that a subscription is over (2026-07-28 basic/patterns/cancellation).
    if (listens(ask) && ask.begun) {
      for (const requestId of ask.waiting.values())
        await this.#parts.say(noticeText('notifications/cancelled', encode({ requestId })));
    } else await answerAll(ask, errorOf(reason), this.#parts.say);
  }

  #send(ask: Ask): Sending {
    return send(this.#parts.upstream, 'POST', { accept, ...this.#headersOf(ask) }, ask.text, ask.stop.signal);
  }

  #headersOf(ask: Ask): Headers {
    if (ask.era === 'legacy') return (ask.method !== 'initialize' && this.#session?.headers) || {};
    return modernHeaders(ask);
  }

  #answered(ask: Ask, reply: HttpReply, result: JsonText): void {
    if (ask.era === 'modern' || ask.method !== 'initialize') return;
    const { protocolVersion } = objectOf(result);
    void this.#session?.end();
    this.#session = new LegacySession({
      upstream: this.#parts.upstream,
      id: reply.sessionId,
      revision: typeof protocolVersion === 'string' ? protocolVersion : '',
      listen: async (stream, mark) => {
        for await (const { text } of messagesOf(stream, mark)) await this.#parts.say(text);
      },
    });
  }
}

/** What everything after it depends on. */
function isHandshake({ method, era }: Ask): boolean {
  return era === 'legacy' && (method === 'initialize' || method === 'notifications/initialized');
}

function listens({ method, era }: Ask): boolean {
  return era === 'modern' && method === 'subscriptions/listen';
}
