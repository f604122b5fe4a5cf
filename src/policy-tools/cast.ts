import { isDeepStrictEqual } from 'node:util';
import type { JsonObject } from '../domain/message.ts';
import type { Orders, RuleText, ServerFile } from '../domain/orders.ts';
import { nameOf, type Aim } from './offline.ts';

/** One set of policy files, read and compiled. */
export type PolicySet = {
  readonly files: readonly ServerFile[];
  readonly orders: Orders;
  /** Where the files lie: the folder, and its real path. What they say about places is mostly counted from here. */
  readonly roots: readonly string[];
};

/** What to ask two policies about, so that a difference between them shows. */
export type Cast = {
  readonly callers: readonly string[];
  readonly aims: readonly Aim[];
  /** Arguments that somebody wrote down as an example, by kind and name of what they are for. */
  readonly args: ReadonlyMap<string, readonly JsonObject[]>;
  /** Names that were left out because there are too many. */
  readonly leftOut: number;
};

/** Nobody and nothing is called so: what is decided about it is decided about whatever nobody thought of. */
export const stranger = 'a-stranger';

const callersMax = 200;
const aimsMax = 1000;
const argsMax = 32;

/**
 * Every name that either side writes about one server, one sample of each pattern, and a stranger of each kind. Not every
 * call there can be: two policies that differ only in what no name and no pattern of theirs speaks about do not differ.
 */
export function castOf(server: string, sides: readonly PolicySet[]): Cast {
  const files = sides.flatMap((side) => side.files.filter(({ spec }) => spec.name === server));
  const callers = new Set<string>([stranger]);
  const aims = new Map<string, Aim>();
  const args = new Map<string, JsonObject[]>();
  const aim = (it: Aim) => void aims.set(keyOf(it), it);

  for (const { orders } of sides)
    for (const patterns of orders.roles.values()) for (const { text } of patterns) callers.add(sample(text));
  for (const { contract, rules, tools, cases } of files) {
    for (const it of contract.pilots) if (!it.startsWith('role:')) callers.add(sample(it));
    for (const rule of rules) {
      for (const it of rule.callers ?? []) callers.add(sample(it));
      for (const it of aimsOf(rule)) aim(it);
    }
    for (const { name } of tools) aim({ kind: 'tool', name: sample(name) });
    for (const it of cases) {
      callers.add(it.caller);
      aim(it.target);
      const known = args.get(keyOf(it.target)) ?? [];
      const fresh = it.args !== undefined && !known.some((one) => isDeepStrictEqual(one, it.args));
      if (fresh && known.length < argsMax) known.push({ ...it.args });
      args.set(keyOf(it.target), known);
    }
  }
  aim({ kind: 'tool', name: stranger });
  aim({ kind: 'prompt', name: stranger });
  aim({ kind: 'resource', uri: `${stranger}://x` });
  const leftOut = Math.max(0, callers.size - callersMax) + Math.max(0, aims.size - aimsMax);
  return {
    callers: [...callers].slice(0, callersMax),
    aims: [...aims.values()].slice(0, aimsMax),
    args,
    leftOut,
  };
}

export function keyOf(aim: Aim): string {
  return `${aim.kind} ${nameOf(aim)}`;
}

function aimsOf(rule: RuleText): readonly Aim[] {
  return [
    ...rule.tools.map((name): Aim => ({ kind: 'tool', name: sample(name) })),
    ...rule.prompts.map((name): Aim => ({ kind: 'prompt', name: sample(name) })),
    ...rule.resources.flatMap((uri): Aim[] =>
      // Two stars cross slashes and one does not, so each shows with a sample of its own.
      [...new Set([sample(uri), uri.replaceAll('**', 'x/x').replaceAll('*', 'x')])].map((it) => ({
        kind: 'resource',
        uri: it,
      })),
    ),
    ...rule.upcalls.map((method): Aim => ({ kind: 'upcall', method: sample(method) })),
    ...rule.methods.map((method): Aim => ({ kind: 'method', method: sample(method) })),
  ];
}

function sample(pattern: string): string {
  return pattern.replaceAll(/\*+/g, 'x');
}
