import type { Consent } from '../domain/decision.ts';
import type { Ending, Open } from './open-questions.ts';
import type { Question } from './question.ts';
import { isCallers, type Vote } from './votes.ts';

/** What somebody says. `by` names who: an operator, or `webhook:NAME/PERSON`. */
export type Verdict = {
  readonly verdict: 'approve' | 'deny';
  readonly by: string;
  /** Where `by` does not tell people apart: what counts as one of them. */
  readonly person?: string | undefined;
  readonly reason?: string | undefined;
  /** For a yes: for how long it is good for calls that are alike, too. */
  readonly forMs?: number | undefined;
};

/** What became of an answer. Only `taken`, and `counted` with `changed`, changed anything. */
export type Answered =
  | {
      readonly kind: 'taken';
      readonly ending: 'approved' | 'declined';
      readonly question: Question;
      /** For how long the yes is good for calls that are alike; 0: for this one only. */
      readonly leaseMs: number;
    }
  /** A yes, and so many more are needed. */
  | {
      readonly kind: 'counted';
      readonly question: Question;
      readonly still: number;
      readonly changed: boolean;
    }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'already'; readonly ending: Ending; readonly by: string | undefined }
  | { readonly kind: 'unknown' };

/** Why a yes is not taken; a no always is. */
export function whyNot(
  { question, asking }: Open,
  channel: string,
  { forMs, ...who }: Vote,
): string | undefined {
  if (!question.channels.includes(channel))
    return `this question goes to ${question.channels.join(' and ')}; of the operator, a no is taken and a yes is not`;
  const { approvals, channels } = asking;
  // Whoever has a key and a name in the chat would need only one other person where the owner wrote two.
  const asksCaller = channels.some(({ kind }) => kind === 'caller');
  if (approvals > 1 && !asksCaller && isCallers(who, question.caller))
    return `this call needs ${approvals} yeses, and none of them is its caller's: of ${question.caller}, a no is taken and a yes is not`;
  if (forMs > 0 && asking.leaseMsMax === 0)
    return `the rule "${question.rule}" lets nobody say yes for more than this one call (lease_max)`;
  return undefined;
}

export function channelOf(by: string): string {
  const [, name] = /^webhook:([^/]*)\//.exec(by) ?? [];
  return name === undefined ? 'operator' : `webhook:${name}`;
}

export function asItStands({ question, votes }: Open): Question {
  return { ...question, approvedBy: votes.map(({ by }) => by) };
}

export function userOf({ bound }: Open): string {
  return `caller:${bound.caller}`;
}

export function userSaidNo(open: Open): Consent {
  return { kind: 'declined', by: userOf(open), reason: 'The user did not agree.' };
}
