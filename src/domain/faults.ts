import type { JsonObject } from './message.ts';

/** Whose move it is. */
export type Side = 'caller' | 'policy' | 'upstream' | 'mcpd';

/** Everything that can go wrong. `says` may be shown to anyone; `detail` and `cause` stay in the daemon's log. */
export const faults = {
  BAD_JSON: { side: 'caller', says: 'The message is not valid JSON, or holds the same member twice.' },
  BAD_MESSAGE: { side: 'caller', says: 'The message is not a valid JSON-RPC 2.0 message.' },
  BAD_PARAMS: { side: 'caller', says: 'The parameters do not have the shape that the method needs.' },
  BAD_HEADER: { side: 'caller', says: 'A header is missing, repeated or malformed.' },
  TOO_LARGE: { side: 'caller', says: 'The message is too large.' },
  TOO_DEEP: { side: 'caller', says: 'The message is nested too deeply.' },
  NOT_JSON: { side: 'caller', says: 'The content type must be application/json, in UTF-8, not compressed.' },
  NOT_ACCEPTABLE: { side: 'caller', says: 'The client must accept application/json and text/event-stream.' },
  FORBIDDEN_HOST: { side: 'caller', says: 'This Host is not served here.' },
  FORBIDDEN_ORIGIN: { side: 'caller', says: 'This Origin may not call here.' },
  NO_ROUTE: { side: 'caller', says: 'There is nothing at this address.' },
  WRONG_METHOD: { side: 'caller', says: 'This address does not answer that HTTP method.' },
  UNAUTHENTICATED: {
    side: 'caller',
    says: 'Sign in first: send a key or a token in the Authorization header.',
  },
  UNKNOWN_SESSION: { side: 'caller', says: 'There is no such session. Initialize again.' },
  NO_SESSION: { side: 'caller', says: 'The Mcp-Session-Id header is missing.' },
  UNKNOWN_EVENT: { side: 'caller', says: 'The stream cannot be resumed after this Last-Event-ID.' },
  SESSION_BUSY: { side: 'caller', says: 'This session already has an open stream.' },
  TOO_MANY: { side: 'caller', says: 'Too many at once. Come back later.' },
  UNSUPPORTED_VERSION: { side: 'caller', says: 'This protocol version is not supported.' },
  UNSUPPORTED_REVISION: { side: 'caller', says: 'Unsupported protocol version' },
  MISSING_META: {
    side: 'caller',
    says: 'The request lacks protocolVersion or clientCapabilities in its _meta.',
  },
  HEADER_MISMATCH: { side: 'caller', says: 'A header is missing or does not say what the message says.' },
  LACKS_CAPABILITY: { side: 'caller', says: 'The client did not declare the capability that this needs.' },
  STALE_STATE: {
    side: 'caller',
    says: 'This requestState is not valid here, or not any more. Make the call again without it.',
  },
  CANNOT_CROSS: {
    side: 'upstream',
    says: 'The server behind this address speaks another revision of the protocol, which has nothing like this.',
  },
  UNKNOWN_METHOD: { side: 'caller', says: 'Method not found' },
  ORDERS_CHANGED: { side: 'policy', says: 'The policy changed while this call waited. Call again.' },
  CANCELLED: { side: 'caller', says: 'The call was cancelled.' },
  UPSTREAM_DOWN: { side: 'upstream', says: 'The server behind this address is not running.' },
  UPSTREAM_DIED: { side: 'upstream', says: 'The server behind this address stopped before it answered.' },
  UPSTREAM_TIMEOUT: { side: 'upstream', says: 'The server behind this address took too long.' },
  UPSTREAM_GARBLED: {
    side: 'upstream',
    says: 'The server behind this address answered with something invalid.',
  },
  UPSTREAM_BUSY: { side: 'upstream', says: 'The server behind this address has too many calls waiting.' },
  SECRET_UNAVAILABLE: { side: 'mcpd', says: 'The server behind this address lacks a secret.' },
  ISSUER_UNAVAILABLE: {
    side: 'mcpd',
    says: 'mcpd cannot check this token right now. Come back shortly.',
  },
  AUDIT_UNAVAILABLE: { side: 'mcpd', says: 'mcpd cannot record calls right now, so it will not make them.' },
  PLACE_TAKEN: { side: 'mcpd', says: 'Another mcpd, or another program, is where this one should be.' },
  CONFIG_INVALID: { side: 'mcpd', says: 'The configuration is not valid.' },
  DRAINING: { side: 'mcpd', says: 'mcpd is stopping. Come back shortly.' },
  BUG: { side: 'mcpd', says: 'mcpd made a mistake. The operator can find it in the log.' },
} as const satisfies Record<string, { side: Side; says: string }>;

export type FaultCode = keyof typeof faults;

/** Something that should have worked did not. Refusals are values, not faults. */
export class Fault extends Error {
  readonly code: FaultCode;
  /** For the daemon's log only. */
  readonly detail: string | undefined;
  /** For the operator: what to type, in which file, on which line. */
  readonly hint: string | undefined;
  /** For the caller, beside `says`. */
  readonly data: JsonObject | undefined;

  constructor(
    code: FaultCode,
    more: { detail?: string; hint?: string; data?: JsonObject; cause?: unknown } = {},
  ) {
    super(more.detail ?? faults[code].says, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = 'Fault';
    this.code = code;
    this.detail = more.detail;
    this.hint = more.hint;
    this.data = more.data;
  }

  get side(): Side {
    return faults[this.code].side;
  }

  get says(): string {
    return faults[this.code].says;
  }

  /** The one way an unknown becomes a fault; what we do not recognise is `BUG`. */
  static from(reason: unknown): Fault {
    if (reason instanceof Fault) return reason;
    const detail = reason instanceof Error ? reason.message : String(reason);
    return new Fault('BUG', { detail, cause: reason });
  }
}
