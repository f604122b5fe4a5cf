import { realpathSync } from 'node:fs';
import type { Told } from './io.ts';
import type { Complaint } from '../config/complaint.ts';
import type { Loaded } from '../config/load.ts';
import type { Environment } from '../config/state-dir.ts';
import type { Facts } from '../domain/decision.ts';
import type { Orders } from '../domain/orders.ts';
import type { PolicySet } from '../policy-tools/cast.ts';
import { typed } from './policy-tell.ts';

/** A folder of policies as the files say it, with no switch thrown and nothing granted. */
export type Folder = PolicySet & {
  readonly dir: string;
  readonly loaded: Extract<Loaded, { ok: true }>;
  readonly orders: Orders;
};

/** Reads and compiles a folder as the daemon would, or gives what to tell instead. */
export async function readFolder(
  dir: string,
  env: Environment,
): Promise<{ readonly ok: true; readonly folder: Folder } | { readonly ok: false; readonly told: Told }> {
  const { loadPolicies } = await import('../config/load.ts');
  const { compile } = await import('../policy/compile.ts');
  const { nothingSwitchedOff } = await import('../operate/switches.ts');
  const { redactNames } = await import('../redact/names.ts');
  const loaded = loadPolicies(dir, env, { detectors: [...redactNames] });
  if (!loaded.ok) return { ok: false, told: await complained(dir, env, loaded.complaints) };
  const { servers: files, daemon, digest, complainAt } = loaded;
  const standing = { switches: nothingSwitchedOff, grants: [] };
  const compiled = compile(files, daemonTerms(daemon), standing, digest);
  if (!compiled.ok) {
    const complaints = compiled.complaints.map(({ file, rule, what }) => complainAt(file, rule, what));
    return { ok: false, told: await complained(dir, env, complaints) };
  }
  const roots = [dir, realpathSync(dir)];
  return { ok: true, folder: { dir, roots, loaded, files, orders: compiled.orders } };
}

function daemonTerms({ limits, roles, webhooks }: Extract<Loaded, { ok: true }>['daemon']) {
  return { limits, roles, webhooks: webhooks.map(({ name }) => name) };
}

async function complained(dir: string, env: Environment, complaints: readonly Complaint[]): Promise<Told> {
  const { printComplaint } = await import('../config/complaint.ts');
  const says = complaints.length === 1 ? 'one complaint' : `${complaints.length} complaints`;
  return {
    reply: {
      ok: false,
      error: {
        code: 'CONFIG_INVALID',
        says: `${says} about ${dir}`,
        hint: `mend them, then type: ${typed('policy check', env)}`,
      },
      complaints,
    },
    text: complaints.map(printComplaint).join('\n'),
  };
}

/** What can be asked about the world from here. */
export async function factsFrom(): Promise<(nowMs: number) => Facts> {
  const { offlineFacts } = await import('../policy-tools/offline.ts');
  const { realPath } = await import('../real-path.ts');
  return (nowMs) => offlineFacts(nowMs, realPath);
}
