import type { Principal } from '../domain/caller.ts';
import type { Target } from '../domain/call.ts';
import type { Decision, Denial, Facts, Permit, Would } from '../domain/decision.ts';
import type { JsonObject } from '../domain/message.ts';
import type { Orders, Risk, ServerOrders, Surface, Switches } from '../domain/orders.ts';
import { methodToClient, resemblesMethod } from '../protocol/methods.ts';
import { toolOf, toolsOf } from '../domain/target-tools.ts';
import { aimOf, aimsOf, nothingInParticular, questionOf } from './aim.ts';
import { expectation } from './expectation.ts';
import { grantFor, holdsFor, isGrantedSomething, isPilot, missOf, type Question } from './matching.ts';
import { prepared, type Ranked } from './prepared.ts';
import { isOutOfReach, lackedBy } from './reach.ts';
import type { Classified } from './risk.ts';
import {
  builtIn,
  lacksScope,
  observed,
  switchedOff,
  verdictOfGrant,
  withWould,
  wrongArguments,
} from './verdict.ts';

/** Who wants what where, and with which arguments: all that a decision looks at besides the facts. */
export type Judged = {
  readonly server: string;
  readonly principal: Principal;
  readonly target: Target;
  /** Undefined in a listing, where nobody has said yet what they will be. */
  readonly args: JsonObject | undefined;
};

/**
 * The verdict, and the one question that calling, listing and previewing all ask. In this order: an unknown server, the
 * operator's switches, the bounds of the credential, the quarantine, the stage of the rollout; then, of the rules that
 * match, deny beats confirm beats allow, and where none matches the answer is no; then the class and the arguments of a
 * tool; last what the credential is good for. Whatever goes wrong here is a no as well.
 */
export function decide(orders: Orders, judged: Judged, facts: Facts): Decision {
  try {
    return verdict(orders, judged, facts);
  } catch {
    // No way to say more: the reason may hold what the caller sent. `explain` meets the same error, and shows it.
    return builtIn.error;
  }
}

function verdict(orders: Orders, judged: Judged, facts: Facts): Decision {
  const server = orders.servers.get(judged.server);
  if (server === undefined) return builtIn.unknownServer;
  const off = thrown(orders.switches, judged);
  if (off !== undefined)
    return off.hidden || sees(orders, server, judged, facts) ? off : builtIn.unknownServer;
  const { reach } = judged.principal;
  if (reach !== undefined && isOutOfReach(reach, judged)) return builtIn.outOfReach;
  const tool = toolOf(judged.target);
  const known = tool === undefined ? undefined : facts.tool(judged.server, tool);
  if (known?.quarantined !== undefined) return builtIn.quarantined;
  const enforced = enforce(orders, server, judged, facts, known?.admits);
  const decision = observes(server) && !crosses(judged.target) ? observed(enforced) : enforced;
  if (reach === undefined || decision.kind === 'deny') return decision;
  // Last: only who may do it but for the credential is told which one to bring.
  const lacks = lackedBy(reach, server, judged, known?.admits);
  return lacks === undefined ? decision : lacksScope[lacks];
}

/** Whether a server's policy is only recorded. */
export function observes({ contract }: ServerOrders): boolean {
  return contract.mode === 'observe' || contract.stage === 'observe';
}

/**
 * What is refused even while a server only observes. Another caller's task is not a matter of policy; and a method that
 * some reader takes for `tools/call` would get past the switches and the quarantine, which hold at all times.
 */
function crosses(target: Target): boolean {
  if (target.kind === 'task') return target.tool === undefined;
  return target.kind === 'unknown' && resemblesMethod(target.method);
}

function enforce(
  orders: Orders,
  server: ServerOrders,
  judged: Judged,
  facts: Facts,
  admits: Risk | undefined,
): Decision {
  const { target } = judged;
  if (
    server.contract.stage === 'pilot' &&
    !isPilot(server, { orders, caller: judged.principal.name, carried: judged.principal.roles })
  )
    return builtIn.notPilot;
  const whole = wholeServer(target);
  if (whole !== undefined) return sees(orders, server, judged, facts) ? whole : builtIn.unknownServer;
  if (target.kind === 'subscription')
    return sees(orders, server, judged, facts)
      ? toAll(aimsOf(target).map((it) => questionOf(orders, server, judged, facts, undefined, it)))
      : builtIn.unknownServer;
  // `tools/Call` may be `tools/call` to the server, and the rules about tools would not have been asked.
  if (target.kind === 'unknown' && resemblesMethod(target.method)) return builtIn.defaultDeny;
  const aim = aimOf(target);
  // Nobody is told what became of a call that this caller did not make.
  if (aim === undefined) return builtIn.defaultDeny;
  return byRules(questionOf(orders, server, judged, facts, admits, aim));
}

/** What is open to whoever is granted something on the server, whatever that is. */
function wholeServer(target: Target): Permit | undefined {
  if (target.kind === 'listing') return builtIn.listings;
  if (target.kind === 'protocol') return builtIn.conversation;
  // Known notifications tell a caller about what it may see already; everything else that a server says needs a rule.
  const isNotice = target.kind === 'upcall' && methodToClient(target.method)?.form === 'notice';
  return isNotice ? builtIn.notices : undefined;
}

/** One stream for several resources: the strictest verdict is the verdict. */
function toAll(questions: readonly Question[]): Decision {
  let would: Would | undefined;
  for (const question of questions) {
    const decision = byRules(question);
    if (decision.kind === 'deny') return decision;
    if (decision.would?.kind === 'deny') would ??= decision.would;
  }
  return would === undefined ? builtIn.conversation : withWould(builtIn.conversation, would);
}

function thrown(switches: Switches, { server, target, principal }: Judged): Denial | undefined {
  if (switches.lockdown !== undefined) return switchedOff.lockdown;
  if (switches.callers.has(principal.name)) return switchedOff.caller;
  if (switches.servers.has(server)) return switchedOff.server;
  if (switches.tools.size === 0) return undefined;
  return toolsOf(target).some((tool) => switches.tools.has(`${server}/${tool}`))
    ? switchedOff.tool
    : undefined;
}

/** Whether a server exists as far as this caller may know: its stage is open to it, and something is granted. */
function sees(orders: Orders, server: ServerOrders, judged: Judged, facts: Facts): boolean {
  if (observes(server)) return true;
  const question = questionOf(orders, server, judged, facts, undefined, nothingInParticular);
  if (server.contract.stage === 'pilot' && !isPilot(server, question)) return false;
  return isGrantedSomething(question);
}

/** What the rules say, and for a tool what stands before and behind them: the stage, its class, its arguments. */
function byRules(question: Question): Decision {
  const { server, risk, classified: classes } = question;
  if (risk !== undefined && risk !== 'read' && server.contract.stage === 'read-only') return builtIn.readOnly;
  const { enforced, all } = prepared(server);
  const decision = found(question, enforced);
  if (decision.kind === 'deny') return decision;
  if (classes?.entries.length === 0) return builtIn.unclassified;
  const wrong = classes === undefined ? undefined : unmet(question, classes);
  if (wrong !== undefined) return wrong;
  return all === undefined ? decision : withWould(decision, found(question, all));
}

/** The strictest of the rules that apply, the first among equals; grants stand behind the rules. */
function found(question: Question, rules: Ranked): Decision {
  for (const { rule, verdict } of rules[question.list])
    if (missOf(rule, question) === undefined) return askable(verdict, question.surface);
  const grant = grantFor(question);
  return grant === undefined ? builtIn.defaultDeny : verdictOfGrant(grant);
}

/** What a verdict comes to where there is nothing that could be held until somebody agrees. */
function askable(decision: Decision, surface: Surface): Decision {
  if (decision.kind !== 'confirm') return decision;
  // Nobody holds a server's question, or a stream; what cannot be asked is not done.
  if (surface === 'upcall' || surface === 'subscription') return builtIn.unconfirmable;
  // Whoever may not call the tool any more may not fetch what it found either. A yes was given when the task began.
  return surface === 'task' ? settled(decision) : decision;
}

/** A verdict about something that was begun with consent. */
function settled({ rule, record, rates, would }: Extract<Decision, { kind: 'confirm' }>): Decision {
  return { kind: 'allow', rule, record, rates, would };
}

/** Every condition of every entry that fits the tool: whatever rule allows the call, they hold. */
function unmet(question: Question, { entries }: Classified): Denial | undefined {
  const { args } = question;
  if (args === undefined) return undefined;
  for (const entry of entries)
    for (const test of entry.args)
      if (holdsFor(test, args, question) !== 'yes') return wrongArguments(expectation(test.condition));
  return undefined;
}
