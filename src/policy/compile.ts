import type { Rate } from '../domain/decision.ts';
import type {
  Orders,
  Pattern,
  Rule,
  RuleText,
  ServerFile,
  ServerOrders,
  Switches,
} from '../domain/orders.ts';
import { decodedPattern, namePattern, neverPlain, uriPattern, type Compiled } from './match.ts';

/** What is wrong with a policy: in which file, in which rule (undefined: the file as a whole), and what. */
export type Complaint = { readonly file: string; readonly rule: string | undefined; readonly what: string };

export type Compilation =
  | { readonly ok: true; readonly orders: Orders }
  | { readonly ok: false; readonly complaints: readonly Complaint[] };

/**
 * Policy files → frozen orders, or everything that is wrong with them. Never both: orders made from half a policy could
 * lack the rule that denies.
 */
export function compile(
  files: readonly ServerFile[],
  switches: Switches,
  perCaller: Rate | undefined,
  version: string,
): Compilation {
  const complaints: Complaint[] = [];
  const servers = new Map<string, ServerOrders>();
  const folded = new Map<string, string>();
  for (const { spec, rules, limits, recordPayloads, file } of files) {
    const twin = folded.get(spec.name.toLowerCase());
    // A person switching off `GitHub` must not be left with `github` running.
    if (twin !== undefined)
      complaints.push({ file, rule: undefined, what: `the server name "${spec.name}" is taken by ${twin}` });
    folded.set(spec.name.toLowerCase(), file);
    const compiled = compileRules(rules, file, complaints);
    servers.set(spec.name, {
      spec: structuredClone(spec),
      rules: compiled,
      limits: { ...limits },
      recordPayloads,
    });
  }
  if (complaints.length > 0) return { ok: false, complaints };
  const orders = { version, servers: sealed(servers), switches: sealedSwitches(switches), perCaller };
  return { ok: true, orders: freeze(orders) };
}

/** The same orders with other switches; nothing is compiled again. */
export function withSwitches(orders: Orders, switches: Switches, version: string): Orders {
  return Object.freeze({ ...orders, switches: freeze(sealedSwitches(switches)), version });
}

function compileRules(rules: readonly RuleText[], file: string, complaints: Complaint[]): Rule[] {
  const names = new Set<string>();
  return rules.map((text) => {
    const complain = (what: string): void => void complaints.push({ file, rule: text.name, what });
    // The name is what the journal gives as the reason for a decision, so it must point to one rule.
    if (names.has(text.name)) complain('another rule in this file has the same name');
    if (/^(built-in|switch):/.test(text.name))
      complain('names that begin with "built-in:" or "switch:" are ours');
    names.add(text.name);
    if (text.verdict === 'confirm' && text.upcalls.length > 0)
      complain('upcalls cannot be confirmed; allow or deny them');
    return compileRule(text, complain);
  });
}

function compileRule(text: RuleText, complain: (what: string) => void): Rule {
  const all = (key: string, texts: readonly string[], one: (text: string) => Compiled): Pattern[] =>
    texts.flatMap((it) => {
      const compiled = one(it);
      if (!compiled.ok) complain(`${key}: the pattern ${JSON.stringify(it)} ${compiled.what}`);
      return compiled.ok ? [compiled.pattern] : [];
    });
  const resources = all('resources', text.resources, uriPattern);
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
    callers: text.callers === undefined ? undefined : all('callers', text.callers, namePattern),
    tools: all('tools', text.tools, namePattern),
    resources,
    prompts: all('prompts', text.prompts, namePattern),
    upcalls: all('upcalls', text.upcalls, namePattern),
    methods: all('methods', text.methods, namePattern),
  };
}

function sealedSwitches({ tools, servers, callers, lockdown }: Switches): Switches {
  return { tools: sealed(tools), servers: sealed(servers), callers: sealed(callers), lockdown };
}

/** A copy of a map that can no longer be changed; Object.freeze alone leaves `set` working. */
function sealed<Value>(map: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> {
  const copy = new Map(map);
  const refuse = (): never => {
    throw new TypeError('Orders are frozen: build new ones and replace them whole.');
  };
  for (const key of ['set', 'delete', 'clear']) Object.defineProperty(copy, key, { value: refuse });
  return copy;
}

function freeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  const inner = value instanceof Map ? value.values() : Object.values(value);
  for (const it of inner) freeze(it as unknown);
  return value;
}
