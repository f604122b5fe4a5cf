import type { Answer } from './message.ts';
import type { Asking, Risk } from './orders.ts';

/** Leave to go on: at once, or after somebody agreed. */
export type Permit = Allowance | Confirmation;
export type Allowance = { readonly kind: 'allow' } & Leave;
export type Confirmation = { readonly kind: 'confirm'; readonly asking: Asking } & Leave;

type Leave = {
  readonly rule: string;
  readonly record: readonly string[];
  /** Per caller and target, in addition to the server's limits. */
  readonly rates: readonly Rate[];
  /** Set where something is only observed: what enforcing it would have said. */
  readonly would: Would | undefined;
};

/** A verdict that was recorded and not carried out. */
export type Would = { readonly kind: 'allow' | 'confirm' | 'deny'; readonly rule: string };

/** No. `hidden` denials are worded exactly like something that does not exist. */
export type Denial = {
  readonly kind: 'deny';
  readonly rule: string;
  readonly reason: string;
  readonly hidden: boolean;
  /** Set where only the credential stands in the way: the class of tool that it would have to be good for. */
  readonly needs?: Risk;
};

export type Decision = Permit | Denial;

/** What is known of a tool besides its name: from its server's listing, which is never trusted to relax anything. */
export type ToolFacts = {
  /** What the tool's own annotations admit to; undefined where they say nothing. They can tighten the class only. */
  readonly admits: Risk | undefined;
  /** Why nobody may use it until somebody looked at it: its definition changed, or another tool has its name. */
  readonly quarantined: string | undefined;
};

/** What a decision may ask about the world. Each answer comes from a room or the disk; the decision itself looks at neither. */
export type Facts = {
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly tool: (server: string, tool: string) => ToolFacts | undefined;
  /**
   * The real path of the deepest part that exists, with the rest appended; undefined when it cannot be told: no absolute
   * path, a NUL, a link that leads nowhere, a folder that may not be read.
   */
  readonly realPath: (path: string) => string | undefined;
};

/** What was found in a message and by which detector or rule; how often. */
export type Finding = { readonly name: string; readonly count: number };

/** At most `count` calls in any span of `perMs` milliseconds. Written `"10/min"` in a policy. */
export type Rate = { readonly count: number; readonly perMs: number; readonly text: string };

/** It was charged. */
export type Receipt = {
  readonly kind: 'paid';
  /** Gives back the place among the calls under way. May be called twice. */
  readonly done: () => void;
  /** The limit that would have refused the call, where limits are only observed. */
  readonly would: string | undefined;
};
/** It was not: too many calls in the window. */
export type Exhausted = {
  readonly kind: 'exhausted';
  /** Which limit, in the words of the policy: `10/min per caller and tool`. */
  readonly limit: string;
  readonly retryInMs: number;
};
export type Charge = Receipt | Exhausted;

/** Somebody agreed, or nobody had to be asked. */
export type Approval = { readonly kind: 'approved'; readonly by: string };
export type Consent =
  | Approval
  | { readonly kind: 'declined'; readonly by: string; readonly reason: string }
  | { readonly kind: 'expired'; readonly afterMs: number }
  | { readonly kind: 'cannot-ask'; readonly reason: string }
  /** Nothing waits here: the caller is given this answer, and says yes or no by calling again. */
  | { readonly kind: 'awaiting'; readonly answer: Answer };
