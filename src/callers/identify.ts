import { hash, timingSafeEqual } from 'node:crypto';
import { SignedIn, type Credentials, type Principal } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { KeyRing } from './keys.ts';

export type SignInPolicy = {
  /** The owner said in the configuration that a caller without a key may come in. */
  readonly withoutKey: boolean;
};

/** Who calls without a key where that is allowed. No key can have this name. */
export const anyone: Principal = Object.freeze({ name: 'anyone' });

const keyForm = /^mcpd_([0-9A-Za-z]{8})_[0-9A-Za-z_-]{43}$/;
const keyChars = 57;
/** Nothing hashes to this in anybody's lifetime. */
const nobody = Buffer.alloc(32);

/**
 * Credentials → the principal they belong to. Throws `UNAUTHENTICATED`; its detail names the reason for the operator, and
 * never holds what was presented.
 */
export function identify(credentials: Credentials, ring: KeyRing, policy: SignInPolicy): Principal {
  switch (credentials.kind) {
    case 'checked': {
      const { proof } = credentials;
      // A key may have been revoked while the body was on its way.
      return proof.against === ring ? proof.principal : identify(proof.presented, ring, policy);
    }
    case 'none':
      if (policy.withoutKey) return anyone;
      throw new Fault('UNAUTHENTICATED', { detail: 'no key' });
    case 'malformed':
      throw new Fault('UNAUTHENTICATED', { detail: 'malformed Authorization header' });
    case 'bearer':
      return owner(credentials.token, ring);
  }
}

/** Checks credentials once and gives the proof that the rest of the request shows instead. Throws like `identify`. */
export function signIn(credentials: Credentials, ring: KeyRing, policy: SignInPolicy): Credentials {
  if (credentials.kind === 'checked') return credentials;
  return { kind: 'checked', proof: SignedIn.issue(identify(credentials, ring, policy), credentials, ring) };
}

function owner(token: string, ring: KeyRing): Principal {
  const id = token.length === keyChars ? keyForm.exec(token)?.[1] : undefined;
  if (id === undefined) throw new Fault('UNAUTHENTICATED', { detail: 'not a key of mcpd' });
  const entry = ring.byId.get(id);
  // An unknown id takes as long as a known one, and equal digests say nothing about equal beginnings (timing attacks).
  const same = timingSafeEqual(hash('sha256', token, 'buffer'), entry?.digest ?? nobody);
  if (entry === undefined || !same) throw new Fault('UNAUTHENTICATED', { detail: 'no such key' });
  if (entry.revoked)
    throw new Fault('UNAUTHENTICATED', { detail: `a revoked key of ${entry.principal.name}` });
  return entry.principal;
}
