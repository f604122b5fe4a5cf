import { hash, timingSafeEqual } from 'node:crypto';
import { SignedIn, type Credentials, type Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { KeyEntry, KeyRing } from './key-ring.ts';

/** Who calls without a key where that is allowed. No key can have this name. */
export const anyone: Principal = Object.freeze({ name: 'anyone' });

/** Whom a credential belongs to, and until when it is good: wall clock, milliseconds since 1970. */
export type Owner = { readonly principal: Principal; readonly untilMs: number };

const keyForm = /^mcpd_[0-9A-Za-z]{8}_[0-9A-Za-z_-]{43}$/;
const idFrom = 5;
const idTo = 13;
const keyChars = 57;
/** Nothing hashes to this in anybody's lifetime. */
const nobody = Buffer.alloc(32);
/** The digest of what is being looked at. */
const presented = Buffer.alloc(32);

/** Whether a token is meant to be one of our keys. */
export function looksLikeKey(token: string): boolean {
  return token.startsWith('mcpd_');
}

/**
 * A key → its entry. Throws `UNAUTHENTICATED`; its detail names the reason for the operator, and never holds what was
 * presented.
 */
export function keyOf(token: string, ring: KeyRing, nowMs: number): KeyEntry {
  if (token.length !== keyChars || !keyForm.test(token))
    throw new Fault('UNAUTHENTICATED', { detail: 'not a key of mcpd' });
  const entry = ring.byId.get(token.slice(idFrom, idTo));
  // Into a buffer that is kept: to make one for each call costs five times as much as the hash.
  presented.write(hash('sha256', token, 'binary'), 'latin1');
  // An unknown id takes as long as a known one, and equal digests say nothing about equal beginnings (timing attacks).
  const same = timingSafeEqual(presented, entry?.digest ?? nobody);
  if (entry === undefined || !same) throw new Fault('UNAUTHENTICATED', { detail: 'no such key' });
  if (entry.revoked)
    throw new Fault('UNAUTHENTICATED', { detail: `a revoked key of ${entry.principal.name}` });
  if (nowMs >= entry.untilMs)
    throw new Fault('UNAUTHENTICATED', { detail: `an expired key of ${entry.principal.name}` });
  return entry;
}

/** The proof that the rest of a request shows in place of its credential. `against`: see `SignedIn`. */
export function proofOf(
  owner: Owner,
  presented: Exclude<Credentials, { kind: 'checked' }>,
  against: object,
): Credentials {
  return { kind: 'checked', proof: SignedIn.issue(owner.principal, presented, against, owner.untilMs) };
}
