import type { z } from 'zod';
import type { Issuer, Scopes } from '../domain/issuer.ts';
import { risks } from '../domain/orders.ts';
import { readReference, referenceForms } from '../domain/secret-reference.ts';
import type { Complaints } from './complain.ts';
import { quote } from './complaint.ts';
import { choice, duration, list, named, said, table, text, words, yesOrNo } from './fields.ts';
import { fromHere } from './reference.ts';

/** Signatures by key pairs (RFC 7518, RFC 8037, RFC 9864). With a shared secret (HS…) or none, whoever checks could sign. */
const algorithms = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
] as const;
const types = ['at+jwt', 'JWT'] as const;

const place = (what: string) =>
  text(`${what} such as "https://auth.example"; http only for this machine`, (written) =>
    isPlace(written) ? written : undefined,
  );
const scope = text('a scope: characters without spaces, quotes and \\', (written) =>
  /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/.test(written) && written !== 'offline_access' ? written : undefined,
);
const claim = words('the name of a claim', 256);
const origin = text(
  'an address such as "https://mcp.example"; no path, and http only for this machine',
  (written) => (isPlace(written) && URL.parse(written)?.origin === written ? written : undefined),
);

/** What this adds to `[listen]`. */
export const publicUrlShape = said(
  origin.optional(),
  'The address that clients use, where it is another than that of the listener.',
);

/** One `[oauth.NAME]`. */
const issuerShape = table(
  {
    issuer: said(
      place('the address of the issuer, to the letter,'),
      'Who makes the tokens: what `iss` says.',
    ),
    jwks_uri: said(
      place('the address of its keys').optional(),
      "Where its keys are. Absent: where the issuer's own metadata says.",
    ),
    algorithms: said(
      list(choice(algorithms), 'a list of algorithms', algorithms.length).default(['ES256', 'RS256']),
      'Signatures that are believed.',
    ),
    token_types: said(
      list(choice(types), 'a list of "at+jwt" and "JWT"', 2).default([...types]),
      'What the header `typ` may say.',
    ),
    clock_skew: said(duration('0ms', '60s').prefault('30s'), 'How far its clock and ours may differ.'),
    caller: said(claim.default('sub'), 'The claim that names the caller: it is called NAME:CLAIM.'),
    roles: said(claim.optional(), 'The claim that lists roles.'),
    roles_allowed: said(
      list(words('a role', 64), 'a list of roles', 64).default([]),
      'Roles that are believed when that claim lists them.',
    ),
    audience: said(
      choice(['endpoint', 'origin']).default('endpoint'),
      'endpoint: a token is good for one address. origin: one for public_url is good for all.',
    ),
    introspection: said(
      table({
        url: said(place('an address'), 'Where the issuer is asked about tokens that only it can read.'),
        client_id: said(words('a client id', 256), 'Who asks.'),
        client_secret: said(
          text(referenceForms, (written) => (readReference(written) === undefined ? undefined : written)),
          'Its secret: a reference.',
        ),
      }).optional(),
      'For tokens that are no JWT (RFC 7662).',
    ),
    scopes: said(
      table({
        read: said(scope.optional(), 'Opens tools that only read.'),
        write: said(scope.optional(), 'Opens tools that write, and those that read.'),
        destructive: said(scope.optional(), 'Opens every class of tools.'),
      }).optional(),
      'Class of tool → the scope that opens it and the milder ones.',
    ),
    private_network: said(
      yesOrNo.default(false),
      'Whether the issuer may be at an address that is not public.',
    ),
  },
  'a table [oauth.NAME]',
);

/** The shape of `[oauth]` in mcpd.toml. */
export const oauthShape = named(issuerShape, 'tables [oauth.NAME]');

const issuersMax = 16;

/** What was written, as the house works with it; whatever does not fit is complained about. */
export function oauthIssuers(
  written: z.output<typeof oauthShape>,
  folder: string,
  complaints: Complaints,
): readonly Issuer[] {
  const entries = Object.entries(written);
  if (entries.length > issuersMax)
    complaints.aboutKey(['oauth'], `${String(entries.length)} issuers`, `at most ${String(issuersMax)}`);
  const issuers = entries.map(([name, one]) => issuerOf(name, one, folder, complaints));
  for (const [at, { name, issuer, introspection }] of issuers.entries()) {
    const before = issuers.slice(0, at);
    if (before.some((it) => it.issuer === issuer))
      complaints.about(['oauth', name, 'issuer'], 'two tables for one issuer', 'one table');
    // A token that nobody can read says nothing of who made it, and must not be shown to somebody else.
    if (introspection !== undefined && before.some((it) => it.introspection !== undefined))
      complaints.aboutKey(
        ['oauth', name, 'introspection'],
        'two issuers would be asked about the same tokens',
        'introspection at one issuer',
      );
    const first = issuers[0]?.scopes;
    if (risks.some((risk) => issuers[at]?.scopes?.[risk] !== first?.[risk]))
      complaints.aboutKey(
        ['oauth', name],
        'issuers name their scopes differently, so clients cannot be told which to ask for',
        'the same [scopes] for all issuers',
        undefined,
        'warning',
      );
  }
  return issuers;
}

function issuerOf(
  name: string,
  one: z.output<typeof issuerShape>,
  folder: string,
  complaints: Complaints,
): Issuer {
  const at = ['oauth', name];
  if (!/^[a-z0-9-]{1,32}$/.test(name))
    complaints.aboutKey(at, `bad name of an issuer ${quote(name)}`, '1 to 32 of a-z, 0-9 and -');
  if (new URL(one.issuer).search !== '')
    complaints.about([...at, 'issuer'], 'an issuer has no query (RFC 8414 section 2)', 'its address alone');
  for (const key of ['algorithms', 'token_types'] as const)
    if (one[key].length === 0) complaints.about([...at, key], 'no token would be believed', 'at least one');
  if ((one.roles === undefined) !== (one.roles_allowed.length === 0))
    complaints.aboutKey(
      one.roles === undefined ? [...at, 'roles_allowed'] : [...at, 'roles'],
      'a claim that lists roles, and the roles that are believed, go together',
      'both roles and roles_allowed, or neither',
    );
  return {
    name,
    issuer: one.issuer,
    jwksUri: one.jwks_uri,
    algorithms: one.algorithms,
    types: one.token_types.map((it) => it.toLowerCase()),
    clockSkewMs: one.clock_skew,
    caller: one.caller,
    roles: one.roles === undefined ? undefined : { claim: one.roles, allowed: one.roles_allowed },
    audience: one.audience,
    introspection:
      one.introspection === undefined
        ? undefined
        : {
            url: one.introspection.url,
            clientId: one.introspection.client_id,
            clientSecret:
              fromHere(one.introspection.client_secret, folder) ?? one.introspection.client_secret,
          },
    scopes: scopesOf(one.scopes, at, complaints),
    privateNetwork: one.private_network,
  };
}

function scopesOf(
  written: z.output<typeof issuerShape>['scopes'],
  at: readonly string[],
  complaints: Complaints,
): Scopes | undefined {
  if (written === undefined) return undefined;
  const named = risks.filter((risk) => written[risk] !== undefined);
  if (named.length === 0)
    complaints.aboutKey([...at, 'scopes'], 'no token would open anything', 'a scope for "read" at least');
  // Two classes with one scope are no two classes: whoever is given the milder has the graver.
  if (new Set(named.map((risk) => written[risk])).size !== named.length)
    complaints.aboutKey([...at, 'scopes'], 'two classes share one scope', 'a scope for each class');
  return Object.fromEntries(named.map((risk) => [risk, written[risk] as string]));
}

function isPlace(written: string): boolean {
  const url = URL.parse(written);
  if (url === null || written.length > 2048 || /[\s"\\#]/.test(written)) return false;
  if (url.username !== '' || url.password !== '') return false;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isHere = host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isHere);
}
