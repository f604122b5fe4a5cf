import { printComplaint } from './config/complaint.ts';
import { loadPolicies, type LoadOptions, type Loaded } from './config/load.ts';
import type { DaemonFile } from './config/schema.ts';
import type { Environment } from './config/state-dir.ts';
import type { Grant, Orders, Switches } from './domain/orders.ts';
import { compile } from './policy/compile.ts';
import { redactNames } from './redact/names.ts';

type Sound = Extract<Loaded, { ok: true }>;

/** Policy files that fit together, read and compiled; or everything that is wrong with them, a line each. */
export type ReadPolicies =
  | { readonly ok: true; readonly loaded: Sound; readonly orders: Orders }
  | { readonly ok: false; readonly complaints: readonly string[] };

/** What stands beside the files, and what the orders made from all of it are called. */
export type Standing = {
  readonly switches: Switches;
  readonly grants: readonly Grant[];
  /** Usually made from the digest of the bytes. */
  readonly version: string;
};

/** Reads and compiles a folder of policies. */
export function readPolicies(
  dir: string,
  env: Environment,
  standing: (loaded: Sound) => Standing,
  options: LoadOptions = {},
): ReadPolicies {
  const loaded = loadPolicies(dir, env, { detectors: [...redactNames], ...options });
  if (!loaded.ok) return { ok: false, complaints: loaded.complaints.map(printComplaint) };
  const { switches, grants, version } = standing(loaded);
  const { limits, roles, webhooks } = loaded.daemon;
  const daemon = { limits, roles, webhooks: webhooks.map(({ name }) => name) };
  const compiled = compile(loaded.servers, daemon, { switches, grants }, version);
  if (compiled.ok) return { ok: true, loaded, orders: compiled.orders };
  // The compiler knows files and rules; the loader knows their lines.
  const complaints = compiled.complaints.map(({ file, rule, what }) =>
    loaded.complainAt(file === 'mcpd.toml' ? loaded.daemon.file : file, rule, what),
  );
  return { ok: false, complaints: complaints.map(printComplaint) };
}

/** In force as soon as they are read; `file` says nothing. */
const live: ReadonlySet<string> = new Set<keyof DaemonFile>([
  'file',
  'limits',
  'roles',
  'webhooks',
  'secrets',
]);

/** What a new mcpd.toml says that only a restart brings into force, one sentence each. */
export function whatNeedsRestart(now: DaemonFile, next: DaemonFile): string[] {
  return Object.keys(now)
    .filter((key) => !live.has(key))
    .filter(
      (key) => JSON.stringify(now[key as keyof DaemonFile]) !== JSON.stringify(next[key as keyof DaemonFile]),
    )
    .map((key) => `${key} in mcpd.toml takes effect at the next start`);
}
