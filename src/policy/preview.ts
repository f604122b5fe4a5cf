import type { Principal } from '../domain/caller.ts';
import type { Orders } from '../domain/orders.ts';
import type { Catalog } from '../domain/upstream.ts';
import { decide } from './decide.ts';

/** The tools of one server as one caller finds them, by name, in the order of the catalog. */
export type Preview = {
  readonly allowed: readonly string[];
  /** Listed, and held until somebody agrees. */
  readonly gated: readonly string[];
  /** Not listed, and unknown when called. */
  readonly hidden: readonly string[];
};

/** What a caller would find, for the table at the start. It asks `decide`, so it cannot promise anything else. */
export function preview(orders: Orders, server: string, principal: Principal, catalog: Catalog): Preview {
  const found = { allowed: [] as string[], gated: [] as string[], hidden: [] as string[] };
  for (const name of catalog.tools.keys()) {
    const { kind } = decide(orders, { server, principal, target: { kind: 'tool', name } });
    found[kind === 'allow' ? 'allowed' : kind === 'confirm' ? 'gated' : 'hidden'].push(name);
  }
  return found;
}
