import type { Orders } from '../domain/orders.ts';
import { Fault } from '../domain/faults.ts';
import { withStanding, type Standing } from './standing.ts';

/** What reading the policy files gave: orders without what the operator decided, or why not. */
export type Loaded =
  | {
      readonly ok: true;
      readonly orders: Orders;
      /** What the files say that only a restart can bring into force, one sentence each. */
      readonly needsRestart: readonly string[];
    }
  | { readonly ok: false; readonly complaints: readonly string[] };

/** What a reload did. `version` is the version in force afterwards, new or old. */
export type ReloadReport = {
  readonly ok: boolean;
  readonly changed: boolean;
  readonly version: string;
  readonly complaints: readonly string[];
  readonly needsRestart: readonly string[];
};

export type Reloadable = Standing & {
  readonly load: () => Loaded | Promise<Loaded>;
  readonly orders: { readonly current: () => Orders; readonly replace: (next: Orders) => void };
  /** Starts what is new, stops what is gone, restarts what is run differently. */
  readonly fleet: { readonly apply: (orders: Orders) => void | Promise<void> };
};

/** Makes the one function that reads the policy again. Calls made while it runs wait their turn. */
export function reloader(house: Reloadable): () => Promise<ReloadReport> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<ReloadReport> | undefined;
  return () => {
    // Whoever asks while one waits to begin gets that one: it will read the files after they asked.
    next ??= (running = running.then(() => {
      next = undefined;
      return reloadOnce(house);
    })) as Promise<ReloadReport>;
    return next;
  };
}

/** Swaps the orders whole, or keeps the old ones and says why. Never throws. */
async function reloadOnce({ load, orders, fleet, ...standing }: Reloadable): Promise<ReloadReport> {
  const refused = (complaints: readonly string[]): ReloadReport => ({
    ok: false,
    changed: false,
    version: orders.current().version,
    complaints,
    needsRestart: [],
  });
  let loaded: Loaded;
  try {
    loaded = await load();
  } catch (reason) {
    return refused([Fault.from(reason).message]);
  }
  if (!loaded.ok) return refused(loaded.complaints);

  // Read after the wait: a switch thrown while the files were being read must not be lost.
  const next = withStanding(loaded.orders, standing);
  const { needsRestart } = loaded;
  const { version } = orders.current();
  if (next.version === version) return { ok: true, changed: false, version, complaints: [], needsRestart };

  // The orders first: a server that is gone is refused before it is stopped.
  orders.replace(next);
  try {
    await fleet.apply(next);
  } catch (reason) {
    const complaint = `the new policy is in force, but the servers did not follow: ${Fault.from(reason).message}`;
    return { ok: false, changed: true, version: next.version, complaints: [complaint], needsRestart };
  }
  return { ok: true, changed: true, version: next.version, complaints: [], needsRestart };
}
