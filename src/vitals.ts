import type { Principal } from './domain/caller.ts';
import type { Facts } from './domain/decision.ts';
import type { Orders } from './domain/orders.ts';
import type { Fleet } from './fleet/fleet.ts';
import { report, type Health } from './operate/status.ts';
import { decide } from './policy/decide.ts';
import { preview, type Preview } from './policy/preview.ts';

const pingWithinMs = 1000;

/** The servers that one caller may see, each with a round trip measured now. What policy hides stays hidden here too. */
export async function vitalsFor(
  principal: Principal,
  orders: Orders,
  health: Health,
  fleet: Fleet,
  facts: Facts,
): Promise<object> {
  const target = { kind: 'protocol', method: 'ping' } as const;
  const seen = report(health).servers.filter(
    ({ name }) => decide(orders, { server: name, principal, target, args: undefined }, facts).kind !== 'deny',
  );
  const servers = await Promise.all(
    seen.map(async ({ name, state, because }) => {
      const pingMs = state === 'ready' ? await within(pingWithinMs, fleet.ping(name)) : null;
      return { name, state, because, latencyMs: pingMs === null ? null : Math.round(pingMs * 100) / 100 };
    }),
  );
  return { reasons: health.reasons, servers };
}

/** What a caller would find behind each server, in names that are safe to show. */
export function previewsFor(
  principal: Principal,
  orders: Orders,
  fleet: Fleet,
  clean: (text: string) => string,
  facts: Facts,
): ReadonlyMap<string, Preview> {
  const found = new Map<string, Preview>();
  for (const { name, catalog } of fleet.status()) {
    if (catalog === undefined) continue;
    const { allowed, gated, hidden } = preview(orders, name, principal, catalog, facts);
    // A server may have put its secret into the name of a tool, and a terminal or a process manager's log shows it.
    found.set(name, { allowed: allowed.map(clean), gated: gated.map(clean), hidden: hidden.map(clean) });
  }
  return found;
}

/** Null when it takes too long or fails. */
async function within(ms: number, round: Promise<number>): Promise<number | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(() => resolve(null), ms)));
  try {
    return await Promise.race([round, late]);
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
  }
}
