import type { Facts } from '../domain/decision.ts';
import type { JsonObject } from '../domain/message.ts';
import type { ArgumentTest } from '../domain/conditions.ts';
import type { Grant, Orders, Pattern, Risk, Rule, ServerOrders, Surface } from '../domain/orders.ts';
import type { TargetList } from './prepared.ts';
import type { Classified } from './risk.ts';
import { isPlain, readings } from './uri.ts';

/** What every rule of a server is asked about one message. Made for one decision, and gone with it. */
export type Question = {
  readonly orders: Orders;
  readonly server: ServerOrders;
  readonly caller: string;
  /** Roles that the credential brings along. */
  readonly carried: readonly string[] | undefined;
  readonly surface: Surface;
  readonly list: TargetList;
  readonly value: string;
  /** For a tool: what the owner says of it, and its effective class. */
  readonly classified: Classified | undefined;
  readonly risk: Risk | undefined;
  /** Undefined in a listing: nobody has said yet what the arguments will be. */
  readonly args: JsonObject | undefined;
  readonly facts: Facts;
  /** Looked up once for each decision, so that every rule sees the same world. */
  nowMs: number | undefined;
  paths: Map<string, string | undefined> | undefined;
  pathChars: number;
  readings: readonly string[] | undefined;
};

/** The first thing about a rule that does not fit; in the order in which it is looked at. */
export type Miss = 'target' | 'surface' | 'caller' | 'role' | 'class' | 'expired' | 'arguments';

/**
 * Why a rule does not apply; undefined where it does. The one place where a rule meets a message: deciding, listing,
 * previewing and explaining all come through here, so they cannot tell different stories.
 */
export function missOf(rule: Rule, question: Question): Miss | undefined {
  const { text } = rule;
  const patterns = rule[question.list];
  if (patterns.length === 0) return 'target';
  if (text.surfaces !== undefined && !text.surfaces.includes(question.surface)) return 'surface';
  const standing = standingMiss(rule, question);
  if (standing !== undefined) return standing;
  if (!aims(rule, patterns, question)) return 'target';
  if (text.risk !== undefined && question.risk !== undefined && !text.risk.includes(question.risk))
    return 'class';
  if (rule.args.length > 0 && !argumentsFit(rule, question)) return 'arguments';
  return undefined;
}

/** Whether the rule is about this caller, and about now. */
export function standingMiss(rule: Rule, question: Question): 'caller' | 'role' | 'expired' | undefined {
  const { text } = rule;
  if (rule.callers !== undefined && !matches(rule.callers, question.caller)) return 'caller';
  if (text.roles !== undefined && !hasRole(question, text.roles)) return 'role';
  // A denial does not run out.
  if (text.untilMs === undefined || text.verdict === 'deny') return undefined;
  return nowOf(question) < text.untilMs ? undefined : 'expired';
}

function aims({ text }: Rule, patterns: readonly Pattern[], question: Question): boolean {
  const { list, value } = question;
  if (list !== 'resources') return matches(patterns, value);
  // What readers understand in different ways is never granted, and is denied in every way it may be understood.
  if (text.verdict !== 'deny') return matches(patterns, value) && isPlain(value);
  return (
    matches(patterns, value) || (question.readings ??= readings(value)).some((it) => matches(patterns, it))
  );
}

function argumentsFit(rule: Rule, question: Question): boolean {
  const denies = rule.text.verdict === 'deny';
  // In a listing: some call might be allowed, and no call is denied yet.
  if (question.args === undefined) return !denies;
  for (const test of rule.args) if (!fits(test, question.args, question, denies)) return false;
  return true;
}

/** Only a yes grants; a denial also takes what cannot be told, so that a value of another type does not dodge it. */
function fits(test: ArgumentTest, args: JsonObject, question: Question, denies: boolean): boolean {
  const holds = holdsFor(test, args, question);
  return holds === 'yes' || (denies && holds === 'unknown');
}

export function holdsFor(test: ArgumentTest, args: JsonObject, question: Question) {
  return test.holds(args, (path) => realPathOnce(path, question));
}

/** Different paths looked up on the disk for one decision; what is beyond cannot be told. */
const pathsMax = 1000;
/** And their characters, together: `/usr/../usr/../…` costs a look at the disk for every seven, while every call waits. */
const pathCharsMax = 128 * 1024;

function realPathOnce(path: string, question: Question): string | undefined {
  const paths = (question.paths ??= new Map<string, string | undefined>());
  if (paths.has(path)) return paths.get(path);
  question.pathChars += path.length;
  if (paths.size >= pathsMax || question.pathChars > pathCharsMax) return undefined;
  const real = question.facts.realPath(path);
  paths.set(path, real);
  return real;
}

function nowOf(question: Question): number {
  return (question.nowMs ??= question.facts.nowMs());
}

/** The grant that lets this caller use this tool now. */
export function grantFor(question: Question): Grant | undefined {
  const { orders, server, caller, list, value } = question;
  if (list !== 'tools' || orders.grants.length === 0) return undefined;
  const nowMs = nowOf(question);
  return orders.grants.find(
    (it) => it.tool === value && it.server === server.spec.name && it.caller === caller && isLive(it, nowMs),
  );
}

function isLive(grant: Grant, nowMs: number): boolean {
  return grant.at <= nowMs && nowMs < grant.untilMs;
}

/** Whether somebody grants this caller something on the server, whatever it is. */
export function isGrantedSomething(question: Question): boolean {
  const { orders, server, caller } = question;
  for (const rule of server.rules) {
    const { verdict, mode } = rule.text;
    if (verdict !== 'deny' && mode === 'enforce' && standingMiss(rule, question) === undefined) return true;
  }
  if (orders.grants.length === 0) return false;
  const nowMs = nowOf(question);
  return orders.grants.some(
    (it) => it.server === server.spec.name && it.caller === caller && isLive(it, nowMs),
  );
}

/** Who asks, under which orders. */
type Asker = Pick<Question, 'orders' | 'caller' | 'carried'>;

export function isPilot({ pilots }: ServerOrders, asker: Asker): boolean {
  const { callers, roles } = pilots;
  return matches(callers, asker.caller) || hasRole(asker, roles);
}

function hasRole({ orders, caller, carried }: Asker, roles: readonly string[]): boolean {
  for (const role of roles) {
    if (carried?.includes(role) === true) return true;
    const callers = orders.roles.get(role);
    if (callers !== undefined && matches(callers, caller)) return true;
  }
  return false;
}

function matches(patterns: readonly Pattern[], value: string): boolean {
  for (const pattern of patterns) if (pattern.test(value)) return true;
  return false;
}
