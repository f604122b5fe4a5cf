import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Issuer } from '../domain/issuer.ts';
import { readKeySet, type KeySet } from './tokens-keys.ts';

/**
 * Asks an issuer for a JSON value: by POST where a form is given. Rejects with a short reason; the one door for it is
 * `authority.ts`, which goes to the hosts of that issuer only.
 */
export type AskIssuer = (issuer: Issuer, url: string, post?: IssuerForm) => Promise<unknown>;
export type IssuerForm = { readonly form: URLSearchParams; readonly authorization: string };

/** Keys are asked for again after this long: a key that the issuer took away is not believed for longer. */
const freshForMs = 5 * 60_000;
/** No two tries within this, whatever tokens say: a storm of made-up key ids must not become one at the issuer. */
const coolDownMs = 30_000;
/** While the issuer does not answer, its last keys are good for this long. */
const staleForMs = 60 * 60_000;

type Held = { readonly set: KeySet; readonly atMs: number };

/** The keys of one issuer, as they are now. */
export class IssuerKeys {
  readonly #issuer: Issuer;
  readonly #ask: AskIssuer;
  readonly #clock: Clock;
  #held: Held | undefined;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | undefined;
  #discovered: string | undefined;
  #trouble = '';

  constructor(issuer: Issuer, ask: AskIssuer, clock: Clock) {
    this.#issuer = issuer;
    this.#ask = ask;
    this.#clock = clock;
  }

  /** The set that is held now; another object once the issuer's keys are others. */
  get set(): KeySet | undefined {
    return this.#held?.set;
  }

  /** The keys, asked for where they are missing or old. Rejects with `ISSUER_UNAVAILABLE`. */
  async current(): Promise<KeySet> {
    if (this.#age() > freshForMs) await this.#refresh();
    const held = this.#held;
    if (held !== undefined && this.#age() <= staleForMs) return held.set;
    throw new Fault('ISSUER_UNAVAILABLE', {
      detail: `the keys of ${this.#issuer.name} cannot be had: ${this.#trouble}`,
      hint: `see that ${this.#issuer.jwksUri ?? this.#issuer.issuer} can be reached from here`,
    });
  }

  /** Keys that are newer than a set in which one was missing; undefined where it is too soon to ask, or they are the same. */
  async newerThan(set: KeySet): Promise<KeySet | undefined> {
    if (this.#held?.set === set) await this.#refresh();
    const now = this.#held?.set;
    return now === set ? undefined : now;
  }

  #age(): number {
    return this.#held === undefined ? Number.POSITIVE_INFINITY : this.#clock.steadyMs() - this.#held.atMs;
  }

  /** Everybody who waits for keys waits for the same answer. Never rejects: what is held stays. */
  async #refresh(): Promise<void> {
    if (this.#underWay !== undefined) return this.#underWay;
    if (this.#clock.steadyMs() - this.#triedAtMs < coolDownMs) return;
    this.#triedAtMs = this.#clock.steadyMs();
    this.#underWay = this.#load().finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }

  async #load(): Promise<void> {
    try {
      const set = readKeySet(await this.#ask(this.#issuer, await this.#place()));
      // The same keys are the same set, so that what was checked with them stays checked.
      const same = this.#held?.set.text === set.text ? this.#held.set : set;
      this.#held = { set: same, atMs: this.#clock.steadyMs() };
    } catch (reason) {
      this.#trouble = reason instanceof Error ? reason.message : 'unknown';
      // It may have moved; its metadata is asked again the next time.
      this.#discovered = undefined;
    }
  }

  async #place(): Promise<string> {
    const { jwksUri } = this.#issuer;
    if (jwksUri !== undefined) return jwksUri;
    this.#discovered ??= await this.#discover();
    return this.#discovered;
  }

  /** RFC 8414 section 3, and where OpenID Connect Discovery has it. The first that is there counts. */
  async #discover(): Promise<string> {
    const { issuer } = this.#issuer;
    let trouble: unknown;
    for (const url of metadataPlaces(issuer)) {
      let metadata: unknown;
      try {
        metadata = await this.#ask(this.#issuer, url);
      } catch (reason) {
        trouble = reason;
        continue;
      }
      return jwksUriIn(metadata, issuer);
    }
    throw trouble instanceof Error ? trouble : new Error('no metadata');
  }
}

/** Where the metadata of an issuer may be, in the order in which it is looked for. */
export function metadataPlaces(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const inserted = ['oauth-authorization-server', 'openid-configuration'].map(
    (it) => `${origin}/.well-known/${it}${path}`,
  );
  return path === '' ? inserted : [...inserted, `${origin}${path}/.well-known/openid-configuration`];
}

function jwksUriIn(metadata: unknown, issuer: string): string {
  const said = metadata as { readonly issuer?: unknown; readonly jwks_uri?: unknown } | null;
  if (said?.issuer !== issuer) throw new Error('its metadata is that of another issuer');
  const uri = said.jwks_uri;
  // Metadata that somebody else could write must not lead us to an address of their choice.
  if (typeof uri !== 'string' || URL.parse(uri)?.origin !== new URL(issuer).origin)
    throw new Error('its metadata names keys on another host; write jwks_uri');
  return uri;
}
