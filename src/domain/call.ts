import type { Credentials, Principal, Session } from './caller.ts';
import type { Approval } from './decision.ts';
import type { Era } from './era.ts';
import type { Halt } from './halt.ts';
import type { Json, JsonObject, Message } from './message.ts';
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
  readonly era: Era;
  /**
   * The `Mcp-Param-*` headers, by their names in lower case without that prefix; undefined where nothing between the client
   * and us reads headers, so that none are needed.
   */
  readonly mirror: ReadonlyMap<string, string> | undefined;
  /** Stops what comes of this message. */
  readonly halt: Halt;
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
  /** What became of a call that runs on by itself: asked about, fed or stopped. `tool`: what was called. */
  | { readonly kind: 'task'; readonly id: string; readonly tool: string | undefined }
  /** A stream of changes: of the listings, of these resources, and of tasks that calls of these tools became. */
  | { readonly kind: 'subscription'; readonly uris: readonly string[]; readonly tools?: readonly string[] }
  /** The conversation itself: initialize, ping, log level, known notifications, replies to a server's question. */
  | { readonly kind: 'protocol'; readonly method: string }
  /** A request or notification the other way: from the server to the caller. */
  | { readonly kind: 'upcall'; readonly method: string }
  /** A method we do not know. No rule can be written about it, so nothing allows it. */
  | { readonly kind: 'unknown'; readonly method: string };

/** The `result` member that holds the entries of a listing. */
export type Listing = 'tools' | 'resources' | 'resourceTemplates' | 'prompts' | 'tasks';

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
  readonly mirror: ReadonlyMap<string, string> | undefined;
  /** The call that this one goes on with, where it answers questions of that one's (2026-07-28, multi round-trip requests). */
  readonly resumes: string | undefined;
  /** The yes that was given in an earlier round of this very call, not yet used for another one. */
  readonly approved?: AgreedUnder;
  /** What this call brings along of a question of ours that an earlier call was answered with: an answer, or a ticket. */
  readonly consent?: BroughtConsent;
};

/** A yes, with the rule that asked for it: where another rule decides, somebody is asked again. */
export type AgreedUnder = Approval & { readonly rule: string };

/** An answer to a question of ours, not yet believed: `confirm/` looks whether it fits this call, and whether it is new. */
export type BroughtConsent =
  | { readonly kind: 'answer'; readonly mark: string; readonly said: Json | undefined }
  | { readonly kind: 'ticket'; readonly ticket: string };
