import { Fault, type FaultCode } from '../domain/faults.ts';

/** Everything an operator command can answer with when it says no. Part of the promise that `--json` makes. */
export type ReplyCode =
  | FaultCode
  | 'UNKNOWN_COMMAND'
  | 'BAD_ARGUMENTS'
  | 'NOT_FOUND'
  | 'NOT_PERMITTED'
  | 'ALREADY_ENDED'
  | 'AMBIGUOUS'
  | 'ANSWER_REFUSED'
  | 'OVERTAKEN'
  | 'NOT_DURABLE'
  | 'RELOAD_REFUSED';

export type ReplyError = { readonly code: ReplyCode; readonly says: string; readonly hint?: string };

/**
 * The answer to an operator command; one JSON line. `ok` is false exactly when the command line exits with another code
 * than 0. A reply that is not ok may still carry fields: what took effect all the same.
 */
export type Reply =
  | { readonly ok: true; readonly command: string; readonly [field: string]: unknown }
  | { readonly ok: false; readonly error: ReplyError; readonly [field: string]: unknown };

/** A command that cannot be carried out, with what to type instead. */
export class Refused extends Error {
  readonly code: ReplyCode;
  readonly hint: string | undefined;

  constructor(code: ReplyCode, says: string, hint?: string) {
    super(says);
    this.name = 'Refused';
    this.code = code;
    this.hint = hint;
  }
}

/** The reply for whatever was thrown. The operator may see details that a caller may not. */
export function refusal(reason: unknown): Reply {
  if (reason instanceof Refused)
    return { ok: false, error: errorOf(reason.code, reason.message, reason.hint) };
  const fault = Fault.from(reason);
  return { ok: false, error: errorOf(fault.code, fault.detail ?? fault.says, fault.hint) };
}

/** An error object without an empty hint. */
export function errorOf(code: ReplyCode, says: string, hint?: string): ReplyError {
  return hint === undefined ? { code, says } : { code, says, hint };
}
