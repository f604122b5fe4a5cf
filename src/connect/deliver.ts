import { setTimeout as pause } from 'node:timers/promises';
import type { JsonText } from '../domain/message.ts';
import { encode, errorText, objectOf, type Envelope } from '../protocol/codec.ts';
import type { Ask } from './ask.ts';
import { messagesOf, type Said } from './messages.ts';
import { fresh, type LegacySession, type Mark } from './session.ts';
import { Trouble } from './trouble.ts';
import type { HttpReply } from './wire.ts';

/** What delivering needs of the relay. */
export type Desk = {
  readonly say: (message: JsonText) => Promise<void>;
  readonly note: (sentence: string) => void;
  readonly session: () => LegacySession | undefined;
  /** Told of each result that answers an ask, before the client is. */
  readonly answered: (ask: Ask, reply: HttpReply, result: JsonText) => void;
};

const resumesMax = 10_000;
/** Times in a row that the rest of a stream is asked for where it is turned away. */
const turnedAwayMax = 30;

/**
 * Brings the client everything that the daemon has to say about one ask, up to its answer. A legacy stream may let go in the
 * middle and be asked for the rest. Rejects with a `Trouble`.
 */
export async function deliver(ask: Ask, first: HttpReply, desk: Desk): Promise<void> {
  const mark = fresh();
  let reply: HttpReply | undefined = first;
  for (let resumed = 0; reply !== undefined && resumed <= resumesMax; resumed++)
    reply = await deliverOne(ask, reply, mark, desk);
  if (ask.waiting.size > 0) throw new Trouble('LOST', { correlationId: first.correlationId });
}

/** Delivers one HTTP reply. Gives the one that goes on from there, if there has to be one. */
async function deliverOne(
  ask: Ask,
  reply: HttpReply,
  mark: Mark,
  desk: Desk,
): Promise<HttpReply | undefined> {
  const session = ask.era === 'legacy' ? desk.session() : undefined;
  const mayResume = () => session !== undefined && mark.id !== undefined && ask.waiting.size > 0;
  try {
    for await (const said of messagesOf(reply, mark)) await hear(ask, reply, said, desk);
  } catch (reason) {
    if (!mayResume()) throw reason;
  }
  if (session === undefined || !mayResume()) return undefined;
  await pause(mark.retryMs, undefined, { signal: ask.stop.signal });
  return resume(session, mark, ask.stop.signal);
}

/**
 * Asks for the rest of a stream. Whatever refuses that is no answer to the ask, which had arrived and may go on: a client that
 * took it for one would make its call twice. So gives undefined where there is no rest to be had.
 */
async function resume(
  session: LegacySession,
  mark: Mark,
  signal: AbortSignal,
): Promise<HttpReply | undefined> {
  for (let times = 0; times < turnedAwayMax; times++) {
    // A daemon that cannot be reached any more has lost what it had to say.
    const reply = await session.open(mark, signal).catch(() => undefined);
    if (reply?.status === 200 && reply.isStream) return reply;
    reply?.drop();
    if (reply?.comeBackInMs === undefined) return undefined;
    await pause(reply.comeBackInMs, undefined, { signal });
  }
  return undefined;
}

async function hear(ask: Ask, reply: HttpReply, { text, envelopes }: Said, desk: Desk): Promise<void> {
  const refusal = refusalIn(envelopes);
  if (refusal === undefined) {
    const wanted = envelopes.filter((it) => settle(ask, reply, it, desk) === 'wanted');
    return wanted.length > 0 ? desk.say(text) : undefined;
  }
  if (reply.status === 401)
    desk.note('mcpd wants a key that it knows: MCPD_KEY, or --key-file; to make one: mcpd key add NAME');
  if (ask.waiting.size > 0) return answerAll(ask, refusal, desk.say);
  const { message } = objectOf(refusal);
  desk.note(`mcpd refused ${ask.method ?? 'a reply'}: ${typeof message === 'string' ? message : refusal}`);
}

/** The error of a daemon that read no message, and so knows no id. The client has to learn all the same which request failed. */
function refusalIn([first, ...more]: readonly Envelope[]): JsonText | undefined {
  if (first === undefined || more.length > 0) return undefined;
  return first.id === undefined && first.method === undefined ? first.error : undefined;
}

/** Takes note of an answer. A client that took its request back has forgotten the id, and may have given it to another. */
function settle(ask: Ask, reply: HttpReply, envelope: Envelope, desk: Desk): 'wanted' | 'unwanted' {
  const { id, method, result } = envelope;
  if (method !== undefined || id === undefined) ask.begun = true;
  else {
    if (ask.waiting.delete(id) && result !== undefined) desk.answered(ask, reply, result);
    if (ask.unwanted.has(id)) return 'unwanted';
  }
  return 'wanted';
}

/** Answers every request of an ask that nobody has answered yet. */
export async function answerAll(ask: Ask, error: JsonText, say: Desk['say']): Promise<void> {
  const ids = [...ask.waiting.values()];
  ask.waiting.clear();
  for (const id of ids) if (!ask.unwanted.has(encode(id))) await say(errorText(id, error));
}
