import type { Contract, Rule, RuleText, ToolClass } from '../domain/orders.ts';
import { risks } from '../domain/orders.ts';

/** What other files define and a rule may name. */
export type Names = { readonly roles: ReadonlySet<string>; readonly webhooks: ReadonlySet<string> };

/** What is wrong with a rule besides its patterns: what it contradicts, and what it names that nobody has defined. */
export function faultsOf(text: RuleText, names: Names): string[] {
  const { asking, verdict } = text;
  const found: string[] = [];
  if (/^(built-in|switch|grant):/.test(text.name))
    found.push('names that begin with "built-in:", "switch:" or "grant:" are ours');
  if (verdict === 'confirm' && text.upcalls.length > 0)
    found.push('upcalls cannot be confirmed; allow or deny them');
  if (verdict === 'deny' && text.untilMs !== undefined)
    found.push('until: a denial does not run out; take the rule out when its time has come');
  if (text.risk !== undefined && text.tools.length === 0) found.push('risk: the rule names no tools');
  for (const role of text.roles ?? [])
    if (!names.roles.has(role)) found.push(`roles: there is no role ${JSON.stringify(role)} in mcpd.toml`);
  if (verdict !== 'confirm') return found;
  if (asking.channels.length === 0) found.push('ask: nobody is asked');
  for (const channel of asking.channels)
    if (channel.kind === 'webhook' && !names.webhooks.has(channel.name))
      found.push(`ask: there is no [webhooks.${channel.name}] in mcpd.toml`);
  // One caller spends the ticket that it was given: nobody else has agreed.
  if (asking.approvals > 1 && asking.channels.some((it) => it.kind === 'ticket'))
    found.push('ask: a ticket cannot count towards two approvals');
  return found;
}

/**
 * Somebody must answer for a server that may change things. Says so where no owner is named and a rule could let a tool
 * through that is more than read, whoever may call it and whenever.
 */
export function harmWithoutOwner(
  { owner }: Contract,
  rules: readonly Rule[],
  tools: readonly ToolClass[],
): string | undefined {
  if (owner !== undefined && owner.trim() !== '') return undefined;
  for (const { text } of tools) {
    if (text.risk === 'read') continue;
    const rule = rules.find((it) => couldPermit(it, text.name, risks.indexOf(text.risk)));
    if (rule !== undefined)
      return `owner: the rule "${rule.text.name}" lets through ${JSON.stringify(text.name)}, which is of class ${text.risk}; name an owner who answers for it`;
  }
  return undefined;
}

function couldPermit({ text }: Rule, tool: string, rank: number): boolean {
  if (text.verdict === 'deny') return false;
  // A tool that two entries fit is of the graver class, never of a milder one.
  if (text.risk?.every((it) => risks.indexOf(it) < rank) === true) return false;
  return text.tools.some((pattern) => couldMeet(pattern, tool));
}

/** Whether some name fits both patterns. Quadratic in their length, and both are the owner's. */
export function couldMeet(one: string, other: string): boolean {
  // reach[j]: what stands before here in `one` and the first j characters of `other` can be one text.
  let reach = row(other, undefined, undefined);
  for (const character of one.split('')) reach = row(other, reach, character);
  return reach[other.length] === true;
}

function row(
  other: string,
  before: readonly boolean[] | undefined,
  character: string | undefined,
): boolean[] {
  const now: boolean[] = [];
  for (let at = 0; at <= other.length; at++) {
    const last = at === 0 ? undefined : other[at - 1];
    const aside = at > 0 && now[at - 1] === true;
    const above = before?.[at] === true;
    const across = at > 0 && before?.[at - 1] === true;
    if (character === undefined) now.push(at === 0 || (aside && last === '*'));
    else if (character === '*') now.push(above || aside);
    else if (last === '*') now.push(above || aside);
    else now.push(across && last === character);
  }
  return now;
}
