import { randomBytes } from 'node:crypto';
import type { Call } from '../domain/call.ts';
import type { Answer } from '../domain/message.ts';
import { encode, errorBody } from '../protocol/codec.ts';

/** The code of a refusal by policy; the table of `protocol/wire-errors.ts` words it likewise. */
const refusedCode = 1403;

/**
 * 128 random bits. Hexadecimal, because it goes through the redactor: in base64 some stretches look like the keys of some
 * issuer by chance.
 */
export function newTicket(): string {
  return `mcpd-ticket-${randomBytes(16).toString('hex')}`;
}

export type Offer = {
  readonly ticket: string;
  readonly shown: string;
  readonly goodForMs: number;
  /** Wall clock, milliseconds since 1970. */
  readonly expiresAt: number;
  /** Said first: why the ticket that was brought is worth nothing. */
  readonly stale: boolean;
};

/** What the model reads in place of a result: what would be done, and how to have it done. */
export function ticketAnswer(call: Call, { ticket, shown, goodForMs, expiresAt, stale }: Offer): Answer {
  const isTool = call.target.kind === 'tool';
  const where = isTool
    ? `with one argument more, "mcpd_ticket": "${ticket}"`
    : `with "mcpd/ticket": "${ticket}" in its _meta`;
  const text = [
    ...(stale
      ? ['The ticket does not fit this call: it was used, is too old, or was given for another call.']
      : []),
    'Not done yet. This call has to be made twice, because it changes something. It would do this:',
    '',
    shown,
    `If that is what is wanted, make the very same call again within ${Math.floor(goodForMs / 1000)} s, ${where}.`,
    'The ticket works once, and for this call only. If it is not wanted, do nothing.',
  ].join('\n');
  const _meta = {
    'mcpd/ticket': ticket,
    'mcpd/expiresAt': new Date(expiresAt).toISOString(),
    'mcpd/correlationId': call.id,
  };
  if (!isTool) return { kind: 'error', text: errorBody(refusedCode, text, _meta) };
  const type = call.session.era === 'modern' ? { resultType: 'complete' } : {};
  return {
    kind: 'result',
    text: encode({ ...type, content: [{ type: 'text', text }], isError: false, _meta }),
  };
}
