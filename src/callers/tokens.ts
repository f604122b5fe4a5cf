import { hash } from 'node:crypto';
import type { Principal } from '../domain/caller.ts';
import type { Issuer } from '../domain/issuer.ts';
import type { JsonObject } from '../domain/message.ts';
import { Introspector, type IntrospectorParts } from './introspection.ts';
import { IssuerKeys } from './issuers.ts';
import { isFor, readClaims, type Vouched } from './tokens-claims.ts';
import { checkSignature, isNoMatchingKey, type KeySet } from './tokens-keys.ts';
import { checkForm, isReadable, own, readToken, refused } from './tokens-read.ts';

/** Whose token it is, and until when it is good: wall clock, milliseconds since 1970. */
export type TokenOwner = { readonly principal: Principal; readonly untilMs: number };

export type TokenCheckerParts = IntrospectorParts & {
  readonly issuers: readonly Issuer[];
  /** Where clients see us: `https://mcp.example`. */
  readonly publicUrl: string;
};

/** A token that was found good. `keys`: the set that its signature was checked with. */
type Known = Vouched & {
  readonly issuer: Issuer;
  readonly keys: KeySet | undefined;
  readonly lookAgainAtMs: number;
};

const knownMax = 4096;
/** A signature is checked anew after this long, with the keys of that time. */
const signedForMs = 60_000;
/** What an issuer told about a token is asked again after this long. */
const toldForMs = 30_000;

/**
 * Checks access tokens of the issuers that the owner names (OAuth 2.1 section 5.2, RFC 9068, RFC 7662). Tokens themselves are
 * never kept: what is remembered of one that was good is its SHA-256.
 */
export class TokenChecker {
  readonly #parts: TokenCheckerParts;
  readonly #keys: ReadonlyMap<string, { readonly issuer: Issuer; readonly keys: IssuerKeys }>;
  readonly #introspector: Introspector | undefined;
  readonly #known = new Map<string, Known>();
  readonly #underWay = new Map<string, Promise<Known>>();

  constructor(parts: TokenCheckerParts) {
    this.#parts = parts;
    const { issuers, ask, clock } = parts;
    this.#keys = new Map(
      issuers.map((issuer) => [issuer.issuer, { issuer, keys: new IssuerKeys(issuer, ask, clock) }]),
    );
    // One at most, as the configuration sees to: a token must not be shown to an issuer that did not make it.
    const [asked] = issuers.flatMap((it) =>
      it.introspection === undefined ? [] : [[it, it.introspection] as const],
    );
    this.#introspector = asked === undefined ? undefined : new Introspector(...asked, parts);
  }

  /** Whose token this is, when it was found good a moment ago and is for this resource. */
  readonly known = (token: string, resource: string): TokenOwner | undefined => {
    const digest = digestOf(token);
    const found = this.#known.get(digest);
    if (found === undefined) return undefined;
    if (!this.#stands(found)) {
      this.#known.delete(digest);
      return undefined;
    }
    return isFor(found, resource, found.issuer, this.#parts.publicUrl) ? found : undefined;
  };

  /** Whether its issuer has to be asked about this very token, because only it can read it. */
  readonly asks = (token: string): boolean => this.#introspector !== undefined && !isReadable(token);

  /**
   * Whose token this is. Rejects with `UNAUTHENTICATED`, whose detail names the reason and never the token, or with
   * `ISSUER_UNAVAILABLE` where it cannot be told.
   */
  readonly check = async (token: string, resource: string): Promise<TokenOwner> => {
    const digest = digestOf(token);
    const found = await this.#find(token, digest);
    if (!isFor(found, resource, found.issuer, this.#parts.publicUrl))
      throw refused(`the token of ${found.principal.name} is not for ${resource} (aud)`);
    return found;
  };

  /** Who asks about the same token at the same time is given the same answer. */
  #find(token: string, digest: string): Promise<Known> {
    const known = this.#known.get(digest);
    if (known !== undefined && this.#stands(known)) return Promise.resolve(known);
    const underWay = this.#underWay.get(digest);
    if (underWay !== undefined) return underWay;
    const asked = this.#look(token, digest)
      .then((found) => {
        this.#remember(digest, found);
        return found;
      })
      .finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, asked);
    return asked;
  }

  async #look(token: string, digest: string): Promise<Known> {
    checkForm(token);
    if (isReadable(token)) return this.#verify(token);
    if (this.#introspector === undefined) throw refused('neither a key of mcpd nor a JWT');
    const { issuer } = this.#introspector;
    const vouched = await this.#introspector.ask(token, digest);
    return { ...vouched, issuer, keys: undefined, lookAgainAtMs: this.#in(toldForMs) };
  }

  async #verify(token: string): Promise<Known> {
    const { header, claims } = readToken(token);
    const iss = own(claims, 'iss');
    // What the token says chooses among those whom the owner named, and never adds one.
    const by = typeof iss === 'string' ? this.#keys.get(iss) : undefined;
    if (by === undefined) throw refused('the token is of no issuer that is named in mcpd.toml');
    checkHeader(header, by.issuer);
    const set = await this.#checkedWith(token, by.keys, by.issuer);
    const vouched = readClaims(claims, by.issuer, this.#parts.clock.wallMs());
    return { ...vouched, issuer: by.issuer, keys: set, lookAgainAtMs: this.#in(signedForMs) };
  }

  /** The set with which the signature is good. A key that is missing may be new: then the set is asked for once more. */
  async #checkedWith(token: string, keys: IssuerKeys, { algorithms, name }: Issuer): Promise<KeySet> {
    const unknown = refused(`the token is signed with a key that ${name} does not have`);
    const set = await keys.current();
    try {
      await checkSignature(token, set, algorithms);
      return set;
    } catch (reason) {
      if (!isNoMatchingKey(reason)) throw reason;
    }
    const newer = await keys.newerThan(set);
    if (newer === undefined) throw unknown;
    await checkSignature(token, newer, algorithms).catch((reason: unknown) => {
      throw isNoMatchingKey(reason) ? unknown : reason;
    });
    return newer;
  }

  #stands({ issuer, keys, untilMs, lookAgainAtMs }: Known): boolean {
    const { wallMs, steadyMs } = this.#parts.clock;
    if (steadyMs() >= lookAgainAtMs || wallMs() >= untilMs) return false;
    // A key that the issuer took away takes along what it had signed.
    return keys === undefined || keys === this.#keys.get(issuer.issuer)?.keys.set;
  }

  #remember(digest: string, found: Known): void {
    this.#known.delete(digest);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= knownMax && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(digest, found);
  }

  #in(ms: number): number {
    return this.#parts.clock.steadyMs() + ms;
  }
}

function checkHeader(header: JsonObject, { algorithms, types }: Issuer): void {
  const alg = own(header, 'alg');
  if (typeof alg !== 'string' || !algorithms.includes(alg))
    throw refused('the token is signed with an algorithm that is not allowed');
  // An ID token or a logout token of the same issuer is no leave to call anything.
  const typ = own(header, 'typ');
  if (typeof typ !== 'string' || !types.includes(typ.toLowerCase().replace(/^application\//, '')))
    throw refused('the token does not say that it is an access token (typ)');
  // We know no extension, and whoever wrote that one must be understood did not want to be read by those (RFC 7515 4.1.11).
  for (const member of ['crit', 'b64', 'zip', 'enc'])
    if (own(header, member) !== undefined) throw refused(`the header of the token has ${member}`);
}

function digestOf(token: string): string {
  return hash('sha256', token, 'base64url');
}
