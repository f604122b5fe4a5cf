import type { CaseText, Contract, LimitText, RedactText, RuleText, ToolText } from '../domain/orders.ts';
import { casesOf } from './cases.ts';
import type { Here } from './here.ts';
import { limitsOf, serverLimits } from './limits.ts';
import { redactionsOf } from './redactions.ts';
import { rulesOf } from './rules.ts';
import type { WrittenTerms } from './schema-server.ts';
import { toolsOf } from './tools.ts';

/** What a server file or a base says about a server, besides how to run it. What was not written is undefined. */
export type Terms = {
  readonly contract: { readonly [Key in keyof Contract]: Contract[Key] | undefined };
  readonly tools: readonly ToolText[];
  readonly rules: readonly RuleText[];
  readonly limits: readonly LimitText[];
  readonly redact: readonly RedactText[];
  readonly cases: readonly CaseText[];
};

/** The terms of one file. `detectors`: the names that `[[redact]]` may use; undefined when nobody said. */
export function termsOf(written: WrittenTerms, detectors: readonly string[] | undefined, here: Here): Terms {
  return {
    contract: {
      purpose: written.purpose,
      owner: written.owner,
      outOfScope: written.out_of_scope,
      stage: written.stage,
      pilots: written.pilots,
      mode: written.mode,
      pins: written.pins,
      checkArguments: written.check_arguments,
    },
    tools: toolsOf(written.tools, here),
    rules: rulesOf(written.rule, here),
    limits: [...serverLimits(written.limits, here.complaints), ...limitsOf(written.limit, here.complaints)],
    redact: redactionsOf(written.redact, detectors, here),
    cases: casesOf(written.case, here),
  };
}

/** The contract with defaults for what neither the file nor its base says. */
export function settled({ contract }: Terms, { complaints }: Here): Contract {
  const stage = contract.stage ?? 'everyone';
  const pilots = contract.pilots ?? [];
  // An empty list of pilots lets nobody in, which is safe; nobody writes it on purpose.
  if (stage === 'pilot' && pilots.length === 0)
    complaints.about(
      [contract.pilots === undefined ? 'stage' : 'pilots'],
      'stage "pilot" without a pilot',
      'pilots = ["NAME", "role:NAME"]',
    );
  if (stage !== 'pilot' && contract.pilots !== undefined)
    complaints.about(
      ['pilots'],
      `"pilots" means nothing with stage "${stage}"`,
      'stage = "pilot"',
      'warning',
    );
  return {
    purpose: contract.purpose,
    owner: contract.owner,
    outOfScope: contract.outOfScope,
    stage,
    pilots,
    mode: stage === 'observe' ? 'observe' : (contract.mode ?? 'enforce'),
    pins: contract.pins ?? 'first',
    checkArguments: contract.checkArguments ?? true,
  };
}
