import type { Principal } from '../domain/caller.ts';
import type { Facts } from '../domain/decision.ts';
import type { Orders } from '../domain/orders.ts';
import type { Catalog } from '../domain/upstream.ts';
import { decide } from './decide.ts';
import { withAdmission } from './risk.ts';

/** The tools of one server as one caller finds them, by name, in the order of the catalog. */
export type Preview = {
  readonly allowed: readonly string[];
  /** Listed, and held until somebody agrees. */
  readonly gated: readonly string[];
  /** Not listed, and unknown when called. */
  readonly hidden: readonly string[];
};

/** A pattern of a rule that fits nothing the server offers: most likely a typing error, and then a rule that does nothing. */
export type Idle = { readonly rule: string; readonly pattern: string };

/** The tool patterns that fit no tool in the catalog. A rule that denies `deletes_*` denies nothing, and nobody would know. */
export function idlePatterns(orders: Orders, server: string, catalog: Catalog): readonly Idle[] {
  const names = [...catalog.tools.keys()];
  return (orders.servers.get(server)?.rules ?? []).flatMap((rule) =>
    rule.tools
      .filter((pattern) => !names.some((name) => pattern.test(name)))
      .map((pattern) => ({ rule: rule.text.name, pattern: pattern.text })),
  );
}

/** What a caller would find, for the table at the start. It asks `decide`, so it cannot promise anything else. */
export function preview(
  orders: Orders,
  server: string,
  principal: Principal,
  catalog: Catalog,
  facts: Facts,
): Preview {
  const found = { allowed: [] as string[], gated: [] as string[], hidden: [] as string[] };
  for (const [name, { admits }] of catalog.tools) {
    const judged = { server, principal, target: { kind: 'tool', name }, args: undefined } as const;
    const { kind } = decide(orders, judged, withAdmission(facts, admits));
    found[kind === 'allow' ? 'allowed' : kind === 'confirm' ? 'gated' : 'hidden'].push(name);
  }
  return found;
}
