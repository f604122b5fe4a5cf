import type { Grant, Orders, Switches } from '../domain/orders.ts';
import { withGrants, withSwitches } from '../policy/compile.ts';

/** What the operator decided, and how often that changed since the first start. It outlives every change of policy. */
export type Standing = {
  readonly switches: { readonly current: () => Switches; readonly changes: () => number };
  readonly grants: { readonly current: () => readonly Grant[]; readonly changes: () => number };
};

/** Orders from the policy files, or older ones, with what the operator decided as it is now. */
export function withStanding(orders: Orders, { switches, grants }: Standing): Orders {
  const version = versionWith(orders.version, switches.changes() + grants.changes());
  return withGrants(withSwitches(orders, switches.current(), version), grants.current(), version);
}

/** The orders version for the same policy files under another count of changes by the operator: `3f2a…+7`. */
export function versionWith(version: string, changes: number): string {
  return `${version.split('+', 1)[0]}+${changes}`;
}

type House = Standing & {
  readonly orders: { readonly current: () => Orders; readonly replace: (next: Orders) => void };
};

/** Brings what the operator has just decided into force, for the next call. */
export function obey(house: House): void {
  house.orders.replace(withStanding(house.orders.current(), house));
}
