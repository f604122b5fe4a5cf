import type { Era } from './era.ts';

/** Who is calling: the name of a verified credential, never anything a message says about itself. */
export type Principal = { readonly name: string };

/** What a caller presented, unverified. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'malformed'; readonly why: string }
  /** Checked already, for this very request. */
  | { readonly kind: 'checked'; readonly proof: SignedIn };

/**
 * Proof that a credential was checked: at the door, before the body was read. The story asks again and is shown this, so
 * that the hash of a key is computed once for each request. `against` is the set of keys it was checked with; when that is
 * no longer the one in force, what was presented is checked anew.
 */
export class SignedIn {
  readonly principal: Principal;
  readonly presented: Exclude<Credentials, { kind: 'checked' }>;
  readonly against: object;

  private constructor(
    principal: Principal,
    presented: Exclude<Credentials, { kind: 'checked' }>,
    against: object,
  ) {
    this.principal = principal;
    this.presented = presented;
    this.against = against;
  }

  /** Only `callers/identify.ts` may call this; `test/architecture.test.ts` holds it to that. */
  static issue(
    principal: Principal,
    presented: Exclude<Credentials, { kind: 'checked' }>,
    against: object,
  ): SignedIn {
    return new SignedIn(principal, presented, against);
  }
}

/** What a client says about itself in `initialize`. Recorded, never trusted. */
export type ClientIdentity = { readonly name: string; readonly version: string };

/**
 * A caller's conversation with one server: in the legacy era a standing one, whose id is ours, random, and worth nothing
 * without the credential; in the modern era one request, which brings along what a session would know.
 */
export type Session = {
  readonly id: string;
  readonly principal: Principal;
  readonly server: string;
  readonly era: Era;
  /** Known once the server has answered `initialize`. */
  readonly agreed: Agreed | undefined;
};

/** What `initialize` settled. */
export type Agreed = {
  readonly protocolVersion: string;
  readonly client: ClientIdentity;
  /** The client's capability names, for example `roots`, `sampling`, `elicitation`. */
  readonly clientCapabilities: readonly string[];
};
