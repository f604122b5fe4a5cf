import type { Principal } from '../domain/caller.ts';
import type { Issuer, Scopes } from '../domain/issuer.ts';
import type { JsonObject } from '../domain/message.ts';
import { risks, type Risk } from '../domain/orders.ts';
import { own, refused } from './tokens-read.ts';

/** What an issuer vouches for. `untilMs`: wall clock, milliseconds since 1970. */
export type Vouched = {
  readonly principal: Principal;
  readonly untilMs: number;
  /** Whom the token is for. */
  readonly audiences: readonly string[];
};

/** It stands in records, questions and on terminals, and must look like itself and nothing else. */
const nameForm = /^[\x21-\x7e]{1,128}$/;
const rolesMax = 64;

/**
 * Claims that the issuer has signed or told → the caller they speak of. Throws `UNAUTHENTICATED`, naming the claim that is
 * missing or wrong. Whom the token is for is asked by `isFor`, because one token comes to several addresses.
 */
export function readClaims(claims: JsonObject, issuer: Issuer, nowMs: number): Vouched {
  const untilMs = readTimes(claims, issuer.clockSkewMs, nowMs);
  // A token bound to a key of its client (RFC 9449, RFC 8705) is worth nothing without proof of that key, and we ask for none.
  if (own(claims, 'cnf') !== undefined) throw refused('the token is bound to a key (cnf)');
  const name = own(claims, issuer.caller);
  if (typeof name !== 'string' || !nameForm.test(name))
    throw refused(`the claim ${issuer.caller} does not name a caller`);
  return {
    principal: principalOf(`${issuer.name}:${name}`, claims, issuer),
    untilMs,
    audiences: audiencesOf(claims),
  };
}

/** Whether a token may be used at a resource: to the letter, and no prefix counts, or a token for one would open its neighbour. */
export function isFor({ audiences }: Vouched, resource: string, issuer: Issuer, publicUrl: string): boolean {
  if (audiences.includes(resource)) return true;
  return (
    issuer.audience === 'origin' && (audiences.includes(publicUrl) || audiences.includes(`${publicUrl}/`))
  );
}

/** The classes of tools that scopes open, from the mildest to the gravest. */
export function opened(scopes: Scopes, granted: ReadonlySet<string>): Risk[] {
  const has = (risk: Risk) => scopes[risk] !== undefined && granted.has(scopes[risk]);
  return risks.filter((_, at) => risks.slice(at).some(has));
}

function readTimes(claims: JsonObject, skewMs: number, nowMs: number): number {
  const exp = time(claims, 'exp');
  if (exp === undefined) throw refused('the token does not say when it runs out (exp)');
  if (nowMs >= exp + skewMs) throw refused('the token has run out');
  if ((time(claims, 'nbf') ?? nowMs) > nowMs + skewMs) throw refused('the token is not valid yet (nbf)');
  if ((time(claims, 'iat') ?? nowMs) > nowMs + skewMs)
    throw refused('the token was made in the future (iat)');
  return exp + skewMs;
}

/** A NumericDate (RFC 7519 section 2) in milliseconds. */
function time(claims: JsonObject, claim: string): number | undefined {
  const seconds = own(claims, claim);
  if (seconds === undefined) return undefined;
  if (typeof seconds !== 'number' || !(Math.abs(seconds) < 1e11)) throw refused(`${claim} is no time`);
  return seconds * 1000;
}

function principalOf(name: string, claims: JsonObject, issuer: Issuer): Principal {
  const client = own(claims, 'client_id') ?? own(claims, 'azp');
  const of = typeof client === 'string' && nameForm.test(client) ? ` (client ${client})` : '';
  const roles = rolesOf(claims, issuer);
  const reached = issuer.scopes === undefined ? undefined : opened(issuer.scopes, scopesOf(claims));
  return {
    name,
    via: `token of ${issuer.name}${of}`,
    ...(roles.length === 0 ? {} : { roles }),
    // No scope at all is no reach at all, and not no bound.
    ...(reached === undefined || reached.length === risks.length ? {} : { reach: { risks: reached } }),
  };
}

function rolesOf(claims: JsonObject, { roles }: Issuer): string[] {
  if (roles === undefined) return [];
  const said = new Set(words(own(claims, roles.claim)));
  return roles.allowed.filter((role) => said.has(role)).slice(0, rolesMax);
}

/** `scope` as RFC 9068 has it, or `scp` as some issuers write it, a text or a list. */
function scopesOf(claims: JsonObject): ReadonlySet<string> {
  const said = own(claims, 'scope') ?? own(claims, 'scp');
  return new Set(typeof said === 'string' ? said.split(' ') : words(said));
}

function audiencesOf(claims: JsonObject): string[] {
  return words(own(claims, 'aud'));
}

/** A text, or a list of nothing but texts. */
function words(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && value.every((it) => typeof it === 'string') ? value : [];
}
