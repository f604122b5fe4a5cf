import type { Call } from '../domain/call.ts';
import type { Decision, Denial } from '../domain/decision.ts';
import type { Orders, Pattern, Rule, ServerOrders, Switches } from '../domain/orders.ts';
import { methodToClient, resemblesMethod } from '../protocol/methods.ts';
import { isPlain, readings } from './uri.ts';
import { builtIn, switchedOff, verdictOf } from './verdict.ts';

/** Who wants what where: all that a decision looks at. */
export type Judged = Pick<Call, 'server' | 'target' | 'principal'>;

/**
 * The verdict. Switches come before every rule; of the rules that match, deny beats confirm beats allow, and among equals
 * the first in the file is named; where none matches, the answer is no. Pure, and the one question that calling, listing
 * and previewing all ask.
 */
export function decide(orders: Orders, judged: Judged): Decision {
  const server = orders.servers.get(judged.server);
  if (server === undefined) return builtIn.unknownServer;
  const off = thrown(orders.switches, judged);
  if (off !== undefined)
    return off.hidden || sees(server, judged.principal.name) ? off : builtIn.unknownServer;
  const { target } = judged;
  const caller = judged.principal.name;
  switch (target.kind) {
    case 'tool':
      return byRule(server, caller, 'tools', target.name);
    case 'prompt':
      return byRule(server, caller, 'prompts', target.name);
    case 'resource':
      return byRule(server, caller, 'resources', target.uri);
    case 'completion':
      return target.of.kind === 'prompt'
        ? byRule(server, caller, 'prompts', target.of.name)
        : byRule(server, caller, 'resources', target.of.uri);
    case 'task':
      // Whoever may not call the tool any more may not fetch what it found either. A yes was given when the task began.
      if (target.tool === undefined) return builtIn.defaultDeny;
      return settled(byRule(server, caller, 'tools', target.tool));
    case 'subscription':
      return toAll(server, caller, target.uris);
    case 'listing':
      return sees(server, caller) ? builtIn.listings : builtIn.unknownServer;
    case 'protocol':
      return sees(server, caller) ? builtIn.conversation : builtIn.unknownServer;
    case 'upcall':
      return ofUpcall(server, caller, target.method);
    case 'unknown':
      // `tools/Call` may be `tools/call` to the server, and the rules about tools would not have been asked.
      return resemblesMethod(target.method)
        ? builtIn.defaultDeny
        : byRule(server, caller, 'methods', target.method);
  }
}

/** A verdict about something that was begun with consent. */
function settled(decision: Decision): Decision {
  return decision.kind === 'confirm'
    ? { kind: 'allow', rule: decision.rule, record: decision.record, rate: decision.rate }
    : decision;
}

/** One stream for several resources: the strictest verdict is the verdict, and what must be confirmed cannot be followed. */
function toAll(server: ServerOrders, caller: string, uris: readonly string[]): Decision {
  if (!sees(server, caller)) return builtIn.unknownServer;
  for (const uri of uris) {
    const decision = byRule(server, caller, 'resources', uri);
    if (decision.kind === 'deny') return decision;
    if (decision.kind === 'confirm') return builtIn.unconfirmable;
  }
  return builtIn.conversation;
}

/** Known notifications tell a caller about what it may see already; everything that asks needs a rule. */
function ofUpcall(server: ServerOrders, caller: string, method: string): Decision {
  if (methodToClient(method)?.form === 'notice')
    return sees(server, caller) ? builtIn.notices : builtIn.unknownServer;
  const decision = byRule(server, caller, 'upcalls', method);
  // Nobody holds a server's question until an operator agrees; what cannot be asked is not done.
  return decision.kind === 'confirm' ? builtIn.unconfirmable : decision;
}

function thrown(switches: Switches, { server, target, principal }: Judged): Denial | undefined {
  if (switches.lockdown !== undefined) return switchedOff.lockdown;
  if (switches.callers.has(principal.name)) return switchedOff.caller;
  if (switches.servers.has(server)) return switchedOff.server;
  if (switches.tools.size === 0) return undefined;
  const tool = target.kind === 'tool' ? target.name : target.kind === 'task' ? target.tool : undefined;
  if (tool !== undefined && switches.tools.has(`${server}/${tool}`)) return switchedOff.tool;
  return undefined;
}

/** Whether a server exists as far as this caller may know: some rule grants it something. */
function sees(server: ServerOrders, caller: string): boolean {
  for (const rule of server.rules) if (rule.text.verdict !== 'deny' && appliesTo(rule, caller)) return true;
  return false;
}

type Surface = 'tools' | 'resources' | 'prompts' | 'upcalls' | 'methods';

const rank = { allow: 0, confirm: 1, deny: 2 } as const;

function byRule(server: ServerOrders, caller: string, surface: Surface, value: string): Decision {
  const isUri = surface === 'resources';
  const grantable = !isUri || isPlain(value);
  let otherReadings: readonly string[] | undefined;
  let found: Rule | undefined;
  for (const rule of server.rules) {
    const { verdict } = rule.text;
    // Only a stricter verdict can change what is found; the first among equals stays.
    if (found !== undefined && rank[verdict] <= rank[found.text.verdict]) continue;
    if (!grantable && verdict !== 'deny') continue;
    const patterns = rule[surface];
    if (patterns.length === 0 || !appliesTo(rule, caller)) continue;
    if (!matches(patterns, value)) {
      if (!isUri || verdict !== 'deny') continue;
      otherReadings ??= readings(value);
      if (!otherReadings.some((it) => matches(patterns, it))) continue;
    }
    if (verdict === 'deny') return verdictOf(rule);
    found = rule;
  }
  return found === undefined ? builtIn.defaultDeny : verdictOf(found);
}

function appliesTo(rule: Rule, caller: string): boolean {
  return rule.callers === undefined || matches(rule.callers, caller);
}

function matches(patterns: readonly Pattern[], value: string): boolean {
  for (const pattern of patterns) if (pattern.test(value)) return true;
  return false;
}
