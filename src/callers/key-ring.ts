import type { Principal, Reach } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { Pattern, Risk } from '../domain/orders.ts';
import type { KeyRecord } from './key-record.ts';

/** One key as a call sees it. */
export type KeyEntry = {
  readonly id: string;
  readonly principal: Principal;
  readonly digest: Buffer;
  readonly revoked: boolean;
  /** Wall clock, milliseconds since 1970; Infinity: never. */
  readonly untilMs: number;
};

/** The keys as calls see them: never edited, replaced whole. */
export type KeyRing = { readonly byId: ReadonlyMap<string, KeyEntry> };

/** The matcher that rules are read with: a key has to mean by `create_*` what a rule means by it. */
export type CompilePattern = (
  text: string,
) => { readonly ok: true; readonly pattern: Pattern } | { readonly ok: false; readonly what: string };

/** From the mildest; a key for one class is good for those before it. */
const risks: readonly Risk[] = ['read', 'write', 'destructive'];

/** Throws `CONFIG_INVALID` for a scope that is no pattern: a bound that cannot be kept must not be dropped. */
export function keyRing(records: readonly KeyRecord[], compile: CompilePattern): KeyRing {
  return { byId: new Map(records.map((it) => [it.id, entryOf(it, compile)])) };
}

/** Whether a key opens anything at this moment. */
export function isGood({ revoked, untilMs }: KeyEntry, nowMs: number): boolean {
  return !revoked && nowMs < untilMs;
}

function entryOf(record: KeyRecord, compile: CompilePattern): KeyEntry {
  const { name, id, sha256, revokedAt, expiresAt, roles } = record;
  const reach = reachOf(record, compile);
  return {
    id,
    principal: Object.freeze({
      name,
      via: `key ${id}`,
      ...(roles === undefined ? {} : { roles: Object.freeze([...roles]) }),
      ...(reach === undefined ? {} : { reach: Object.freeze(reach) }),
    }),
    digest: Buffer.from(sha256, 'hex'),
    revoked: revokedAt !== undefined,
    untilMs: expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt),
  };
}

function reachOf({ id, servers, tools, risk }: KeyRecord, compile: CompilePattern): Reach | undefined {
  if (servers === undefined && tools === undefined && risk === undefined) return undefined;
  const patterns = (texts: readonly string[]): readonly Pattern[] =>
    texts.map((text) => {
      const compiled = compile(text);
      if (compiled.ok) return compiled.pattern;
      throw new Fault('CONFIG_INVALID', {
        detail: `keys.json: a pattern in the scope of key ${id} ${compiled.what}`,
        hint: `Take the key away with: mcpd key revoke ${id}`,
      });
    });
  return {
    ...(servers === undefined ? {} : { servers: patterns(servers) }),
    ...(tools === undefined ? {} : { tools: patterns(tools) }),
    ...(risk === undefined ? {} : { risks: risks.slice(0, risks.indexOf(risk) + 1) }),
  };
}
