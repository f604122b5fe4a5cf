// Official clients find out by themselves how to sign in, get a token for one server, and ask for more when a tool needs it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { AuthorizationServer, redirectUri, scopes } from '../support/authorization-server.ts';
import { generations, type Generation } from '../support/clients.ts';
import { rawEnv, rule, serving, TestDaemon } from '../support/daemon.ts';

const classes = `${rawEnv}[tools.read_file]
risk = "read"
effect = "none"
[tools.write_file]
risk = "write"
effect = "a file"
[tools.delete_file]
risk = "destructive"
effect = "a file less"
`;
const toAlice = rule('allow', ['read_file', 'write_file', 'delete_file'], 'callers = ["corp:alice"]');

/** What a client keeps of its user's sign-in: the part that an application writes, alike in both generations. */
class Wallet {
  redirected: URL | undefined;
  #client: { client_id: string } | undefined;
  #tokens: { access_token: string; token_type: string; scope?: string | undefined } | undefined;
  #verifier = '';
  #discovery: unknown;

  get redirectUrl(): string {
    return redirectUri;
  }
  get clientMetadata() {
    return {
      client_name: 'official',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      application_type: 'native' as const,
    };
  }
  clientInformation = () => this.#client;
  saveClientInformation = (client: { client_id: string }) => void (this.#client = client);
  tokens = () => this.#tokens;
  saveTokens = (tokens: { access_token: string; token_type: string; scope?: string | undefined }) =>
    void (this.#tokens = tokens);
  redirectToAuthorization = (url: URL) => void (this.redirected = url);
  saveCodeVerifier = (verifier: string) => void (this.#verifier = verifier);
  codeVerifier = () => this.#verifier;
  saveDiscoveryState = (state: unknown) => void (this.#discovery = state);
  discoveryState = () => this.#discovery;
}

type Signed = {
  readonly call: (tool: string) => Promise<string>;
  readonly finish: (answer: URLSearchParams) => Promise<void>;
  readonly open: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** One generation's client at one address; opened as often as it takes. */
function clientOf(generation: Generation, url: URL, wallet: Wallet): Signed {
  const info = { name: 'official', version: '1' };
  // The wallet does what both interfaces ask; their types differ in members that it does not have.
  const authProvider = wallet as never;
  const params = (name: string) => ({ name, arguments: { path: 'a.txt' } });
  if (generation === 'v1') {
    let [client, transport] = [new ClientV1(info), new TransportV1(url, { authProvider })];
    return {
      open: () => {
        [client, transport] = [new ClientV1(info), new TransportV1(url, { authProvider })];
        return client.connect(transport);
      },
      finish: (answer) => transport.finishAuth(answer.get('code') ?? ''),
      call: async (name) => JSON.stringify(await client.callTool(params(name))),
      close: () => client.close(),
    };
  }
  const mode = {
    versionNegotiation: { mode: generation === 'v2' ? ('legacy' as const) : ('auto' as const) },
  };
  let [client, transport] = [new ClientV2(info, mode), new TransportV2(url, { authProvider })];
  return {
    open: () => {
      [client, transport] = [new ClientV2(info, mode), new TransportV2(url, { authProvider })];
      return client.connect(transport);
    },
    finish: (answer) => transport.finishAuth(answer),
    call: async (name) => JSON.stringify(await client.callTool(params(name))),
    close: () => client.close(),
  };
}

describe('official clients sign in with OAuth', () => {
  let authority: AuthorizationServer;
  let daemon: TestDaemon;
  before(async () => {
    authority = await AuthorizationServer.start();
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', `${toAlice}${classes}`) },
      daemon: `[oauth.corp]
issuer = "${authority.issuer}"
[oauth.corp.scopes]
read = "${scopes.read}"
write = "${scopes.write}"
destructive = "${scopes.destructive}"
`,
    });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    await authority[Symbol.asyncDispose]();
  });

  for (const generation of generations)
    for (const path of ['/servers/fx/mcp', '/mcp?servers=fx'])
      it(`${generation}, at ${path}: from nothing to a call, and from reading to writing`, async () => {
        const wallet = new Wallet();
        const client = clientOf(generation, new URL(daemon.url + path), wallet);
        const prefix = path.startsWith('/mcp') ? 'fx__' : '';
        /** The user's part: the browser goes where the client sends it, and comes back with a code. */
        const userAgrees = async (): Promise<string> => {
          assert.ok(wallet.redirected, 'the client sends its user to the authorization server');
          const { searchParams } = wallet.redirected;
          assert.equal(searchParams.get('resource'), daemon.url + (path.split('?')[0] ?? ''));
          await client.finish(await authority.authorize(wallet.redirected));
          wallet.redirected = undefined;
          return searchParams.get('scope') ?? '';
        };

        await assert.rejects(client.open(), /Unauthorized/i);
        assert.equal(await userAgrees(), scopes.read, 'no more than is needed to begin');
        await client.open();
        assert.match(await client.call(`${prefix}read_file`), /content of a.txt/);

        await assert.rejects(client.call(`${prefix}write_file`), /Unauthorized/i);
        assert.ok((await userAgrees()).split(' ').includes(scopes.write));
        assert.match(await client.call(`${prefix}write_file`), /"ok"/);
        assert.match(
          await client.call(`${prefix}read_file`),
          /content of a.txt/,
          'the graver scope reads as well',
        );

        await assert.rejects(client.call(`${prefix}delete_file`), /Unauthorized/i);
        assert.ok((await userAgrees()).split(' ').includes(scopes.destructive));
        assert.match(await client.call(`${prefix}delete_file`), /"ok"/);
        await client.close();
      });

  it('the journal says whose token it was, and nothing that a child reads holds one', async () => {
    const records = JSON.stringify(await daemon.audit());
    assert.match(records, /"corp:alice"/);
    assert.match(records, /token of corp \(client /);
    for (const [where, text] of [
      ['the journal', records],
      ['the child', daemon.raw()],
      ['the log', daemon.log()],
    ] as const)
      assert.doesNotMatch(text, /eyJ[\w-]+\.eyJ/, where);
    assert.match(daemon.raw(), /read_file/, 'the child did read calls');
  });
});
