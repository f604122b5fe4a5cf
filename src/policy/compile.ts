import type { ArgumentTest, Condition } from '../domain/conditions.ts';
import type {
  Grant,
  Limit,
  LimitText,
  Orders,
  Pattern,
  RedactText,
  Rule,
  RuleText,
  ServerFile,
  ServerOrders,
  Switches,
  ToolClass,
  ToolText,
} from '../domain/orders.ts';
import { linearRegex } from '../protocol/linear-regex.ts';
import { argumentTest } from './condition.ts';
import { faultsOf, harmWithoutOwner, type Names } from './faults.ts';
import { decodedPattern, namePattern, neverPlain, uriPattern, type Compiled } from './match.ts';
import { freeze, sealed } from './seal.ts';

/** What is wrong with a policy: in which file, in which rule (undefined: the file as a whole), and what. */
export type Complaint = { readonly file: string; readonly rule: string | undefined; readonly what: string };

export type Compilation =
  | { readonly ok: true; readonly orders: Orders }
  | { readonly ok: false; readonly complaints: readonly Complaint[] };

/** What mcpd.toml says that rules build on. */
export type DaemonTexts = {
  /** Over all servers. */
  readonly limits: readonly LimitText[];
  readonly roles: readonly (readonly [name: string, callers: readonly string[]])[];
  /** Names. */
  readonly webhooks: readonly string[];
};

/** What the operator has said meanwhile; no file speaks of it. */
export type Standing = { readonly switches: Switches; readonly grants: readonly Grant[] };

type Complain = (what: string) => void;

/**
 * Policy files → frozen orders, or everything that is wrong with them. Never both: orders made from half a policy could
 * lack the rule that denies.
 */
export function compile(
  files: readonly ServerFile[],
  daemon: DaemonTexts,
  standing: Standing,
  version: string,
): Compilation {
  const complaints: Complaint[] = [];
  const ofDaemon = (what: string): void => void complaints.push({ file: 'mcpd.toml', rule: undefined, what });
  const roles = compileRoles(daemon.roles, ofDaemon);
  const limits = daemon.limits.map((text) => compileLimit(text, undefined, ofDaemon));
  const names = { roles: new Set(roles.keys()), webhooks: new Set(daemon.webhooks) };
  const servers = new Map<string, ServerOrders>();
  const folded = new Map<string, string>();
  for (const file of files) {
    const { name } = file.spec;
    const twin = folded.get(name.toLowerCase());
    // A person switching off `GitHub` must not be left with `github` running.
    if (twin !== undefined)
      complaints.push({
        file: file.file,
        rule: undefined,
        what: `the server name "${name}" is taken by ${twin}`,
      });
    folded.set(name.toLowerCase(), file.file);
    servers.set(name, compileServer(file, names, complaints));
  }
  if (complaints.length > 0) return { ok: false, complaints };
  const { switches, grants } = standing;
  const orders: Orders = {
    version,
    servers: sealed(servers),
    switches: sealedSwitches(switches),
    grants: structuredClone(grants),
    roles: sealed(roles),
    limits,
  };
  return { ok: true, orders: freeze(orders) };
}

/** The same orders with other switches; nothing is compiled again. */
export function withSwitches(orders: Orders, switches: Switches, version: string): Orders {
  return Object.freeze({ ...orders, switches: freeze(sealedSwitches(switches)), version });
}

/** The same orders with other grants; nothing is compiled again. */
export function withGrants(orders: Orders, grants: readonly Grant[], version: string): Orders {
  return Object.freeze({ ...orders, grants: freeze(structuredClone(grants)), version });
}

function compileServer(file: ServerFile, names: Names, complaints: Complaint[]): ServerOrders {
  const { spec, contract, recordPayloads } = file;
  const whole = (what: string): void => void complaints.push({ file: file.file, rule: undefined, what });
  const rules = compileRules(file, names, complaints);
  const tools = file.tools.map((text) => compileTool(text, whole));
  const harm = harmWithoutOwner(contract, rules, tools);
  if (harm !== undefined) whole(harm);
  for (const text of file.redact) checkRedact(text, whole);
  return {
    spec: structuredClone(spec),
    contract: structuredClone(contract),
    pilots: compilePilots(contract.pilots, names, whole),
    tools,
    rules,
    limits: file.limits.map((text) => compileLimit(text, spec.name, whole)),
    redact: structuredClone(file.redact),
    recordPayloads,
  };
}

function compileRules({ rules, file }: ServerFile, names: Names, complaints: Complaint[]): Rule[] {
  const taken = new Set<string>();
  return rules.map((text) => {
    const complain = (what: string): void => void complaints.push({ file, rule: text.name, what });
    // The name is what the journal gives as the reason for a decision, so it must point to one rule.
    if (taken.has(text.name)) complain('another rule in this file has the same name');
    taken.add(text.name);
    for (const what of faultsOf(text, names)) complain(what);
    return compileRule(text, complain);
  });
}

function compileRule(text: RuleText, complain: Complain): Rule {
  const resources = patterns('resources', text.resources, uriPattern, complain);
  if (text.verdict === 'deny') {
    for (const it of text.resources) {
      const decoded = decodedPattern(it);
      if (decoded !== undefined) resources.push(decoded);
    }
  } else {
    for (const { text: it } of resources) {
      const why = neverPlain(it);
      if (why !== undefined) complain(`resources: the pattern ${JSON.stringify(it)} ${why}`);
    }
  }
  return {
    text: structuredClone(text),
    // An empty list of callers means no caller, not every caller.
    callers:
      text.callers === undefined ? undefined : patterns('callers', text.callers, namePattern, complain),
    tools: patterns('tools', text.tools, namePattern, complain),
    resources,
    prompts: patterns('prompts', text.prompts, namePattern, complain),
    upcalls: patterns('upcalls', text.upcalls, namePattern, complain),
    methods: patterns('methods', text.methods, namePattern, complain),
    args: conditions(text.args, text.verdict === 'deny' ? 'any' : 'all', complain),
  };
}

function compileTool(text: ToolText, whole: Complain): ToolClass {
  const complain = (what: string): void => whole(`[tools.${JSON.stringify(text.name)}] ${what}`);
  const [pattern = never(text.name)] = patterns('name', [text.name], namePattern, complain);
  return { text: structuredClone(text), pattern, args: conditions(text.args, 'all', complain) };
}

function compileLimit(text: LimitText, server: string | undefined, whole: Complain): Limit {
  const complain = (what: string): void => whole(`the limit ${JSON.stringify(text.name)}: ${what}`);
  const tools = text.tools === undefined ? undefined : patterns('tools', text.tools, namePattern, complain);
  return { text: structuredClone(text), server, tools };
}

function checkRedact(text: RedactText, whole: Complain): void {
  const complain = (what: string): void => whole(`[[redact]] ${JSON.stringify(text.name)}: ${what}`);
  patterns('tools', text.tools ?? [], namePattern, complain);
  for (const it of text.patterns) {
    const read = linearRegex(it);
    if (!read.ok) complain(`patterns: ${JSON.stringify(it)} ${read.what}`);
  }
}

function compilePilots(texts: readonly string[], names: Names, complain: Complain): ServerOrders['pilots'] {
  const roles = texts.filter((it) => it.startsWith('role:')).map((it) => it.slice('role:'.length));
  for (const role of roles)
    if (!names.roles.has(role)) complain(`pilots: there is no role ${JSON.stringify(role)} in mcpd.toml`);
  const callers = texts.filter((it) => !it.startsWith('role:'));
  return { callers: patterns('pilots', callers, namePattern, complain), roles };
}

function compileRoles(roles: DaemonTexts['roles'], complain: Complain): Map<string, readonly Pattern[]> {
  const compiled = new Map<string, readonly Pattern[]>();
  for (const [name, callers] of roles) {
    if (compiled.has(name)) complain(`roles: the role ${JSON.stringify(name)} is there twice`);
    compiled.set(name, patterns(`roles.${name}`, callers, namePattern, complain));
  }
  return compiled;
}

function conditions(texts: readonly Condition[], needs: 'all' | 'any', complain: Complain): ArgumentTest[] {
  return texts.map((it) => argumentTest(it, needs, complain));
}

function patterns(
  key: string,
  texts: readonly string[],
  one: (text: string) => Compiled,
  complain: Complain,
): Pattern[] {
  return texts.flatMap((it) => {
    const compiled = one(it);
    if (!compiled.ok) complain(`${key}: the pattern ${JSON.stringify(it)} ${compiled.what}`);
    return compiled.ok ? [compiled.pattern] : [];
  });
}

/** In the place of a pattern that there is none of; the compilation has failed by then. */
function never(text: string): Pattern {
  return { text, test: () => false };
}

function sealedSwitches({ tools, servers, callers, lockdown }: Switches): Switches {
  return { tools: sealed(tools), servers: sealed(servers), callers: sealed(callers), lockdown };
}
