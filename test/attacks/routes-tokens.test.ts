// Access tokens at every route: only one of the right issuer, for this very address, in time, is let in. The metadata that
// says where to get one is there for everybody, and says the same of every server.
import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { routes } from '../../src/front/routes.ts';
import { readOr, serving, TestDaemon, until } from '../support/daemon.ts';
import { ask, never, plain, tellsNothing } from './stranger.ts';

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const [good, foreign] = [pair(), pair()];
const open =
  '[[rule]]\nname = "alice"\nverdict = "allow"\ntools = ["*"]\ncallers = ["corp:alice", "tester"]\n';
const closed = routes.filter(({ wants, where }) => wants === 'credential' && where === 'always');
const metadata = routes.filter(({ to }) => to === 'metadata');

let issuer: Server;
let daemon: TestDaemon;
let iss: string;
before(async () => {
  issuer = createServer((_req, res) => {
    const jwk = { ...good.publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'ES256', use: 'sig' };
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  iss = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  const server = (name: string) =>
    serving('answers', `sharing = "all"\n[env]\nFX_RAW = "$DIR/${name}.raw"\n${open}`);
  daemon = await TestDaemon.start({
    servers: { fx: server('fx'), shared: server('shared') },
    daemon: `[oauth.corp]\nissuer = "${iss}"\njwks_uri = "${iss}/jwks"\nalgorithms = ["ES256"]\nprivate_network = true\n`,
  });
});
after(async () => {
  await daemon[Symbol.asyncDispose]();
  issuer.closeAllConnections();
  issuer.close();
});

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);
const claims = (server = 'fx') => ({
  iss,
  sub: 'alice',
  aud: `${daemon.url}/servers/${server}/mcp`,
  iat: now() - 10,
  exp: now() + 600,
  client_id: 'tests',
});
const header = { alg: 'ES256', typ: 'at+jwt', kid: 'one' };

function token(payload: object, head: object = header, key: KeyObject = good.privateKey): string {
  const text = `${part(head)}.${part(payload)}`;
  const made = `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  // A token may reach no server, no log and no file either.
  daemon.canaries?.addKey(made);
  return made;
}

function hmac(payload: object, head: object, secret: string): string {
  const text = `${part(head)}.${part(payload)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

const heard = (server: string) => readOr(join(daemon.dir, `${server}.raw`), '');
const bearer = (it: string) => ({ headers: [`Authorization: Bearer ${it}`] });

/** Name → a token that is good in all but one thing. */
function badTokens(): [string, string][] {
  const { exp: _exp, ...endless } = claims();
  const { sub: _sub, ...nameless } = claims();
  const { aud: _aud, ...aimless } = claims();
  const pem = good.publicKey.export({ format: 'pem', type: 'spki' }).toString();
  const fine = token(claims());
  const [head = '', body = '', signature = ''] = fine.split('.');
  return [
    ['of another issuer', token({ ...claims(), iss: 'https://other.example' })],
    ['of an issuer with a slash more', token({ ...claims(), iss: `${iss}/` })],
    ['for another server', token(claims('shared'))],
    ['for the origin', token({ ...claims(), aud: daemon.url })],
    ['for an address with a slash more', token({ ...claims(), aud: `${claims().aud}/` })],
    ['for somebody else', token({ ...claims(), aud: 'https://other.example' })],
    ['for nobody', token(aimless)],
    ['that is over', token({ ...claims(), iat: now() - 1000, exp: now() - 300 })],
    ['that never ends', token(endless)],
    ['that ends as a text', token({ ...claims(), exp: String(now() + 600) })],
    ['that is not good yet', token({ ...claims(), nbf: now() + 300 })],
    ['of no one', token(nameless)],
    ['of somebody who is no text', token({ ...claims(), sub: ['alice'] })],
    ['of another kind', token(claims(), { ...header, typ: 'dpop+jwt' })],
    ['signed by another key', token(claims(), header, foreign.privateKey)],
    ['of a key that nobody knows', token(claims(), { ...header, kid: 'two' }, foreign.privateKey)],
    [
      'that brings its own key',
      token(claims(), { ...header, jwk: foreign.publicKey.export({ format: 'jwk' }) }, foreign.privateKey),
    ],
    ['that says where its key is', token(claims(), { ...header, jku: `${iss}/other` }, foreign.privateKey)],
    ['with an extension that must be understood', token(claims(), { ...header, crit: ['x'], x: 1 })],
    ['signed by nobody', `${part({ ...header, alg: 'none' })}.${part(claims())}.`],
    ['signed with the public key', hmac(claims(), { ...header, alg: 'HS256' }, pem)],
    ['without its signature', `${head}.${body}.`],
    ['with two parts', `${head}.${body}`],
    ['with another body', `${head}.${part({ ...claims(), sub: 'tester' })}.${signature}`],
  ];
}

describe('a token', () => {
  it('that is wrong in one thing opens no route, and is told where the metadata is', async () => {
    for (const [name, bad] of badTokens())
      for (const { shape } of closed)
        for (const method of ['GET', 'POST', 'DELETE']) {
          const reply = await ask(daemon.port, method, shape.replace('NAME', 'fx'), bearer(bad));
          const what = `${method} ${shape} with a token ${name}: ${reply.status} ${reply.body}`;
          assert.equal(reply.status, 401, what);
          tellsNothing(what, reply);
          const challenge = reply.headers.get('www-authenticate') ?? '';
          assert.match(challenge, /error="invalid_token"/, what);
          assert.match(
            challenge,
            /resource_metadata="http:\/\/127\.0\.0\.1:\d+\/\.well-known\/[a-z/-]+\/mcp"/,
            what,
          );
        }
    assert.ok(!heard('fx').includes(never));
  });

  it('that is good opens the one address it is for, in the header and nowhere else', async () => {
    const fine = token(claims());
    const reply = await ask(daemon.port, 'POST', '/servers/fx/mcp', bearer(fine), 'with-a-token');
    assert.equal(reply.status, 200, reply.body);
    await until('it is heard', () => heard('fx').includes('with-a-token'));
    for (const path of ['/servers/shared/mcp', '/servers/nobody/mcp', '/mcp'])
      assert.equal((await ask(daemon.port, 'POST', path, bearer(fine))).status, 401, path);
    for (const bad of [
      { headers: [], query: `access_token=${fine}` },
      { headers: [`Cookie: access_token=${fine}`] },
      { headers: [`X-Access-Token: ${fine}`] },
      { headers: [`Authorization: DPoP ${fine}`] },
      { headers: [`Authorization: Bearer ${fine} x`] },
    ])
      assert.equal((await ask(daemon.port, 'POST', '/servers/fx/mcp', bad)).status, 401, bad.headers.join());
    for (const server of ['fx', 'shared']) assert.ok(!heard(server).includes(never), server);
  });

  it('of a caller that the policy does not name finds nothing', async () => {
    const told = [];
    for (const name of ['fx', 'nobody']) {
      const bob = token({ ...claims(name), sub: 'bob' });
      told.push(plain(await ask(daemon.port, 'POST', `/servers/${name}/mcp`, bearer(bob)), name));
    }
    assert.deepEqual(told[0], told[1]);
    // The name of a key's owner in a token is another name.
    const named = token({ ...claims(), sub: 'tester' });
    await ask(daemon.port, 'POST', '/servers/fx/mcp', bearer(named));
    assert.ok(!heard('fx').includes(never));
  });
});

describe('the metadata', () => {
  it('is there for everybody by GET and HEAD, whatever they bring, and the same for every name', async () => {
    for (const { shape } of metadata)
      for (const credential of [{ headers: [] }, bearer('x'), bearer(daemon.key)]) {
        const told = [];
        for (const name of ['fx', 'shared', 'nobody']) {
          const reply = await ask(daemon.port, 'GET', shape.replace('NAME', name), credential);
          assert.equal(reply.status, 200, shape);
          const document = JSON.parse(reply.body) as Record<string, unknown>;
          assert.deepEqual(document['authorization_servers'], [iss]);
          told.push(plain(reply, name));
        }
        for (const one of told) assert.deepEqual(one, told[0], shape);
        const head = await ask(daemon.port, 'HEAD', shape.replace('NAME', 'fx'), credential);
        assert.deepEqual([head.status, head.body], [200, '']);
        for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])
          assert.equal(
            (await ask(daemon.port, method, shape.replace('NAME', 'fx'), credential)).status,
            405,
            method,
          );
      }
  });

  it('is at no other address', async () => {
    const base = '/.well-known/oauth-protected-resource';
    for (const path of [
      `${base}/`,
      `${base}/servers`,
      `${base}/servers/fx`,
      `${base}/servers/FX/mcp`,
      `${base}/../keys`,
      `/mcp${base}`,
    ])
      assert.ok([401, 404].includes((await ask(daemon.port, 'GET', path, { headers: [] })).status), path);
  });
});
