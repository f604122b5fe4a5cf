/** A real authorization server on loopback, whose one user signs in and agrees by following the redirects. */
import { generateKeyPairSync } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import Provider, { type Context } from 'oidc-provider';

export const redirectUri = 'http://127.0.0.1:9/callback';
export const scopes = { read: 'mcp:read', write: 'mcp:write', destructive: 'mcp:destructive' };
/** For whoever asks about tokens, or for tokens of its own. */
export const machine = { client_id: 'machine', client_secret: 'a machine has a secret of its own' };

export type AuthorizationServerOptions = {
  /** `opaque`: tokens that only the server can read. */
  readonly tokens?: 'jwt' | 'opaque';
  /** What the user agrees to of what a client asks for; everything unless the test says otherwise. */
  readonly agrees?: (scope: string) => boolean;
};

export class AuthorizationServer implements AsyncDisposable {
  readonly issuer: string;
  /** Method and path of each request. */
  readonly asked: string[] = [];
  readonly #close: () => Promise<void>;

  private constructor(issuer: string, close: () => Promise<void>) {
    this.issuer = issuer;
    this.#close = close;
  }

  static async start(options: AuthorizationServerOptions = {}): Promise<AuthorizationServer> {
    let answer: (req: IncomingMessage, res: ServerResponse) => void = (_, res) => res.writeHead(503).end();
    const http = createServer((req, res) => answer(req, res));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const server = new AuthorizationServer(issuer, async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    });
    const provider = new Provider(issuer, configurationFrom(options));
    const callback = provider.callback();
    answer = (req, res) => {
      server.asked.push(`${req.method} ${(req.url ?? '').split('?')[0]}`);
      if (req.url === '/reg') return void withoutScope(req).then(() => callback(req, res));
      if (!(req.url ?? '').startsWith('/interaction/')) return callback(req, res);
      provider
        .interactionFinished(req, res, { login: { accountId: 'alice' }, consent: {} })
        .catch((reason: unknown) => res.writeHead(500).end(String(reason)));
    };
    return server;
  }

  /** What the browser of the user does with the address that a client sends it to: the code that comes back. */
  async authorize(address: URL): Promise<URLSearchParams> {
    const cookies = new Map<string, string>();
    let at = address;
    for (let hops = 0; hops < 10; hops++) {
      if (at.href.startsWith(redirectUri)) return at.searchParams;
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await fetch(at, { redirect: 'manual', headers: { cookie } });
      for (const set of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
        cookies.set(name, value);
      }
      const location = response.headers.get('location');
      if (location === null)
        throw new Error(`${at.pathname}: HTTP ${response.status} ${(await response.text()).slice(0, 500)}`);
      at = new URL(location, at);
    }
    throw new Error('too many redirects');
  }

  /** A token for a machine, without a user (RFC 6749 section 4.4). */
  async machineToken(resource: string, scope: string): Promise<string> {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...machine, grant_type: 'client_credentials', resource, scope }),
    });
    const answer = (await response.json()) as { access_token?: string };
    if (answer.access_token === undefined) throw new Error(JSON.stringify(answer));
    return answer.access_token;
  }

  async revoke(token: string): Promise<void> {
    await fetch(`${this.issuer}/token/revocation`, {
      method: 'POST',
      body: new URLSearchParams({ ...machine, token }),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

/**
 * Official clients register with the scope of the first challenge, and this server would hold them to it for good; then nobody
 * could ever ask for more. So they are registered without.
 */
async function withoutScope(req: IncomingMessage & { body?: unknown }): Promise<void> {
  const metadata = (await json(req)) as Record<string, unknown>;
  delete metadata['scope'];
  req.body = metadata;
}

function configurationFrom({ tokens = 'jwt', agrees = () => true }: AuthorizationServerOptions): object {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'one' }] },
    clients: [
      {
        ...machine,
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        token_endpoint_auth_method: 'client_secret_post',
      },
    ],
    ttl: { ClientCredentials: 600, Interaction: 60, Session: 60, Grant: 600, IdToken: 600 },
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    cookies: { keys: ['only for tests'] },
    scopes: ['openid', ...Object.values(scopes)],
    findAccount: (_: Context, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    interactions: { url: (_: Context, { uid }: { uid: string }) => `/interaction/${uid}` },
    // The user is asked nothing: what was asked for is what is agreed to.
    loadExistingGrant: async ({ oidc: { client, session, params, provider } }: Context) => {
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      const wanted = (params.scope ?? '').split(' ');
      grant.addOIDCScope(wanted.join(' '));
      for (const resource of [params.resource ?? []].flat())
        grant.addResourceScope(resource, wanted.filter(agrees).join(' '));
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_: Context, resource: string) => ({
          scope: Object.values(scopes).join(' '),
          audience: resource,
          accessTokenTTL: 600,
          accessTokenFormat: tokens,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  };
}
