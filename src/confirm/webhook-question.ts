import type { Target } from '../domain/call.ts';
import { printable, printableJson } from '../domain/printable.ts';
import { readJson } from '../domain/read-json.ts';
import type { Question } from './question.ts';

/** More than this nobody reads in a chat; such a question has to be asked another way. UTF-8 bytes. */
const bodyBytesMax = 256 * 1024;

/**
 * The body in which a webhook is sent a question, or undefined when that is too large: it is never cut, because what is
 * agreed to is everything that goes out. Whatever the caller put into it, the reader sees escapes instead of characters that
 * a chat would obey or hide.
 *
 *   type       `approval.requested`            timestamp  ISO 8601, when it was asked
 *   data       id, caller, server, method, target { kind, name }, rule, effect; arguments: the canonical text of `params`,
 *              secrets redacted; argumentsSha256: of what will be forwarded; expiresAt; approvalsNeeded, approvedBy;
 *              leaseMsMax: for how long `for` may ask, leaseSame: which arguments stay the same then; answerAt: the path to
 *              send the answer to
 */
export function questionBody(question: Question, answerAt: string): Buffer | undefined {
  const { id, caller, server, method, rule, effect, argsText, argsSha256, leaseMsMax, leaseSame } = question;
  const { approvalsNeeded, approvedBy } = question;
  const data = {
    id,
    caller: printable(caller),
    server: printable(server),
    method: printable(method),
    target: { kind: question.target.kind, name: printable(nameOf(question.target)) },
    rule: printable(rule),
    ...(effect === undefined ? {} : { effect: printable(effect) }),
    arguments: isJson(argsText) ? printableJson(argsText) : printable(argsText),
    argumentsSha256: argsSha256,
    expiresAt: new Date(question.expiresAt).toISOString(),
    approvalsNeeded,
    approvedBy: approvedBy.map(printable),
    leaseMsMax,
    leaseSame: leaseSame.map(printable),
    answerAt,
  };
  const timestamp = new Date(question.askedAt).toISOString();
  const body = Buffer.from(JSON.stringify({ type: 'approval.requested', timestamp, data }), 'utf8');
  return body.length > bodyBytesMax ? undefined : body;
}

function nameOf(target: Target): string {
  switch (target.kind) {
    case 'tool':
    case 'prompt':
      return target.name;
    case 'resource':
      return target.uri;
    case 'task':
      return target.tool ?? target.id;
    case 'subscription':
      return target.uris.join(' ');
    case 'completion':
      return target.of.kind === 'prompt' ? target.of.name : target.of.uri;
    case 'listing':
      return target.of;
    case 'protocol':
    case 'upcall':
    case 'unknown':
      return target.method;
  }
}

function isJson(text: string): boolean {
  try {
    readJson(text);
    return true;
  } catch {
    return false;
  }
}
