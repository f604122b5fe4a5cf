import { hash, randomBytes } from 'node:crypto';
import type { Call, Target } from '../domain/call.ts';
import type { Confirmation } from '../domain/decision.ts';
import type { JsonText } from '../domain/message.ts';
import type { Channel, Orders } from '../domain/orders.ts';
import { readJson } from '../domain/read-json.ts';
import { encode } from '../protocol/codec.ts';

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
  /** The side effect of the tool in its owner's words; undefined where the policy says none. */
  readonly effect: string | undefined;
  /** The canonical text of `params`, whole, with secrets redacted. */
  readonly argsText: string;
  /** SHA-256, in hex, of the canonical `params` that will be forwarded, before redaction. */
  readonly argsSha256: string;
  /** Who can be asked: `operator`, `caller`, `ticket`, `webhook:NAME`. */
  readonly channels: readonly string[];
  /** How many different approvers must say yes. */
  readonly approvalsNeeded: number;
  /** Those who said yes so far. */
  readonly approvedBy: readonly string[];
  /** For how long a yes may be given for further calls that are alike, in milliseconds; 0: for this one only. */
  readonly leaseMsMax: number;
  /** Dotted paths of the arguments that are the same in those further calls. */
  readonly leaseSame: readonly string[];
};

export type Asked = {
  readonly id: string;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  readonly call: Call;
  readonly permit: Confirmation;
  readonly orders: Orders;
  readonly channels: readonly string[];
  readonly redact: (text: JsonText) => string;
};

export function questionOf({ id, at, call, permit, orders, channels, redact }: Asked): Question {
  const { message } = call;
  const { asking } = permit;
  const params = message.kind === 'reply' ? message.answer.text : (message.params ?? ('{}' as JsonText));
  return {
    id,
    askedAt: at,
    expiresAt: at + asking.answerWithinMs,
    callId: call.id,
    caller: call.principal.name,
    server: call.server,
    method: message.kind === 'reply' ? '(reply)' : message.method,
    target: shownTarget(call.target, redact),
    rule: permit.rule,
    effect: effectOf(call, orders),
    argsText: redact(params),
    argsSha256: hash('sha256', params, 'hex'),
    channels,
    approvalsNeeded: asking.approvals,
    approvedBy: [],
    leaseMsMax: asking.leaseMsMax,
    leaseSame: asking.leaseSame,
  };
}

/** A URI may hold a secret as well as an argument may, and a webhook is sent it as it stands here. */
function shownTarget(target: Target, redact: Asked['redact']): Target {
  // The redactor gives back the same JSON but for what it took out of its texts.
  return readJson(redact(encode(target))) as Target;
}

/** A channel by the name that the policy has for it. */
export function nameOf(channel: Channel): string {
  return channel.kind === 'webhook' ? `webhook:${channel.name}` : channel.kind;
}

/** What the owner wrote about every pattern that fits the tool: what it does is for a person to know who says yes. */
function effectOf({ server, target }: Call, orders: Orders): string | undefined {
  if (target.kind !== 'tool') return undefined;
  const fitting = orders.servers.get(server)?.tools.filter(({ pattern }) => pattern.test(target.name)) ?? [];
  return fitting.length === 0 ? undefined : fitting.map(({ text }) => text.effect).join(' ');
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
