import type { Credentials, Principal, Session } from './caller.ts';
import type { Halt } from './halt.ts';
import type { JsonObject, Message } from './message.ts';
import type { RedactedJson } from './redacted.ts';

/** Something came in; we do not yet know who sent it. */
export type Arrival = {
  /** Correlation id: follows this message through front, policy, child, log and audit. */
  readonly id: string;
  /** Wall clock, milliseconds since 1970. */
  readonly at: number;
  /** The peer's address. */
  readonly remote: string;
  /** The server named in the URL; it may not exist. */
  readonly server: string;
  readonly credentials: Credentials;
  readonly sessionId: string | undefined;
  readonly userAgent: string | undefined;
  readonly message: Message;
  /** Where messages that belong to this call (progress, questions, log lines) reach the caller. */
  readonly outlet: Outlet;
};

/** A way to one caller. `gone` means nobody reads there any more. */
export type Outlet = { readonly send: (message: RedactedJson) => 'sent' | 'gone' };

/** What a message aims at: the thing that policy speaks about. */
export type Target =
  | { readonly kind: 'tool'; readonly name: string }
  | { readonly kind: 'resource'; readonly uri: string }
  | { readonly kind: 'prompt'; readonly name: string }
  /** Completion can enumerate what it completes, so it asks the same question as using it would. */
  | {
      readonly kind: 'completion';
      readonly of:
        | { readonly kind: 'prompt'; readonly name: string }
        | { readonly kind: 'resource'; readonly uri: string };
    }
  | { readonly kind: 'listing'; readonly of: Listing }
  /** The conversation itself: initialize, ping, log level, known notifications, replies to a server's question. */
  | { readonly kind: 'protocol'; readonly method: string }
  /** A request or notification the other way: from the server to the caller. */
  | { readonly kind: 'upcall'; readonly method: string }
  /** A method we do not know. No rule can be written about it, so nothing allows it. */
  | { readonly kind: 'unknown'; readonly method: string };

/** The `result` member that holds the entries of a listing. */
export type Listing = 'tools' | 'resources' | 'resourceTemplates' | 'prompts';

/** Who, to which server, aimed at what. */
export type Call = {
  readonly id: string;
  readonly at: number;
  readonly remote: string;
  readonly principal: Principal;
  readonly session: Session;
  readonly server: string;
  readonly target: Target;
  readonly message: Message;
  /** The parsed `params`; `{}` where there are none. The same parse as `message.params`. */
  readonly params: JsonObject;
  readonly userAgent: string | undefined;
  readonly outlet: Outlet;
  readonly halt: Halt;
};
