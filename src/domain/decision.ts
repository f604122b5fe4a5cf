/** Leave to go on: at once, or after somebody agreed. */
export type Permit =
  | {
      readonly kind: 'allow';
      readonly rule: string;
      readonly record: readonly string[];
      readonly rate: Rate | undefined;
    }
  | {
      readonly kind: 'confirm';
      readonly rule: string;
      readonly record: readonly string[];
      readonly rate: Rate | undefined;
      /** How long the question may wait for its answer. */
      readonly answerWithinMs: number;
    };

/** No. `hidden` denials are worded exactly like something that does not exist. */
export type Denial = {
  readonly kind: 'deny';
  readonly rule: string;
  readonly reason: string;
  readonly hidden: boolean;
};

export type Decision = Permit | Denial;

/** At most `count` calls in any span of `perMs` milliseconds. Written `"10/min"` in a policy. */
export type Rate = { readonly count: number; readonly perMs: number; readonly text: string };

/** It was charged. */
export type Receipt = { readonly kind: 'paid' };
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
  | { readonly kind: 'cannot-ask'; readonly reason: string };
