import { hash, randomBytes } from 'node:crypto';
import type { Call, Target } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { Permit } from '../domain/decision.ts';

/** What somebody is asked to agree to. Plain data; safe to send to the operator, to be shown with `show.ts`. */
export type Question = {
  /** Eight characters that nobody guesses and anybody can type. */
  readonly id: string;
  /** Wall clock, milliseconds since 1970. */
  readonly askedAt: number;
  readonly expiresAt: number;
  readonly callId: string;
  readonly caller: string;
  readonly server: string;
  readonly method: string;
  readonly target: Target;
  readonly rule: string;
  /** The canonical text of `params`, whole, with secrets redacted. */
  readonly argsText: string;
  /** SHA-256, in hex, of the canonical `params` that will be forwarded, before redaction. */
  readonly argsSha256: string;
};

export function questionOf(
  id: string,
  call: Call,
  permit: Permit & { readonly kind: 'confirm' },
  clock: Clock,
  redact: (text: string) => string,
): Question {
  const { message } = call;
  const params = message.kind === 'reply' ? message.answer.text : (message.params ?? '{}');
  const askedAt = clock.wallMs();
  return {
    id,
    askedAt,
    expiresAt: askedAt + permit.answerWithinMs,
    callId: call.id,
    caller: call.principal.name,
    server: call.server,
    method: message.kind === 'reply' ? '(reply)' : message.method,
    target: call.target,
    rule: permit.rule,
    argsText: redact(params),
    argsSha256: hash('sha256', params, 'hex'),
  };
}

/** Crockford's base 32, in lower case: no letter that looks like a digit. */
const letters = '0123456789abcdefghjkmnpqrstvwxyz';

/** 40 random bits. */
export function newQuestionId(): string {
  return [...randomBytes(8)].map((byte) => letters[byte & 31]).join('');
}

/** What a person typed → the id as we spell it. */
export function readQuestionId(typed: string): string {
  return typed
    .slice(0, 64)
    .trim()
    .toLowerCase()
    .replaceAll('-', '')
    .replaceAll('o', '0')
    .replaceAll(/[il]/g, '1');
}
