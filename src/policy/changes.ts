import type { Decision, Facts } from '../domain/decision.ts';
import type { Grant, Orders, Place, Rule, ServerOrders, ToolClass } from '../domain/orders.ts';
import { printable } from '../domain/printable.ts';
import { toolOf } from '../domain/target-tools.ts';
import { aimsOf, questionOf } from './aim.ts';
import { decide, type Judged } from './decide.ts';
import { cut, expectation } from './expectation.ts';
import { missOf, type Miss } from './matching.ts';
import { classified } from './risk.ts';

type Trial = { readonly says: string; readonly orders: Orders; readonly facts?: Facts };

const changesMax = 12;

/**
 * What would lead to another verdict, in words. Every change is made on a copy and the question asked again; what makes no
 * difference is not said. One change at a time: where two are needed, neither is found.
 */
export function changesFor(
  orders: Orders,
  server: ServerOrders,
  judged: Judged,
  facts: Facts,
  decision: Decision,
): readonly string[] {
  const trials = [
    ...switchTrials(orders, judged),
    ...factTrials(orders, judged, facts),
    ...stageTrials(orders, server, decision),
    ...grantTrials(orders, server, judged, facts, decision),
    ...classTrials(orders, server, judged, decision),
    ...argumentTrials(orders, server, judged, decision),
    ...ruleTrials(orders, server, judged, facts, decision),
  ];
  const told = new Set<string>();
  for (const trial of trials) {
    if (told.size >= changesMax) break;
    const other = decide(trial.orders, judged, trial.facts ?? facts);
    if (other.kind !== decision.kind) told.add(cut(`${trial.says} (then: ${other.kind}, by ${other.rule})`));
  }
  return [...told];
}

function switchTrials(orders: Orders, { server, principal, target }: Judged): Trial[] {
  const { switches } = orders;
  const tool = toolOf(target);
  const trials: Trial[] = [];
  if (switches.lockdown !== undefined)
    trials.push({
      says: 'end the lockdown: mcpd ctl unlock',
      orders: { ...orders, switches: { ...switches, lockdown: undefined } },
    });
  const name = `${server}/${tool ?? ''}`;
  const rows = [
    ['callers', principal.name, `switch the caller on: mcpd ctl enable-caller ${shown(principal.name)}`],
    ['servers', server, `switch the server on: mcpd ctl enable-server ${shown(server)}`],
    ['tools', name, `switch the tool on: mcpd ctl enable-tool ${shown(name)}`],
  ] as const;
  for (const [kind, key, says] of rows) {
    if (!switches[kind].has(key)) continue;
    const left = new Map(switches[kind]);
    left.delete(key);
    trials.push({ says, orders: { ...orders, switches: { ...switches, [kind]: left } } });
  }
  return trials;
}

function factTrials(orders: Orders, { server, target }: Judged, facts: Facts): Trial[] {
  const tool = toolOf(target);
  if (tool === undefined || facts.tool(server, tool)?.quarantined === undefined) return [];
  const free: Facts = {
    ...facts,
    tool: (...which) => ({ admits: facts.tool(...which)?.admits, quarantined: undefined }),
  };
  return [
    {
      says: `look at the tool's definition (mcpd ctl pins ${shown(server)}) and approve it: mcpd ctl pin ${shown(`${server}/${tool}`)}`,
      orders,
      facts: free,
    },
  ];
}

function stageTrials(orders: Orders, server: ServerOrders, decision: Decision): Trial[] {
  if (decision.rule !== 'built-in: stage') return [];
  const contract = { ...server.contract, stage: 'everyone' } as const;
  return [
    {
      says: `stage = "everyone" instead of "${server.contract.stage}"`,
      orders: withServer(orders, { ...server, contract }),
    },
  ];
}

function grantTrials(
  orders: Orders,
  server: ServerOrders,
  { principal, target }: Judged,
  facts: Facts,
  decision: Decision,
): Trial[] {
  const tool = toolOf(target);
  if (tool === undefined || decision.kind !== 'deny') return [];
  const grant: Grant = {
    id: 'new',
    caller: principal.name,
    server: server.spec.name,
    tool,
    at: 0,
    untilMs: facts.nowMs() + 3_600_000,
    by: '',
    reason: '',
  };
  const says = `a grant: mcpd ctl grant ${shown(principal.name)} ${shown(`${grant.server}/${tool}`)} --for 1h`;
  return [{ says, orders: { ...orders, grants: [...orders.grants, grant] } }];
}

function classTrials(orders: Orders, server: ServerOrders, { target }: Judged, { kind }: Decision): Trial[] {
  const tool = toolOf(target);
  if (tool === undefined || kind !== 'deny' || classified(server, tool).entries.length > 0) return [];
  const place: Place = { file: '', line: 0 };
  const entry: ToolClass = {
    text: {
      name: tool,
      risk: 'read',
      effect: '',
      args: [],
      retry: undefined,
      breaker: undefined,
      returns: { mode: 'full', bytesMax: Number.POSITIVE_INFINITY },
      answerWithinMs: undefined,
      place,
    },
    pattern: { text: tool, test: (value) => value === tool },
    args: [],
  };
  const says = `class the tool: [tools.${shown(JSON.stringify(tool))}] with its risk and its effect`;
  return [{ says, orders: withServer(orders, { ...server, tools: [...server.tools, entry] }) }];
}

function argumentTrials(
  orders: Orders,
  server: ServerOrders,
  { target }: Judged,
  decision: Decision,
): Trial[] {
  const tool = toolOf(target);
  if (tool === undefined || decision.rule !== 'built-in: arguments') return [];
  return [
    {
      says: `other arguments; ${decision.kind === 'deny' ? decision.reason : ''}`,
      orders: withServer(orders, { ...server, tools: server.tools.map((it) => ({ ...it, args: [] })) }),
    },
  ];
}

/** Each rule without the one thing that does not fit, and the rule that decided left out. */
function ruleTrials(
  orders: Orders,
  server: ServerOrders,
  judged: Judged,
  facts: Facts,
  decision: Decision,
): Trial[] {
  const tool = toolOf(judged.target);
  const admits = tool === undefined ? undefined : facts.tool(judged.server, tool)?.admits;
  const [aim] = aimsOf(judged.target);
  const question = aim === undefined ? undefined : questionOf(orders, server, judged, facts, admits, aim);
  return server.rules.flatMap((rule): Trial[] => {
    const others = server.rules.filter((it) => it !== rule);
    if (rule.text.name === decision.rule)
      return [
        {
          says: `without the rule ${nameOf(rule)}`,
          orders: withServer(orders, { ...server, rules: others }),
        },
      ];
    const miss = question === undefined ? undefined : missOf(rule, question);
    // Several things may not fit; each is put right in turn, and then the rule is tried.
    if (miss === undefined || question === undefined) return [];
    const mended = withoutMiss(rule, miss, judged);
    if (mended === undefined || missOf(mended.rule, question) !== undefined) return [];
    const rules = server.rules.map((it) => (it === rule ? mended.rule : it));
    return [{ says: mended.says, orders: withServer(orders, { ...server, rules }) }];
  });
}

function withoutMiss(
  rule: Rule,
  miss: Miss,
  { principal }: Judged,
): { readonly rule: Rule; readonly says: string } | undefined {
  const { text } = rule;
  const name = nameOf(rule);
  switch (miss) {
    case 'caller':
      return {
        rule: { ...rule, callers: undefined },
        says: `"${shown(principal.name)}" among the callers of ${name}`,
      };
    case 'role':
      return {
        rule: { ...rule, text: { ...text, roles: undefined } },
        says: `one of the roles ${(text.roles ?? []).map((it) => `"${it}"`).join(', ')} for "${shown(principal.name)}", for ${name}`,
      };
    case 'expired':
      return { rule: { ...rule, text: { ...text, untilMs: undefined } }, says: `a later "until" in ${name}` };
    case 'class':
      return {
        rule: { ...rule, text: { ...text, risk: undefined } },
        says: `the tool's class in the "risk" of ${name}`,
      };
    case 'surface':
      return { rule: { ...rule, text: { ...text, surfaces: undefined } }, says: `the surface in ${name}` };
    case 'arguments':
      return {
        rule: { ...rule, args: [] },
        says: `arguments for ${name}: ${rule.args.map((it) => expectation(it.condition)).join('; ')}`,
      };
    case 'target':
      return undefined;
  }
}

function nameOf({ text }: Rule): string {
  return `"${shown(text.name)}" (${text.place.file}:${text.place.line})`;
}

function shown(text: string): string {
  return printable(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function withServer(orders: Orders, server: ServerOrders): Orders {
  return { ...orders, servers: new Map(orders.servers).set(server.spec.name, server) };
}
