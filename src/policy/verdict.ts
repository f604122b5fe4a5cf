import type { Decision, Denial, Permit } from '../domain/decision.ts';
import type { Rule } from '../domain/orders.ts';

/** What a rule says, made once per rule: a call that is allowed costs no new object. */
export function verdictOf(rule: Rule): Decision {
  const known = verdicts.get(rule);
  if (known !== undefined) return known;
  const verdict = Object.freeze(word(rule));
  verdicts.set(rule, verdict);
  return verdict;
}

const verdicts = new WeakMap<Rule, Decision>();

function word({ text }: Rule): Decision {
  const { name: rule, record, rate, answerWithinMs } = text;
  switch (text.verdict) {
    case 'allow':
      return { kind: 'allow', rule, record, rate };
    case 'confirm':
      return { kind: 'confirm', rule, record, rate, answerWithinMs };
    case 'deny':
      return denial(rule, `The rule "${rule}" denies it.`, true);
  }
}

function denial(rule: string, reason: string, hidden: boolean): Denial {
  return Object.freeze({ kind: 'deny', rule, reason, hidden });
}

function permit(rule: string): Permit {
  return Object.freeze({ kind: 'allow', rule, record: Object.freeze([]), rate: undefined });
}

/** What is decided without a rule of the owner's. Their names begin with `built-in:`, which no rule's name may. */
export const builtIn = {
  unknownServer: denial('built-in: unknown server', 'There is no such server for this caller.', true),
  defaultDeny: denial('built-in: default deny', 'No rule allows it.', true),
  unconfirmable: denial('built-in: default deny', 'This cannot be held until somebody agrees.', true),
  conversation: permit('built-in: conversation'),
  listings: permit('built-in: listings are trimmed'),
  notices: permit('built-in: known notifications'),
} as const;

/**
 * A switch is thrown. Whoever may see the server is told so, because waiting for it is of use and probing is not; a tool
 * alone is hidden as a denied one is. The operator's own words stay in the journal of the switch.
 */
export const switchedOff = {
  lockdown: denial('switch: lockdown', 'The operator has switched everything off.', false),
  caller: denial('switch: caller', 'The operator has switched this caller off.', false),
  server: denial('switch: server', 'The operator has switched this server off.', false),
  tool: denial('switch: tool', 'The operator has switched this tool off.', true),
} as const satisfies Record<string, Denial>;
