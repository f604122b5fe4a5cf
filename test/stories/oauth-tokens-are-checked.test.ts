// A token opens one server, for as long as it is good, and for the classes of tools that its scopes name.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { AuthorizationServer, machine, scopes } from '../support/authorization-server.ts';
import { initialize, post, rule, serving, TestDaemon, TestSession } from '../support/daemon.ts';

const classes =
  '[tools.read_file]\nrisk = "read"\neffect = "none"\n[tools.write_file]\nrisk = "write"\neffect = "a file"\n';
const policy = rule('allow', ['read_file', 'write_file'], 'callers = ["corp:machine", "tester"]') + classes;
const wellKnown = '/.well-known/oauth-protected-resource';

const oauth = (issuer: string, more = ''): string => `[oauth.corp]
issuer = "${issuer}"
caller = "client_id"
${more}[oauth.corp.scopes]
read = "${scopes.read}"
write = "${scopes.write}"
`;

describe('tokens are checked', () => {
  let authority: AuthorizationServer;
  let daemon: TestDaemon;
  const resource = (server: string) => `${daemon.url}/servers/${server}/mcp`;
  const metadata = (server: string) => `${daemon.url}${wellKnown}/servers/${server}/mcp`;
  const get = (path: string, init: RequestInit = {}) => fetch(daemon.url + path, init);
  before(async () => {
    authority = await AuthorizationServer.start();
    const servers = { fx: serving('answers', policy), other: serving('answers', policy) };
    daemon = await TestDaemon.start({ servers, daemon: oauth(authority.issuer) });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    await authority[Symbol.asyncDispose]();
  });

  it('metadata is told to anyone, at every address alike, and says nothing of which servers there are', async () => {
    for (const [path, named] of [
      [`${wellKnown}/servers/fx/mcp`, resource('fx')],
      [`${wellKnown}/servers/never-was/mcp`, resource('never-was')],
      [`${wellKnown}/mcp`, `${daemon.url}/mcp`],
      [wellKnown, `${daemon.url}/mcp`],
    ] as const) {
      const response = await get(path);
      assert.equal(response.status, 200, path);
      const said = (await response.json()) as Record<string, unknown>;
      assert.equal(said['resource'], named);
      assert.deepEqual(said['authorization_servers'], [authority.issuer]);
      assert.deepEqual(said['scopes_supported'], [scopes.read]);
      const head = await get(path, { method: 'HEAD' });
      assert.equal(head.headers.get('content-length'), response.headers.get('content-length'));
      assert.equal((await get(path, { method: 'POST' })).status, 405);
    }
    for (const path of [`${wellKnown}/`, `${wellKnown}/servers/FX/mcp`, `${wellKnown}/servers/fx/mcp/`])
      assert.equal((await get(path)).status, 401, path);
  });

  it('a page of another site is not told', async () => {
    const response = await get(wellKnown, { headers: { origin: 'https://evil.example' } });
    assert.equal(response.status, 403);
  });

  it('a 401 says where to get a token, and only to a bad one that it is bad', async () => {
    const without = await post(daemon, 'fx', undefined, undefined, initialize());
    assert.equal(without.status, 401);
    const expected = `Bearer realm="mcpd", scope="${scopes.read}", resource_metadata="${metadata('fx')}"`;
    assert.equal(without.headers.get('www-authenticate'), expected);
    for (const bad of ['a.b.c', 'opaque', await authority.machineToken(resource('other'), scopes.read)]) {
      const { status, headers } = await post(daemon, 'fx', bad, undefined, initialize());
      assert.equal(status, 401);
      assert.equal(
        headers.get('www-authenticate'),
        expected.replace(', scope', ', error="invalid_token", scope'),
      );
    }
    const hall = await get('/mcp');
    assert.match(hall.headers.get('www-authenticate') ?? '', /oauth-protected-resource\/mcp"/);
  });

  it('a token in the address is no token', async () => {
    const token = await authority.machineToken(resource('fx'), scopes.read);
    const response = await get(`/servers/fx/mcp?access_token=${token}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify(initialize()),
    });
    assert.notEqual(response.status, 200);
    assert.equal((await get(`/servers/fx/mcp?access_token=${token}`)).status, 401);
    assert.ok(!daemon.log().includes(token));
  });

  it('a token reads at its own server, and is told what it lacks to write', async () => {
    const key = await authority.machineToken(resource('fx'), scopes.read);
    const session = await TestSession.open(daemon, 'fx', { key });
    assert.match(await session.text('read_file', { path: 'a' }), /content of a/);
    const refused = await session.call('write_file', { path: 'a' });
    assert.equal(refused.status, 403);
    assert.equal(
      refused.headers.get('www-authenticate'),
      `Bearer realm="mcpd", error="insufficient_scope", scope="${scopes.write}", resource_metadata="${metadata('fx')}"`,
    );
    const wider = await authority.machineToken(resource('fx'), scopes.write);
    const { status } = await post(daemon, 'fx', wider, session.id, {
      jsonrpc: '2.0',
      id: 9,
      method: 'tools/call',
      params: { name: 'write_file', arguments: { path: 'a' } },
    });
    assert.equal(status, 200, 'the same caller goes on in its session with a better token');
  });

  it("a key is good beside it, and its session is not a token's", async () => {
    const mine = await daemon.session('fx');
    assert.match(await mine.text('write_file', { path: 'a' }), /ok/);
    const token = await authority.machineToken(resource('fx'), scopes.write);
    const stolen = await post(daemon, 'fx', token, mine.id, { jsonrpc: '2.0', id: 1, method: 'tools/list' });
    assert.equal(stolen.status, 404);
  });

  it("a reload of the keys ends no token's session", async () => {
    const key = await authority.machineToken(resource('fx'), scopes.read);
    const session = await TestSession.open(daemon, 'fx', { key });
    await daemon.ctl('reload-keys');
    assert.match(await session.text('read_file', { path: 'a' }), /content of a/);
  });
});

describe('an issuer that is not there', () => {
  it('keeps out tokens, and neither keys nor the start of mcpd', async () => {
    const authority = await AuthorizationServer.start();
    const { issuer } = authority;
    await using daemon = await TestDaemon.start({
      servers: { fx: serving('answers', policy) },
      daemon: oauth(issuer),
    });
    const token = await authority.machineToken(`${daemon.url}/servers/fx/mcp`, scopes.read);
    await authority[Symbol.asyncDispose]();
    const { status, headers, body } = await post(daemon, 'fx', token, undefined, initialize());
    assert.equal(status, 503);
    assert.equal(body.error?.code, 1513);
    assert.ok(Number(headers.get('retry-after')) > 0);
    assert.match(daemon.log(), /the keys of corp cannot be had: 127\.0\.0\.1:\d+ cannot be reached/);
    assert.match(await (await daemon.session('fx')).text('read_file', { path: 'a' }), /content of a/);
  });
});

describe('tokens that only their issuer can read', () => {
  it('are asked about, with a secret that is nowhere else, and end when they are revoked', async () => {
    await using authority = await AuthorizationServer.start({ tokens: 'opaque' });
    const introspection = `introspection = { url = "${authority.issuer}/token/introspection", client_id = "${machine.client_id}", client_secret = "file:corp.secret" }\n`;
    await using daemon = await TestDaemon.start({
      servers: { fx: serving('answers', policy) },
      daemon: oauth(authority.issuer, introspection),
      prepare: ({ policies }) =>
        writeFileSync(join(policies, 'corp.secret'), machine.client_secret, { mode: 0o600 }),
    });
    const resource = `${daemon.url}/servers/fx/mcp`;
    const token = await authority.machineToken(resource, scopes.read);
    assert.doesNotMatch(token, /\./);
    const session = await TestSession.open(daemon, 'fx', { key: token });
    assert.match(await session.text('read_file', { path: 'a' }), /content of a/);
    const asked = authority.asked.filter((it) => it.endsWith('/introspection')).length;
    assert.equal(asked, 1, 'once, whatever was done with it in these seconds');

    const elsewhere = await authority.machineToken(`${daemon.url}/servers/other/mcp`, scopes.read);
    assert.equal((await post(daemon, 'fx', elsewhere, undefined, initialize())).status, 401);
    const revoked = await authority.machineToken(resource, scopes.read);
    await authority.revoke(revoked);
    assert.equal((await post(daemon, 'fx', revoked, undefined, initialize())).status, 401);
    for (const secret of [machine.client_secret, token]) {
      assert.ok(!daemon.log().includes(secret));
      assert.ok(!JSON.stringify(await daemon.audit()).includes(secret));
    }
  });
});
