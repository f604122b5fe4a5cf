import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusedInDaemon } from './refused.ts';
import { loadDaemon, plainDaemon, said } from './scratch.ts';

const issuer = '[oauth.corp]\nissuer = "https://auth.example"\n';

test('an issuer has documented defaults', (t) => {
  const loaded = loadDaemon(t, plainDaemon + issuer);
  assert.ok(loaded.ok, said(loaded).join('\n'));
  assert.deepEqual(loaded.daemon.oauth, [
    {
      name: 'corp',
      issuer: 'https://auth.example',
      jwksUri: undefined,
      algorithms: ['ES256', 'RS256'],
      types: ['at+jwt', 'jwt'],
      clockSkewMs: 30_000,
      caller: 'sub',
      roles: undefined,
      audience: 'endpoint',
      introspection: undefined,
      scopes: undefined,
      privateNetwork: false,
    },
  ]);
  assert.equal(loaded.daemon.listen.publicUrl, undefined);
});

test('everything that can be said about an issuer is read', (t) => {
  const loaded = loadDaemon(
    t,
    `${plainDaemon}public_url = "https://mcp.example"
[oauth.corp]
issuer = "http://127.0.0.1:4000/realms/a"
jwks_uri = "https://keys.example/jwks?v=1"
algorithms = ["Ed25519"]
token_types = ["at+jwt"]
clock_skew = "60s"
caller = "client_id"
roles = "https://corp.example/groups"
roles_allowed = ["writers"]
audience = "origin"
introspection = { url = "https://auth.example/introspect", client_id = "mcpd", client_secret = "file:corp.secret" }
private_network = true
[oauth.corp.scopes]
read = "mcp:read"
destructive = "mcp:destructive"
`,
  );
  assert.ok(loaded.ok, said(loaded).join('\n'));
  const [one] = loaded.daemon.oauth;
  assert.deepEqual(one?.scopes, { read: 'mcp:read', destructive: 'mcp:destructive' });
  assert.deepEqual(one?.roles, { claim: 'https://corp.example/groups', allowed: ['writers'] });
  assert.deepEqual(one?.types, ['at+jwt']);
  assert.match(one?.introspection?.clientSecret ?? '', /^file:\/.*\/corp\.secret$/);
  assert.equal(loaded.daemon.listen.publicUrl, 'https://mcp.example');
});

test('two issuers that name their scopes differently are warned about', (t) => {
  const scopes = (name: string) => `[oauth.${name}.scopes]\nread = "${name}"\n`;
  const two = `${issuer}${scopes('corp')}[oauth.two]\nissuer = "https://two.example"\n${scopes('two')}`;
  const loaded = loadDaemon(t, plainDaemon + two);
  assert.ok(loaded.ok);
  assert.match(said(loaded).join('\n'), /issuers name their scopes differently/);
});

const introspection = (url: string) =>
  `introspection = { url = "${url}", client_id = "a", client_secret = "keychain:a" }\n`;

refusedInDaemon([
  ['an issuer in the clear', '[oauth.corp]\nissuer = "http://auth.example"\n', /:4:10.*"issuer".*https/s],
  ['an issuer with a query', '[oauth.corp]\nissuer = "https://auth.example?a=b"\n', /:4:10.*no query/s],
  ['an issuer with a password', '[oauth.corp]\nissuer = "https://a:b@auth.example"\n', /:4:10.*"issuer"/s],
  ['no issuer', '[oauth.corp]\ncaller = "sub"\n', /missing key "issuer"/],
  ['the algorithm none', `${issuer}algorithms = ["none"]\n`, /:5:15.*bad value for "algorithms"/s],
  ['an algorithm with a shared secret', `${issuer}algorithms = ["RS256", "HS256"]\n`, /:5:24.*"algorithms"/s],
  ['no algorithm', `${issuer}algorithms = []\n`, /:5:14.*no token would be believed/s],
  ['a token type of another kind', `${issuer}token_types = ["id+jwt"]\n`, /:5:16.*"token_types"/s],
  ['a skew of two minutes', `${issuer}clock_skew = "2m"\n`, /:5:14.*"clock_skew"/s],
  ['a key address in the clear', `${issuer}jwks_uri = "http://auth.example/jwks"\n`, /:5:12.*"jwks_uri"/s],
  ['a file as key address', `${issuer}jwks_uri = "file:///etc/passwd"\n`, /:5:12.*"jwks_uri"/s],
  ['roles without those that are believed', `${issuer}roles = "groups"\n`, /:5:1.*go together/s],
  ['believed roles without a claim', `${issuer}roles_allowed = ["a"]\n`, /:5:1.*go together/s],
  [
    'a secret in the open',
    `${issuer}${introspection('https://a.example').replace('keychain:a', 'hunter2')}`,
    /:5:.*"client_secret"/s,
  ],
  ['empty scopes', `${issuer}[oauth.corp.scopes]\n`, /:5:.*no token would open anything/s],
  [
    'two classes with one scope',
    `${issuer}[oauth.corp.scopes]\nread = "a"\nwrite = "a"\n`,
    /:5:.*share one scope/s,
  ],
  ['tokens that never end', `${issuer}[oauth.corp.scopes]\nread = "offline_access"\n`, /:6:8.*a scope/s],
  ['a scope with a space', `${issuer}[oauth.corp.scopes]\nread = "a b"\n`, /:6:8.*a scope/s],
  ['a scope that ends its quotes', `${issuer}[oauth.corp.scopes]\nread = 'a"b'\n`, /:6:8.*a scope/s],
  [
    'two tables for one issuer',
    `${issuer}[oauth.two]\nissuer = "https://auth.example"\n`,
    /:6:10.*two tables for one issuer/s,
  ],
  [
    'two who would be shown the same tokens',
    `${issuer}${introspection('https://a.example')}[oauth.two]\nissuer = "https://two.example"\n${introspection('https://b.example')}`,
    /asked about the same tokens/,
  ],
  ['a name with a colon', '[oauth."a:b"]\nissuer = "https://auth.example"\n', /bad name of an issuer/],
  ['a public address with a path', 'public_url = "https://mcp.example/a"\n', /:3:14.*"public_url"/s],
  ['a public address in the clear', 'public_url = "http://mcp.example"\n', /:3:14.*"public_url"/s],
]);
