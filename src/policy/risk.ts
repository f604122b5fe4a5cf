import type { Facts } from '../domain/decision.ts';
import { risks, type Orders, type Risk, type ServerOrders, type ToolClass } from '../domain/orders.ts';

/** What the owner's `[tools]` entries say about one tool. No entry: nobody has looked at it, and it may do anything. */
export type Classified = { readonly risk: Risk; readonly entries: readonly ToolClass[] };

/**
 * The effective class of a tool: the gravest of what the owner and the tool itself say. What a tool says of itself can
 * only make it graver, and a tool that nobody has classified counts as destructive.
 */
export function riskOf(server: ServerOrders, tool: string, admits: Risk | undefined): Risk {
  return graver(classified(server, tool).risk, admits);
}

/**
 * Every entry that fits the tool, and the gravest class among them. Remembered for each server, a bounded number of names:
 * a name that is asked for again costs one look-up, however many entries there are.
 */
export function classified(server: ServerOrders, tool: string): Classified {
  const known = remembered.get(server) ?? new Map<string, Classified>();
  if (known.size === 0) remembered.set(server, known);
  const found = known.get(tool);
  if (found !== undefined) return found;
  const entries = server.tools.filter((it) => it.pattern.test(tool));
  if (entries.length === 0) return unclassified;
  const risk = entries.reduce<Risk>((gravest, it) => graver(it.text.risk, gravest), 'read');
  const fresh = { risk, entries };
  // Callers make names up: once it is full, it stays as it is, and no flood of names drives out the ones in use.
  if (known.size < rememberedMax) known.set(tool, fresh);
  return fresh;
}

/** How long the answer of a tool may take, where the owner says so: of several entries that fit, the shortest. */
export function answerWithinMs(orders: Orders, server: string, tool: string): number | undefined {
  const found = orders.servers.get(server);
  if (found === undefined) return undefined;
  let least: number | undefined;
  for (const { text } of classified(found, tool).entries)
    if (text.answerWithinMs !== undefined) least = Math.min(least ?? Infinity, text.answerWithinMs);
  return least;
}

const rememberedMax = 1024;
const remembered = new WeakMap<ServerOrders, Map<string, Classified>>();
const unclassified: Classified = Object.freeze({ risk: 'destructive', entries: Object.freeze([]) });

export function graver(one: Risk, other: Risk | undefined): Risk {
  return other === undefined || risks.indexOf(one) >= risks.indexOf(other) ? one : other;
}

/** The same facts, were a tool to admit to this as well: what a listing says of it may be newer than what is known. */
export function withAdmission(facts: Facts, admits: Risk | undefined): Facts {
  if (admits === undefined) return facts;
  return {
    ...facts,
    tool: (server, tool) => {
      const known = facts.tool(server, tool);
      return { admits: graver(admits, known?.admits), quarantined: known?.quarantined };
    },
  };
}
