import type { Era } from './era.ts';
import type { Pattern, Risk } from './orders.ts';

/** Who is calling: the name of a verified credential, never anything a message says about itself. */
export type Principal = {
  readonly name: string;
  /** Which credential said so, for the audit: `key AbCd1234`, `token of corp`, `certificate 1f0a…`, `user 1000`. */
  readonly via?: string;
  /** Roles that the credential brings along, besides those that `[roles]` gives the name. */
  readonly roles?: readonly string[];
  /** What the credential opens of what the policy gives this name. Absent: all of it. */
  readonly reach?: Reach;
};

/** Bounds of a credential. They narrow what the policy allows and never widen it. */
export type Reach = {
  /** Servers by name. */
  readonly servers?: readonly Pattern[] | undefined;
  /** Tools as `server/tool`. Where it is given, resources, prompts and everything else that rules open are closed. */
  readonly tools?: readonly Pattern[] | undefined;
  /** Classes of tools; resources and prompts count as `read`, unknown methods as `destructive`. A caller may ask for more. */
  readonly risks?: readonly Risk[] | undefined;
};

/** What a caller presented, unverified. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'malformed'; readonly why: string }
  /** The certificate that the TLS handshake has verified (RFC 8446 section 4.4.2), and what else was presented. */
  | {
      readonly kind: 'certificate';
      readonly certificate: PeerCertificate;
      readonly and: Extract<Credentials, { kind: 'none' | 'bearer' | 'malformed' }>;
    }
  /** The user at the other end of a Unix socket, as the kernel says. */
  | { readonly kind: 'user'; readonly uid: number }
  /** Checked already, for this very request. */
  | { readonly kind: 'checked'; readonly proof: SignedIn };

/** What a certificate says of its holder. Each name with its kind in front: `uri:`, `dns:`, `email:`, `subject:`. */
export type PeerCertificate = {
  readonly names: readonly string[];
  /** SHA-256 of the whole certificate, 64 hex digits. */
  readonly sha256: string;
  /** Wall clock, milliseconds since 1970: when it runs out. */
  readonly untilMs: number;
};

/**
 * Proof that a credential was checked: at the door, before the body was read. The story asks again and is shown this, so
 * that the hash of a key is computed once for each request. `against` is the set of keys it was checked with; when that is
 * no longer the one in force, what was presented is checked anew.
 */
export class SignedIn {
  readonly principal: Principal;
  readonly presented: Exclude<Credentials, { kind: 'checked' }>;
  readonly against: object;
  /** Wall clock, milliseconds since 1970: when the credential runs out. Infinity: never by itself. */
  readonly untilMs: number;

  private constructor(
    principal: Principal,
    presented: Exclude<Credentials, { kind: 'checked' }>,
    against: object,
    untilMs: number,
  ) {
    this.principal = principal;
    this.presented = presented;
    this.against = against;
    this.untilMs = untilMs;
  }

  /** Only `callers/identify.ts` may call this; `test/architecture.test.ts` holds it to that. */
  static issue(
    principal: Principal,
    presented: Exclude<Credentials, { kind: 'checked' }>,
    against: object,
    untilMs = Number.POSITIVE_INFINITY,
  ): SignedIn {
    return new SignedIn(principal, presented, against, untilMs);
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
