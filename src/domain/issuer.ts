import type { Risk } from './orders.ts';

/** Whom the owner believes about callers: an OAuth 2.1 authorization server, as `[oauth.NAME]` in mcpd.toml describes it. */
export type Issuer = {
  /** The owner's word for it. A caller that it vouches for is called `NAME:` and what the token says. */
  readonly name: string;
  /** What `iss` must say, to the letter (RFC 9207, RFC 8414 section 3.3). */
  readonly issuer: string;
  /** Where its keys are. Undefined: where its own metadata says, on the same host. */
  readonly jwksUri: string | undefined;
  /** Signatures that are believed; all of them by key pairs. */
  readonly algorithms: readonly string[];
  /** What the `typ` header may say, lower case: `at+jwt` (RFC 9068), `jwt`. */
  readonly types: readonly string[];
  readonly clockSkewMs: number;
  /** The claim that names the caller. */
  readonly caller: string;
  /** The claim that lists roles, and which of them are believed. */
  readonly roles: { readonly claim: string; readonly allowed: readonly string[] } | undefined;
  /** `endpoint`: a token is for one address. `origin`: one for the whole of mcpd is good everywhere. */
  readonly audience: 'endpoint' | 'origin';
  /** For tokens that nobody but the issuer can read (RFC 7662). */
  readonly introspection: Introspection | undefined;
  /** The scope for each class of tool. Undefined: a token is good for every class. */
  readonly scopes: Scopes | undefined;
  /** Whether it may be reached at an address that is not public. */
  readonly privateNetwork: boolean;
};

export type Introspection = {
  readonly url: string;
  readonly clientId: string;
  /** A secret reference. */
  readonly clientSecret: string;
};

/** A graver scope includes the milder. A class without a scope of its own is opened by a graver one only. */
export type Scopes = Readonly<Partial<Record<Risk, string>>>;
