import type { Target } from './call.ts';
import type { Session } from './caller.ts';
import type { Consent, Denial, Exhausted } from './decision.ts';
import type { Fault } from './faults.ts';
import type { RedactedJson } from './redacted.ts';

/** How a call ended. */
export type Outcome =
  | {
      readonly kind: 'answered';
      readonly answer: CleanAnswer;
      /** Set when this call was the `initialize` that opened a session. */
      readonly opened: Session | undefined;
    }
  /** A notification or a reply went on; there is nothing to answer. */
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly why: Denial | Exhausted; readonly target: Target }
  | {
      readonly kind: 'declined';
      readonly why: Exclude<Consent, { kind: 'approved' | 'awaiting' }>;
      readonly target: Target;
    }
  /** The caller was asked to say yes, or to come back with a ticket; nothing went out. */
  | { readonly kind: 'awaiting'; readonly answer: CleanAnswer }
  | { readonly kind: 'failed'; readonly fault: Fault };

export type CleanAnswer =
  | { readonly kind: 'result'; readonly text: RedactedJson }
  | { readonly kind: 'error'; readonly text: RedactedJson };
