import { hash, randomBytes } from 'node:crypto';
import type { BroughtConsent, Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { Consent } from '../domain/decision.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { boundText } from './bound.ts';
import { formOf } from './form.ts';
import type { Open } from './open-questions.ts';
import type { Question } from './question.ts';
import { showWhole } from './show.ts';
import { newTicket, ticketAnswer } from './ticket.ts';
import type { Ways } from './ways.ts';

export type PosingParts = {
  readonly clock: Clock;
  readonly redact: (text: JsonText) => RedactedJson;
  /** The answer that puts a form to the caller's user (2026-07-28); undefined when what it must carry is too long. */
  readonly pose: (call: Call, posed: Posed) => Answer | undefined;
};

export type Posed = {
  readonly mark: string;
  /** Wall clock, milliseconds since 1970. */
  readonly until: number;
  /** Of the `elicitation/create`. */
  readonly params: JsonText;
};

/** A server's own questions have other ids. */
export const formPrefix = 'c-';

/** What an answer to a question is found by, besides the id that people type. */
export function keysFor({ by, channels }: Ways): Pick<Open, 'key' | 'formId'> {
  switch (by) {
    case 'answer':
      return { key: `answer ${secret()}`, formId: undefined };
    case 'ticket':
      return { key: `ticket ${newTicket()}`, formId: undefined };
    case 'here':
      return { key: undefined, formId: channels.includes('caller') ? formPrefix + secret() : undefined };
  }
}

export function keyOf(consent: BroughtConsent): string {
  return consent.kind === 'answer' ? `answer ${consent.mark}` : `ticket ${consent.ticket}`;
}

/** The answer with which a call is sent back, to come again. `stale`: what it brought this time is worth nothing. */
export function awaitingAnswer(
  open: Open,
  stale: boolean,
  parts: PosingParts,
): Extract<Consent, { kind: 'awaiting' | 'cannot-ask' }> {
  const { question, call, asking, key = '' } = open;
  const mark = key.slice(key.indexOf(' ') + 1);
  const expiresAt = question.expiresAt;
  if (key.startsWith('ticket')) {
    const shown = shownWhole(question, call, parts);
    const offer = { ticket: mark, shown, goodForMs: asking.answerWithinMs, expiresAt, stale };
    return { kind: 'awaiting', answer: ticketAnswer(call, offer) };
  }
  const answer = parts.pose(call, { mark, until: expiresAt, params: formFor(question, call, parts) });
  return answer === undefined
    ? { kind: 'cannot-ask', reason: 'the call carries too much state' }
    : { kind: 'awaiting', answer };
}

/** The `params` of the form that the caller's user fills in. */
export function formFor(question: Question, call: Call, parts: PosingParts): JsonText {
  const shown = shownWhole(question, call, parts);
  return formOf(`May this call go out? It goes out just as it stands here.\n\n${shown}`);
}

/** What somebody sees who answers through the caller: everything that the yes is bound to, and nothing cut. */
export function shownWhole(question: Question, call: Call, { redact, clock }: PosingParts): string {
  const text = boundText(call);
  const bare = { ...question, argsText: redact(text), argsSha256: hash('sha256', text, 'hex') };
  return showWhole(bare, clock.wallMs());
}

/** 128 random bits. */
function secret(): string {
  return randomBytes(16).toString('hex');
}
