/**
 * The policy language a second time, written from its description and not from the engine: slow, plain, and on the texts as
 * the owner wrote them. Where the two disagree, one of them misread the description.
 */
import type { Check, Condition } from '../../src/domain/conditions.ts';
import type { Json } from '../../src/domain/message.ts';
import type { Grant, Risk, RuleText, ServerFile, ToolText } from '../../src/domain/orders.ts';
import { risks } from '../../src/domain/orders.ts';

export type World = {
  readonly file: ServerFile;
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly grants: readonly Grant[];
  readonly off: {
    readonly lockdown: boolean;
    readonly server: boolean;
    readonly tools: readonly string[];
    readonly callers: readonly string[];
  };
  /** Where a path leads; nothing for one that cannot be told. */
  readonly disk: Readonly<Record<string, string>>;
  readonly now: number;
};

export type Question = {
  readonly server: string;
  readonly caller: string;
  readonly target:
    | { readonly kind: 'tool'; readonly name: string }
    | { readonly kind: 'resource'; readonly uri: string }
    | { readonly kind: 'prompt'; readonly name: string }
    | { readonly kind: 'upcall' | 'unknown' | 'protocol'; readonly method: string };
  /** Nothing: is there any call that would do? */
  readonly args: { [key: string]: Json } | undefined;
  readonly admits: Risk | undefined;
  readonly quarantined: boolean;
  readonly credential: Credential;
};

/** What the caller showed: roles that it brings along, and what it is good for. Nothing said: for everything. */
export type Credential = {
  readonly roles: readonly string[];
  readonly servers: readonly string[] | undefined;
  /** As `server/tool`. */
  readonly tools: readonly string[] | undefined;
  readonly risks: readonly Risk[] | undefined;
};

export type Verdict = {
  readonly kind: 'allow' | 'confirm' | 'deny';
  readonly rule: string;
  readonly would?: { readonly kind: string; readonly rule: string };
};

const no = (rule: string): Verdict => ({ kind: 'deny', rule });
const strictness = { allow: 0, confirm: 1, deny: 2 };

export function judge(world: World, question: Question): Verdict {
  const { file, off } = world;
  const { target, caller } = question;
  if (question.server !== file.spec.name) return no('built-in: unknown server');
  const gone = off.lockdown
    ? no('switch: lockdown')
    : off.callers.includes(caller)
      ? no('switch: caller')
      : off.server
        ? no('switch: server')
        : undefined;
  // Who may not know the server is not told that it is off.
  if (gone !== undefined) return anythingFor(world, question) ? gone : no('built-in: unknown server');
  if (target.kind === 'tool' && off.tools.includes(target.name)) return no('switch: tool');
  if (!isInReach(question)) return no('built-in: credential');
  if (target.kind === 'tool' && question.quarantined) return no('built-in: quarantined');

  const enforced = enforce(world, question);
  const observing = file.contract.mode === 'observe' || file.contract.stage === 'observe';
  const verdict: Verdict =
    !observing || enforced.kind === 'allow'
      ? enforced
      : { kind: 'allow', rule: 'built-in: observe', would: { kind: enforced.kind, rule: enforced.rule } };
  return verdict.kind === 'deny' || isGoodFor(world, question) ? verdict : no('built-in: credential');
}

function isInReach({ server, target, credential: { servers, tools } }: Question): boolean {
  if (servers !== undefined && !servers.some((it) => like(it, server))) return false;
  if (tools === undefined || target.kind === 'upcall' || target.kind === 'protocol') return true;
  return target.kind === 'tool' && tools.some((it) => like(it, `${server}/${target.name}`));
}

/** A listing shows a tool that a better token could call. */
function isGoodFor({ file }: World, question: Question): boolean {
  const { target, args, credential } = question;
  if (credential.risks === undefined || target.kind === 'upcall' || target.kind === 'protocol') return true;
  if (target.kind === 'tool' && args === undefined) return true;
  const strange =
    target.kind === 'unknown' || (target.kind === 'tool' && classesOf(file.tools, target.name).length === 0);
  return credential.risks.includes(strange ? 'destructive' : riskOf(file.tools, question));
}

function enforce(world: World, question: Question): Verdict {
  const { contract } = world.file;
  if (contract.stage === 'pilot' && !isPilot(world, question)) return no('built-in: stage');
  const risk = riskOf(world.file.tools, question);
  if (contract.stage === 'read-only' && question.target.kind === 'tool' && risk !== 'read')
    return no('built-in: stage');

  const real = settle(
    world,
    question,
    world.file.rules.filter((rule) => rule.mode === 'enforce'),
  );
  if (real.kind === 'deny') return real;
  const all = settle(world, question, world.file.rules);
  return all.kind === real.kind && all.rule === real.rule
    ? real
    : { ...real, would: { kind: all.kind, rule: all.rule } };
}

/** Steps 5 to 7. */
function settle(world: World, question: Question, rules: readonly RuleText[]): Verdict {
  const { target } = question;
  if (target.kind === 'protocol')
    return anythingFor(world, question)
      ? { kind: 'allow', rule: 'built-in: conversation' }
      : no('built-in: unknown server');
  let best: Verdict | undefined;
  for (const rule of rules) {
    if (!fits(world, rule, question)) continue;
    if (best === undefined || strictness[rule.verdict] > strictness[best.kind])
      best = { kind: rule.verdict, rule: rule.name };
  }
  if (best === undefined && target.kind === 'tool') {
    const grant = world.grants.find(
      (it) =>
        it.caller === question.caller &&
        it.server === question.server &&
        it.tool === target.name &&
        it.at <= world.now &&
        world.now < it.untilMs,
    );
    if (grant !== undefined) best = { kind: 'allow', rule: `grant: ${grant.id}` };
  }
  if (best === undefined) return no('built-in: default deny');
  if (best.kind === 'deny' || target.kind !== 'tool') {
    if (target.kind === 'upcall' && best.kind === 'confirm') return no('built-in: default deny');
    return best;
  }
  const classes = classesOf(world.file.tools, target.name);
  if (classes.length === 0) return no('built-in: unclassified');
  const { args } = question;
  if (args !== undefined)
    for (const { args: conditions } of classes)
      for (const condition of conditions)
        if (holds(condition, args, world) !== 'yes') return no('built-in: arguments');
  return best;
}

function fits(world: World, rule: RuleText, question: Question): boolean {
  const { target, caller, args } = question;
  if (rule.callers !== undefined && !rule.callers.some((it) => like(it, caller))) return false;
  if (rule.roles !== undefined && !rule.roles.some((role) => hasRole(world, question, role))) return false;
  if (rule.verdict !== 'deny' && rule.untilMs !== undefined && world.now >= rule.untilMs) return false;
  const surface = target.kind === 'unknown' ? 'method' : target.kind;
  if (rule.surfaces !== undefined && !rule.surfaces.includes(surface as 'tool')) return false;
  if (!named(rule, question)) return false;
  if (
    rule.risk !== undefined &&
    target.kind === 'tool' &&
    !rule.risk.includes(riskOf(world.file.tools, question))
  )
    return false;
  if (rule.args.length === 0) return true;
  if (args === undefined) return rule.verdict !== 'deny';
  const denies = rule.verdict === 'deny';
  const answers = rule.args.map((condition) => holds(condition, args, world, denies));
  return rule.verdict === 'deny' ? !answers.includes('no') : answers.every((it) => it === 'yes');
}

function named(rule: RuleText, { target }: Question): boolean {
  switch (target.kind) {
    case 'tool':
      return rule.tools.some((it) => like(it, target.name));
    case 'prompt':
      return rule.prompts.some((it) => like(it, target.name));
    case 'resource':
      return rule.resources.some((it) => like(it, target.uri, true));
    case 'upcall':
      return rule.upcalls.some((it) => like(it, target.method));
    default:
      return rule.methods.some((it) => like(it, target.method));
  }
}

/** Whether any rule gives this caller anything. */
function anythingFor(world: World, question: Question): boolean {
  const { caller } = question;
  const observing = world.file.contract.mode === 'observe' || world.file.contract.stage === 'observe';
  if (observing) return true;
  // To who is no pilot the server does not exist, and so it cannot be switched off either.
  if (world.file.contract.stage === 'pilot' && !isPilot(world, question)) return false;
  const given = world.file.rules.some(
    (rule) =>
      rule.verdict !== 'deny' &&
      rule.mode === 'enforce' &&
      (rule.untilMs === undefined || world.now < rule.untilMs) &&
      (rule.callers === undefined || rule.callers.some((it) => like(it, caller))) &&
      (rule.roles === undefined || rule.roles.some((role) => hasRole(world, question, role))),
  );
  const granted = world.grants.some(
    (it) =>
      it.caller === caller &&
      it.server === world.file.spec.name &&
      it.at <= world.now &&
      world.now < it.untilMs,
  );
  return given || granted;
}

const hasRole = (world: World, { caller, credential }: Question, role: string): boolean =>
  credential.roles.includes(role) || (world.roles[role] ?? []).some((it) => like(it, caller));

function isPilot(world: World, question: Question): boolean {
  return world.file.contract.pilots.some((it) =>
    it.startsWith('role:') ? hasRole(world, question, it.slice(5)) : like(it, question.caller),
  );
}

const classesOf = (tools: readonly ToolText[], name: string): readonly ToolText[] =>
  tools.filter((it) => like(it.name, name));

function riskOf(tools: readonly ToolText[], { target, admits }: Question): Risk {
  if (target.kind !== 'tool') return 'read';
  const known = classesOf(tools, target.name).map(({ risk }) => risk);
  if (known.length === 0) return 'destructive';
  const all = admits === undefined ? known : [...known, admits];
  return risks[Math.max(...all.map((it) => risks.indexOf(it)))] as Risk;
}

/** `*` is anything; in a URI anything but a slash, and `**` anything. */
export function like(pattern: string, value: string, uri = false): boolean {
  const parts = pattern.split(/(\*+)/);
  const source = parts
    .map((part) => {
      if (!part.startsWith('*')) return part.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
      return uri && part.length === 1 ? '[^/]*' : '[^]*';
    })
    .join('');
  return new RegExp(`^(?:${source})$`, '').test(value);
}

type Three = 'yes' | 'no' | 'unknown';

/** Of several values that a path leads to, leave needs all, and a denial any. */
function holds(condition: Condition, args: { [key: string]: Json }, world: World, denies = false): Three {
  const each = valuesAt(args, condition.path).map((value): Three => {
    if (value === wrongType) return 'unknown';
    if (value === absent) return condition.absent || condition.optional ? 'yes' : 'no';
    if (condition.absent) return 'no';
    return all(condition.checks.map((check) => passes(check, value, world)));
  });
  if (!denies) return all(each);
  return each.includes('yes') ? 'yes' : each.includes('unknown') ? 'unknown' : 'no';
}

const all = (answers: readonly Three[]): Three =>
  answers.includes('no') ? 'no' : answers.includes('unknown') ? 'unknown' : 'yes';

const absent = Symbol('nothing is there');
const wrongType = Symbol('something is there that has no members');

/** Item by item: one that lacks the member does not speak for the others. A star over an empty list gives no values. */
function valuesAt(
  value: Json,
  path: readonly string[],
): readonly (Json | typeof absent | typeof wrongType)[] {
  const [step, ...rest] = path;
  if (step === undefined) return [value];
  if (typeof value !== 'object' || value === null) return [wrongType];
  if (step === '*') return Object.values(value).flatMap((it) => valuesAt(it, rest));
  if (Array.isArray(value)) return [wrongType];
  // Some servers do not mind the case, and none says so.
  const alike = (key: string) =>
    key !== step && key.toUpperCase().toLowerCase() === step.toUpperCase().toLowerCase();
  if (Object.keys(value).some(alike)) return [wrongType];
  return Object.hasOwn(value, step) ? valuesAt(value[step] as Json, rest) : [absent];
}

const yes = (is: boolean): Three => (is ? 'yes' : 'no');

function passes(check: Check, value: Json, world: World): Three {
  switch (check.kind) {
    case 'type':
      return yes(typesOf(value).includes(check.type));
    case 'one-of':
      // A list of words says nothing about a number or a list: neither leave nor a denial is dodged by another type.
      if (!check.values.some((it) => typeof it === typeof value)) return 'unknown';
      return yes(check.values.some((it) => it === value));
    case 'length': {
      const length =
        typeof value === 'string'
          ? [...value].length
          : typeof value === 'object' && value !== null
            ? Object.keys(value).length
            : undefined;
      return length === undefined ? 'unknown' : yes(length >= check.min && length <= check.max);
    }
    case 'range':
      return typeof value === 'number' ? yes(value >= check.min && value <= check.max) : 'unknown';
    case 'text':
      if (typeof value !== 'string') return 'unknown';
      return yes(
        check.like.some((it) => like(it, value)) ||
          check.matches.some((it) => new RegExp(`^(?:${it})$`, 'u').test(value)),
      );
    case 'within': {
      const real = typeof value === 'string' ? world.disk[value] : undefined;
      if (real === undefined) return 'unknown';
      return yes(check.folders.some((folder) => real === folder || real.startsWith(`${folder}/`)));
    }
    case 'not': {
      const inner = all(check.checks.map((it) => passes(it, value, world)));
      return inner === 'unknown' ? 'unknown' : yes(inner === 'no');
    }
    case 'url':
      throw new Error('URLs have tests of their own');
  }
}

function typesOf(value: Json): readonly string[] {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  if (typeof value === 'number') return Number.isInteger(value) ? ['integer', 'number'] : ['number'];
  return [typeof value];
}
