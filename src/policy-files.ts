import { printComplaint } from './config/complaint.ts';
import { loadPolicies, type Loaded } from './config/load.ts';
import type { DaemonFile } from './config/schema.ts';
import type { Environment } from './config/state-dir.ts';
import type { Orders, Switches } from './domain/orders.ts';
import { compile } from './policy/compile.ts';

/** Policy files that fit together, read and compiled; or everything that is wrong with them, a line each. */
export type ReadPolicies =
  | { readonly ok: true; readonly loaded: Extract<Loaded, { ok: true }>; readonly orders: Orders }
  | { readonly ok: false; readonly complaints: readonly string[] };

/** Reads and compiles a folder of policies. `version` names the result by the digest of the bytes it was made from. */
export function readPolicies(
  dir: string,
  env: Environment,
  switches: (loaded: Extract<Loaded, { ok: true }>) => {
    readonly switches: Switches;
    readonly version: string;
  },
): ReadPolicies {
  const loaded = loadPolicies(dir, env);
  if (!loaded.ok) return { ok: false, complaints: loaded.complaints.map(printComplaint) };
  const { switches: thrown, version } = switches(loaded);
  const compiled = compile(loaded.servers, thrown, loaded.daemon.perCaller, version);
  if (compiled.ok) return { ok: true, loaded, orders: compiled.orders };
  // The compiler knows files and rules; the loader knows their lines.
  const complaints = compiled.complaints.map(({ file, rule, what }) => loaded.complainAt(file, rule, what));
  return { ok: false, complaints: complaints.map(printComplaint) };
}

/** What a new mcpd.toml says that only a restart brings into force, one sentence each. */
export function whatNeedsRestart(now: DaemonFile, next: DaemonFile): string[] {
  const live = new Set(['file', 'perCaller']);
  return Object.keys(now)
    .filter((key) => !live.has(key))
    .filter(
      (key) => JSON.stringify(now[key as keyof DaemonFile]) !== JSON.stringify(next[key as keyof DaemonFile]),
    )
    .map((key) => `${key} in mcpd.toml takes effect at the next start`);
}
