import type { AdminPlane } from './admin-plane.ts';
import type { Args } from './args.ts';
import type { Reply } from './reply.ts';

/** What the admin plane needs of the keeper of secrets. No value goes this way. */
export type SecretDesk = {
  readonly report: () => readonly SecretRow[];
  /** Rejects with `SECRET_UNAVAILABLE` when the new value cannot be had. */
  readonly changed: (
    reference: string,
    how: { readonly restart: boolean },
  ) => Promise<{
    readonly restarted: readonly string[];
    readonly retried: readonly string[];
    readonly untouched: readonly string[];
  }>;
};

/** One variable of one server. */
export type SecretRow = {
  readonly server: string;
  readonly variable: string;
  readonly reference: string;
  readonly ttlMs: number | undefined;
  readonly state: 'held' | 'lacking' | 'idle';
  readonly because: string | undefined;
};

/** `secrets`: which server uses which, and which are missing. */
export function secrets(plane: AdminPlane): Reply {
  const rows = plane.secrets.report().map(({ ttlMs, because, ...row }) => ({
    ...row,
    ttlMs: ttlMs ?? null,
    because: because ?? null,
  }));
  return { ok: true, command: 'secrets', secrets: rows };
}

/**
 * `refresh-secret`: there is another value where the reference points. Servers that waited for it are started; those that hold
 * the old one are started anew, unless `keep` says that they may go on with it.
 */
export async function refreshSecret(plane: AdminPlane, args: Args): Promise<Reply> {
  const reference = args.need('reference');
  const used = plane.secrets.report().some((row) => row.reference === reference);
  const change = await plane.secrets.changed(reference, { restart: !args.flag('keep') });
  return { ok: true, command: 'refresh-secret', reference, used, ...change };
}
