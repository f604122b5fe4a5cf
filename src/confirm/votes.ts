/**
 * A yes of one approver. `forMs`: for how long it is good for calls that are alike; 0: for this call only. `person`: who it
 * counts for, where `by` is a name that somebody may have given themselves.
 */
export type Vote = { readonly by: string; readonly forMs: number; readonly person?: string | undefined };

/**
 * How many different approvers are still needed. The same one twice is one: dual control is two people, and one who answers
 * in two chats, or in a chat and as the caller's own user, is still one.
 */
export function stillNeeded(votes: readonly Vote[], needed: number): number {
  return Math.max(0, needed - new Set(votes.map(({ by, person }) => person ?? personIn(by))).size);
}

/** Whether whoever says yes is the caller. What they only say they are called counts as well: nobody gains by that lie. */
export function isCallers({ by, person }: Pick<Vote, 'by' | 'person'>, caller: string): boolean {
  return [by, person ?? by].some((it) => personIn(it) === caller.toLowerCase());
}

/** `webhook:NAME/PERSON`, `caller:PERSON` → the person; an operator is one already. In lower case, as webhooks spell them. */
function personIn(by: string): string {
  return (/^(?:webhook:[^/]*\/|caller:)(.+)$/s.exec(by)?.[1] ?? by).toLowerCase();
}

/** Those who said yes, in a word for the record. */
export function approvers(votes: readonly Vote[]): string {
  return votes.map(({ by }) => by).join(', ');
}

/** For how long all of them agreed, and no longer than the policy lets them. */
export function leaseOf(votes: readonly Vote[], mostMs: number): number {
  return votes.length === 0 ? 0 : Math.min(mostMs, ...votes.map(({ forMs }) => forMs));
}
