import type { Decision, Denial, Finding, Receipt, Would } from '../domain/decision.ts';
import { quote, type Outside } from './outside.ts';

/** What came of the grounds of a call that went out. */
export type Granted = {
  readonly approvedBy: string;
  readonly receipt: Receipt;
  /** Which try this is: 1, 2, … */
  readonly attempt: number;
};

/**
 * The `decision` member of a record, without its name.
 *
 *   kind, rule  the verdict, and the rule that said so     orders      version of the policy
 *   reason      of a denial, in words                      approvedBy  who said yes; `policy` where nobody was asked
 *   would       what was only observed: `kind` and `rule` of the verdict that enforcing it would have given, `limit` that
 *               would have refused the call
 */
export function decisionText(
  decision: Decision,
  version: string | undefined,
  granted: Granted | undefined,
  outside: Outside,
): string {
  let text = `{"kind":"${decision.kind}","rule":${outside(decision.rule)}`;
  if (decision.kind === 'deny') text += `,"reason":${outside(decision.reason)}`;
  if (version !== undefined) text += `,"orders":${outside(version)}`;
  if (granted !== undefined) text += `,"approvedBy":${outside(granted.approvedBy)}`;
  const would = decision.kind === 'deny' ? undefined : decision.would;
  const limit = granted?.receipt.would;
  if (would !== undefined || limit !== undefined) text += wouldText(would, limit, outside);
  return `${text}}`;
}

function wouldText(would: Would | undefined, limit: string | undefined, outside: Outside): string {
  const parts: string[] = [];
  if (would !== undefined) parts.push(`"kind":"${would.kind}","rule":${outside(would.rule)}`);
  if (limit !== undefined) parts.push(`"limit":${outside(limit)}`);
  return `,"would":{${parts.join(',')}}`;
}

/** What refused a call that the rules had let pass: its arguments, or what was found in it. Begins with a comma. */
export function refusedByText({ rule, reason }: Denial, outside: Outside): string {
  return `,"refusedBy":{"rule":${outside(rule)},"reason":${outside(reason)}}`;
}

/** What redaction found in a call and in its answer, by detector. */
export class Found {
  readonly #in = new Map<string, number>();
  readonly #out = new Map<string, number>();

  add(direction: 'in' | 'out', findings: readonly Finding[]): void {
    const counts = direction === 'in' ? this.#in : this.#out;
    for (const { name, count } of findings) counts.set(name, (counts.get(name) ?? 0) + count);
  }

  get inward(): boolean {
    return this.#in.size > 0;
  }

  /** The `found` member, of one direction or of both; begins with a comma, or is empty. Names and counts, never what it was. */
  text(which: 'in' | 'out' | 'both'): string {
    const parts: string[] = [];
    if (which !== 'out' && this.#in.size > 0) parts.push(`"in":${countsText(this.#in)}`);
    if (which !== 'in' && this.#out.size > 0) parts.push(`"out":${countsText(this.#out)}`);
    return parts.length === 0 ? '' : `,"found":{${parts.join(',')}}`;
  }
}

function countsText(counts: ReadonlyMap<string, number>): string {
  return `{${[...counts].map(([name, count]) => `${quote(name)}:${count}`).join(',')}}`;
}
