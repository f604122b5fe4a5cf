import type { Decision, Denial, Facts } from '../domain/decision.ts';
import type { Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { Orders } from '../domain/orders.ts';
import { decide } from '../policy/decide.ts';

/** The hall that shows everything a caller may see. No server can be called so, nor by any name that begins so. */
const everything = '*';
const byServers = '*?servers=';
const byProfile = '*?profile=';

const comma = /,|%2[Cc]/;
const name = /^[a-z0-9-]{1,32}$/;
const namesMax = 64;

/**
 * The query of `/mcp` → the name under which the hall stands in records and sessions: `*`, `*?servers=a,b` or
 * `*?profile=coding`. One spelling for each choice, so that a session is found again however its client orders the names.
 * Undefined for any other query: a misspelt choice must not show everything.
 */
export function hallOf(query: string): string | undefined {
  if (query === '') return everything;
  const [key, value = '', ...more] = query.split('=');
  if (more.length > 0) return undefined;
  if (key === 'profile') return name.test(value) ? byProfile + value : undefined;
  if (key !== 'servers') return undefined;
  const names = value.split(comma);
  if (names.length > namesMax || !names.every((it) => name.test(it))) return undefined;
  return byServers + [...new Set(names)].sort().join(',');
}

export function isHall(server: string): boolean {
  return server.startsWith(everything);
}

/** What a caller finds in the hall. */
export type Found = {
  /** The servers it may see, by name, in order. */
  readonly open: readonly string[];
  /** Those it may see, and may not speak to now. */
  readonly off: ReadonlyMap<string, Denial>;
  /** Whether it may be here at all. */
  readonly decision: Decision;
};

/**
 * Who is in a hall for a caller: the servers that were chosen and that `decide` lets it speak to. Throws `NO_ROUTE`, which
 * names what is unknown: a server that is hidden from the caller is as unknown as one that never was.
 */
export function whoIsIn(
  hall: string,
  principal: Principal,
  method: string,
  orders: Orders,
  profiles: ReadonlyMap<string, readonly string[]>,
  facts: Facts,
): Found {
  const target = { kind: 'protocol', method } as const;
  const judge = (server: string) => decide(orders, { server, principal, target, args: undefined }, facts);
  const { named, chosen } = chosenIn(hall, orders, profiles);
  const open: string[] = [];
  const off = new Map<string, Denial>();
  const unknown: string[] = [];
  let decision: Decision | undefined;
  for (const server of chosen) {
    const judged = judge(server);
    if (judged.kind !== 'deny') {
      open.push(server);
      decision ??= judged;
    } else if (judged.hidden) unknown.push(server);
    else off.set(server, judged);
  }
  if (named === 'servers' && unknown.length > 0) throw noSuch(unknown);
  // The owner wrote the profile for others, too; one that shows this caller nothing is as unknown as none.
  if (named === 'profile' && open.length + off.size === 0) throw noSuch([hall.slice(byProfile.length)]);
  return { open: open.sort(), off, decision: decision ?? [...off.values()][0] ?? judge('') };
}

function chosenIn(
  hall: string,
  orders: Orders,
  profiles: ReadonlyMap<string, readonly string[]>,
): { readonly named: 'servers' | 'profile' | undefined; readonly chosen: readonly string[] } {
  if (hall.startsWith(byServers))
    return { named: 'servers', chosen: hall.slice(byServers.length).split(',') };
  if (hall.startsWith(byProfile))
    return { named: 'profile', chosen: profiles.get(hall.slice(byProfile.length)) ?? [] };
  return { named: undefined, chosen: hall === everything ? [...orders.servers.keys()] : [] };
}

function noSuch(unknown: readonly string[]): Fault {
  return new Fault('NO_ROUTE', { detail: `unknown: ${unknown.join(', ')}`, data: { unknown: [...unknown] } });
}
