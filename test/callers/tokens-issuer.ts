/** An issuer of tokens in the test's own hands: it makes good ones and bad ones, and counts what it is asked. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { CompactSign, exportJWK, type JWK } from 'jose';
import type { AskIssuer } from '../../src/callers/issuers.ts';
import { TokenChecker } from '../../src/callers/tokens.ts';
import type { Issuer } from '../../src/domain/issuer.ts';

export const issuerUrl = 'https://auth.example';
export const publicUrl = 'https://mcp.example';
export const resource = `${publicUrl}/servers/notes/mcp`;
/** Wall clock at the beginning, milliseconds since 1970. */
export const beginMs = Date.UTC(2026, 10, 21, 12);

export const corp: Issuer = {
  name: 'corp',
  issuer: issuerUrl,
  jwksUri: `${issuerUrl}/jwks`,
  algorithms: ['ES256', 'RS256'],
  types: ['at+jwt', 'jwt'],
  clockSkewMs: 30_000,
  caller: 'sub',
  roles: undefined,
  audience: 'endpoint',
  introspection: undefined,
  scopes: undefined,
  privateNetwork: false,
};

export type Pair = { readonly privateKey: KeyObject; readonly publicKey: KeyObject; readonly kid: string };

export function pair(kid: string, kind: 'ec' | 'rsa' = 'ec'): Pair {
  const made =
    kind === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...made, kid };
}

export async function publicJwk({ publicKey, kid }: Pair, more: JWK = {}): Promise<JWK> {
  return { ...(await exportJWK(publicKey)), kid, use: 'sig', ...more };
}

export const goodClaims = {
  iss: issuerUrl,
  sub: 'alice',
  aud: resource,
  client_id: 'a-client',
  iat: beginMs / 1000,
  exp: beginMs / 1000 + 3600,
};

export type Signing = {
  readonly by?: Pair;
  readonly header?: Record<string, unknown>;
  /** Instead of claims: the text of the payload, as it stands. */
  readonly text?: string;
};

/** A token that is good but for what the test says. A claim that is undefined is left out. */
export async function token(
  by: Pair,
  claims: Record<string, unknown> = {},
  { header = {}, text }: Signing = {},
): Promise<string> {
  const alg = by.publicKey.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256';
  const payload = Buffer.from(text ?? JSON.stringify({ ...goodClaims, ...claims }));
  const whole = { alg, kid: by.kid, typ: 'at+jwt', ...header };
  const crit = Object.fromEntries(((header['crit'] ?? []) as string[]).map((it) => [it, true]));
  return new CompactSign(payload).setProtectedHeader(whole).sign(by.privateKey, { crit });
}

export const encoded = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** The house's side: a checker with a clock that only the test moves, and an issuer that answers what the test says. */
export class Bench {
  readonly asked: string[] = [];
  readonly forms: URLSearchParams[] = [];
  readonly checker: TokenChecker;
  /** Address → the answer, or what goes wrong. */
  readonly answers = new Map<string, unknown>();
  nowMs = 0;
  secret: () => Promise<string> = () => Promise.resolve('s:ecret');

  constructor(issuers: readonly Issuer[] = [corp]) {
    const ask: AskIssuer = async (_, url, post) => {
      this.asked.push(url);
      if (post !== undefined) this.forms.push(post.form);
      await Promise.resolve();
      const answer = this.answers.get(url);
      if (answer === undefined) throw new Error('HTTP 404');
      if (answer instanceof Error) throw answer;
      return structuredClone(answer);
    };
    this.checker = new TokenChecker({
      issuers,
      publicUrl,
      ask,
      secretOf: () => this.secret(),
      clock: { wallMs: () => beginMs + this.nowMs, steadyMs: () => this.nowMs },
    });
  }

  async publishes(...keys: readonly Pair[]): Promise<this> {
    this.answers.set(`${issuerUrl}/jwks`, { keys: await Promise.all(keys.map((it) => publicJwk(it))) });
    return this;
  }

  /** Who it is, or why nobody: the detail of the refusal. */
  async who(token: string, at = resource): Promise<string> {
    try {
      return (await this.checker.check(token, at)).principal.name;
    } catch (reason) {
      return `${(reason as { code?: string }).code}: ${(reason as Error).message}`;
    }
  }
}
