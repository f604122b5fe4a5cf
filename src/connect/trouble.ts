import { Fault, type FaultCode } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';
import { errorBody, withoutMember } from '../protocol/codec.ts';
import { wordFault } from '../protocol/wire-errors.ts';

/** What can go wrong between the client and the daemon: the JSON-RPC code, and what the client and its user are told. */
const troubles = {
  NOT_RUNNING: {
    code: 1520,
    says: 'mcpd is not running. Start it with: mcpd run. Then call again; if that says that there is no session, initialize again.',
  },
  NOT_PERMITTED: {
    code: 1521,
    says: "mcpd's socket belongs to another user. Run this client as the user that mcpd runs as.",
  },
  LOST: {
    code: 1522,
    says: 'mcpd went away before it answered. Whether the call was carried out stands in its journal: mcpd audit query',
  },
  GARBLED: { code: 1523, says: 'mcpd answered with something that is no MCP message.' },
  ANSWER_TOO_LARGE: { code: 1525, says: 'The answer is too large to be passed on: it has more than 32 MiB.' },
  UNREACHABLE: {
    code: 1524,
    says: 'mcpd cannot be reached. Try again, and see what it says: mcpd ctl status',
  },
} as const;

export type TroubleCode = keyof typeof troubles;

/** The daemon could not be reached, or did not answer as it should. The message may be shown to anyone. */
export class Trouble extends Error {
  readonly trouble: TroubleCode;
  /** For stderr only: it may name a path. */
  readonly detail: string | undefined;
  /** Under which the daemon's log and journal know the call. */
  readonly correlationId: string | undefined;

  constructor(
    trouble: TroubleCode,
    more: {
      readonly detail?: string;
      readonly correlationId?: string | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(troubles[trouble].says, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'Trouble';
    this.trouble = trouble;
    this.detail = more.detail;
    this.correlationId = more.correlationId;
  }
}

/** The JSON-RPC error object for whatever was thrown. A fault keeps the numbers that the daemon gives it. */
export function errorOf(reason: unknown): JsonText {
  if (!(reason instanceof Trouble)) return faultBody(Fault.from(reason).code);
  const { correlationId } = reason;
  return errorBody(
    troubles[reason.trouble].code,
    reason.message,
    correlationId === undefined ? undefined : { correlationId },
  );
}

/** The error object of a fault that was found here: the daemon's table, without a correlation id that nobody could find. */
export function faultBody(code: FaultCode): JsonText {
  return withoutMember(wordFault(new Fault(code), '').body, 'data');
}
