import type { Decision, Denial, Permit, Would } from '../domain/decision.ts';
import type { Grant, Risk, Rule } from '../domain/orders.ts';

/** What a rule says: one frozen object for as long as the rule is in force. */
export function verdictOf(rule: Rule): Decision {
  return Object.freeze(word(rule));
}

function word({ text }: Rule): Decision {
  const { name: rule, record, rates, asking } = text;
  switch (text.verdict) {
    case 'allow':
      return { kind: 'allow', rule, record, rates, would: undefined };
    case 'confirm':
      return { kind: 'confirm', rule, record, rates, asking, would: undefined };
    case 'deny':
      return denial(rule, `The rule "${rule}" denies it.`, true);
  }
}

/** What a grant says: no more than a rule that allows, and nothing is left out of the audit's own fields for it. */
export function verdictOfGrant(grant: Grant): Permit {
  return permit(`grant: ${grant.id}`);
}

/** The same leave, with what would have been said if everything that is only observed were enforced. */
export function withWould(leave: Permit, would: Would): Permit {
  if (leave.kind === would.kind && leave.rule === would.rule) return leave;
  return Object.freeze({ ...leave, would: Object.freeze({ kind: would.kind, rule: would.rule }) });
}

/** A server that only observes lets through what it would hold or refuse, and says what that would have been. */
export function observed(enforced: Decision): Permit {
  if (enforced.kind === 'allow') return enforced;
  const known = shadows.get(enforced);
  if (known !== undefined) return known;
  const { kind, rule } = enforced;
  const [record, rates] = enforced.kind === 'deny' ? [none, none] : [enforced.record, enforced.rates];
  const would = Object.freeze({ kind, rule });
  const shadow = Object.freeze({ kind: 'allow', rule: 'built-in: observe', record, rates, would } as const);
  shadows.set(enforced, shadow);
  return shadow;
}

const shadows = new WeakMap<Decision, Permit>();
const none: readonly never[] = Object.freeze([]);

function denial(rule: string, reason: string, hidden: boolean): Denial {
  return Object.freeze({ kind: 'deny', rule, reason, hidden });
}

function permit(rule: string): Permit {
  return Object.freeze({ kind: 'allow', rule, record: none, rates: none, would: undefined });
}

/** What is decided without a rule of the owner's. Their names begin with `built-in:`, which no rule's name may. */
export const builtIn = {
  unknownServer: denial('built-in: unknown server', 'There is no such server for this caller.', true),
  defaultDeny: denial('built-in: default deny', 'No rule allows it.', true),
  unconfirmable: denial('built-in: default deny', 'This cannot be held until somebody agrees.', true),
  outOfReach: denial('built-in: credential', 'The credential is not good for it.', true),
  quarantined: denial('built-in: quarantined', 'Nobody has approved this definition of the tool.', true),
  notPilot: denial('built-in: stage', 'The server is rolled out to its pilots only.', true),
  readOnly: denial('built-in: stage', 'The server is rolled out for tools of class "read" only.', true),
  unclassified: denial('built-in: unclassified', 'No [tools] entry says what harm the tool can do.', true),
  error: denial('built-in: error', 'The policy could not be asked.', true),
  conversation: permit('built-in: conversation'),
  listings: permit('built-in: listings are trimmed'),
  notices: permit('built-in: known notifications'),
} as const;

/** The policy allows it, and the token does not; its issuer may give a better one (RFC 6750 section 3.1). */
export const lacksScope: Readonly<Record<Risk, Denial>> = {
  read: lacking('read'),
  write: lacking('write'),
  destructive: lacking('destructive'),
};

function lacking(needs: Risk): Denial {
  const reason = `The token is not good for calls of class "${needs}".`;
  return Object.freeze({ kind: 'deny', rule: 'built-in: credential', reason, hidden: false, needs });
}

/** Told to the caller, so that the model can mend its call: it may use the tool, and only these arguments are wrong. */
export function wrongArguments(reason: string): Denial {
  return denial('built-in: arguments', reason, false);
}

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
