import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Introspection, Issuer } from '../domain/issuer.ts';
import type { JsonObject } from '../domain/message.ts';
import type { AskIssuer } from './issuers.ts';
import { readClaims, type Vouched } from './tokens-claims.ts';
import { own, refused } from './tokens-read.ts';

export type IntrospectorParts = {
  readonly ask: AskIssuer;
  /** The client secret. Rejects with `SECRET_UNAVAILABLE`. */
  readonly secretOf: (issuer: Issuer) => Promise<string>;
  readonly clock: Clock;
};

/** Questions to one issuer at once. */
const underWayMax = 32;
/** Tokens that were no good lately; the issuer is not asked about them again. */
const refusedMax = 1024;
const refusedForMs = 10_000;

/** Asks an issuer about tokens that only it can read (RFC 7662). */
export class Introspector {
  readonly issuer: Issuer;
  readonly #at: Introspection;
  readonly #parts: IntrospectorParts;
  readonly #refused = new Map<string, { readonly untilMs: number; readonly fault: Fault }>();
  #underWay = 0;

  constructor(issuer: Issuer, at: Introspection, parts: IntrospectorParts) {
    this.issuer = issuer;
    this.#at = at;
    this.#parts = parts;
  }

  /** `digest` stands for the token in what is remembered. Rejects with `UNAUTHENTICATED` or `ISSUER_UNAVAILABLE`. */
  async ask(token: string, digest: string): Promise<Vouched> {
    const lately = this.#refused.get(digest);
    if (lately !== undefined && this.#parts.clock.steadyMs() < lately.untilMs) throw lately.fault;
    if (this.#underWay >= underWayMax) throw this.#unavailable('too many questions wait for its answer');
    this.#underWay++;
    try {
      return this.#read(await this.#answer(token));
    } catch (reason) {
      if (reason instanceof Fault && reason.code === 'UNAUTHENTICATED') this.#remember(digest, reason);
      throw reason;
    } finally {
      this.#underWay--;
    }
  }

  async #answer(token: string): Promise<JsonObject> {
    const { url, clientId } = this.#at;
    const form = new URLSearchParams({ token, token_type_hint: 'access_token' });
    let answer: unknown;
    try {
      const secret = await this.#parts.secretOf(this.issuer);
      answer = await this.#parts.ask(this.issuer, url, { form, authorization: basic(clientId, secret) });
    } catch (reason) {
      throw this.#unavailable(reason instanceof Error ? reason.message : 'unknown');
    }
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer))
      throw this.#unavailable('its answer is not an object');
    return answer as JsonObject;
  }

  #read(answer: JsonObject): Vouched {
    // Nothing but the word itself: a text "false" would be as good as true to a careless reader.
    if (own(answer, 'active') !== true) throw refused('its issuer says that the token is not active');
    const iss = own(answer, 'iss');
    if (iss !== undefined && iss !== this.issuer.issuer) throw refused('the token is of another issuer');
    const type = own(answer, 'token_type');
    if (type !== undefined && !(typeof type === 'string' && /^bearer$/i.test(type)))
      throw refused('the token is not a bearer token');
    const vouched = readClaims(answer, this.issuer, this.#parts.clock.wallMs());
    // The issuer has told by its own clock that the token is good; ours gives it nothing on top.
    return { ...vouched, untilMs: vouched.untilMs - this.issuer.clockSkewMs };
  }

  #remember(digest: string, fault: Fault): void {
    this.#refused.delete(digest);
    const [oldest] = this.#refused.keys();
    if (this.#refused.size >= refusedMax && oldest !== undefined) this.#refused.delete(oldest);
    this.#refused.set(digest, { untilMs: this.#parts.clock.steadyMs() + refusedForMs, fault });
  }

  #unavailable(why: string): Fault {
    return new Fault('ISSUER_UNAVAILABLE', {
      detail: `${this.issuer.name} cannot be asked about a token: ${why}`,
      hint: `see that ${this.#at.url} can be reached from here, and that client_id and client_secret are right`,
    });
  }
}

/** RFC 6749 section 2.3.1: both are written as in a form before they are joined. */
function basic(clientId: string, secret: string): string {
  const written = [clientId, secret].map((it) => new URLSearchParams({ it }).toString().slice('it='.length));
  return `Basic ${Buffer.from(written.join(':')).toString('base64')}`;
}
