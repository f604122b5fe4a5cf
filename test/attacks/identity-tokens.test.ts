// Tokens that are almost good, a cache that must not mix them up, and a crowd at the door.
import assert from 'node:assert/strict';
import { generateKeyPairSync, createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { say, textIn } from '../eras/raw.ts';
import { initialize, post, rule, serving, TestDaemon } from '../support/daemon.ts';
import { HandMade, scopes } from './identity-issuer.ts';

const policy = `sharing = "all"\n${rule('allow', ['echo'], 'callers = ["corp:alice", "tester"]')}`;

describe('tokens of an issuer that is believed', () => {
  let issuer: HandMade;
  let daemon: TestDaemon;
  before(async () => {
    issuer = await HandMade.start();
    daemon = await TestDaemon.start({
      servers: { fx: serving('answers', policy), other: serving('answers', policy) },
      daemon: `trusted_proxies = ["127.0.0.1"]\n${issuer.toml()}`,
    });
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    await issuer[Symbol.asyncDispose]();
  });

  const resource = (server: string) => `${daemon.url}/servers/${server}/mcp`;
  const hall = () => `${daemon.url}/mcp`;
  /** Each from an address of its own, so that none is slowed down for what another got wrong. */
  let places = 0;
  const place = (): string => `10.0.${(++places >> 8) & 255}.${places & 255}`;
  const status = async (token: string, path: string, from = place()): Promise<number> => {
    const { status: it, body } = await fetch(daemon.url + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'x-forwarded-for': from,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify(initialize()),
    });
    await body?.cancel();
    return it;
  };

  it('a token that is known at one address is nothing at any other, whichever was first', async () => {
    const forFx = await issuer.token(resource('fx'), scopes.read);
    const forHall = await issuer.token(hall(), scopes.read);
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(
        await Promise.all(
          ['/servers/fx/mcp', '/servers/other/mcp', '/mcp', '/mcp?servers=fx'].map((it) => status(forFx, it)),
        ),
        [200, 401, 401, 401],
      );
      assert.deepEqual(
        await Promise.all(
          ['/mcp', '/mcp?servers=fx', '/servers/fx/mcp', '/servers/other/mcp'].map((it) =>
            status(forHall, it),
          ),
        ),
        [200, 200, 401, 401],
      );
    }
    const elsewhere = await issuer.token(resource('other'), scopes.read);
    const all = await Promise.all(
      Array.from({ length: 16 }, (_, at) =>
        status(elsewhere, at % 2 === 0 ? '/servers/fx/mcp' : '/servers/other/mcp'),
      ),
    );
    assert.deepEqual(
      all,
      Array.from({ length: 16 }, (_, at) => (at % 2 === 0 ? 401 : 200)),
    );
  });

  it('who is for an address is told to the letter', async () => {
    const { port } = daemon;
    for (const near of [
      `${resource('fx')}/`,
      `${resource('fx')}?`,
      `${resource('fx')}#x`,
      resource('fx').toUpperCase(),
      resource('fx').replace('http', 'https'),
      resource('fx').replace('127.0.0.1', 'localhost'),
      resource('fx').replace('127.0.0.1', '127.1'),
      resource('fx').replace(`:${port}`, `:0${port}`),
      resource('fx').replace('//', '//u@'),
      resource('f'),
      resource('fx%78'),
      ` ${resource('fx')}`,
      daemon.url,
      `${daemon.url}/`,
      'mcpd',
      '*',
      '',
    ])
      assert.equal(await status(await issuer.token(near, scopes.read), '/servers/fx/mcp'), 401, near);
    for (const odd of [
      undefined,
      null,
      7,
      {},
      [[resource('fx')]],
      { 0: resource('fx') },
      [resource('fx'), 7],
    ])
      assert.equal(
        await status(await issuer.token(odd, scopes.read), '/servers/fx/mcp'),
        401,
        JSON.stringify(odd),
      );
    assert.equal(
      await status(await issuer.token([hall(), resource('fx')], scopes.read), '/servers/fx/mcp'),
      200,
    );
  });

  it('an issuer that begins or ends like ours, and a key that the token brings along, are strangers', async () => {
    const { issuer: iss } = issuer;
    const aud = resource('fx');
    for (const near of [
      `${iss}/`,
      `${iss}.evil.example`,
      `${iss}@evil.example`,
      iss.toUpperCase(),
      ` ${iss}`,
      [iss],
      { iss },
      '',
      null,
      '__proto__',
      'constructor',
    ])
      assert.equal(
        await status(await issuer.token(aud, scopes.read, { iss: near }), '/servers/fx/mcp'),
        401,
        JSON.stringify(near),
      );
    const mine = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = mine.publicKey.export({ format: 'jwk' });
    const before = issuer.asked.length;
    for (const header of [
      { jwk },
      { kid: 'one', jku: `${iss}/mine` },
      { kid: '../../etc/passwd' },
      { kid: 'two' },
      { kid: '' },
      { kid: '__proto__' },
      { kid: 7 },
      { kid: ['one'] },
      { x5u: `${iss}/mine`, x5c: ['AAAA'] },
      { typ: 'JWT', cty: 'JWT' },
    ])
      assert.equal(
        await status(await issuer.token(aud, scopes.read, {}, header, mine.privateKey), '/servers/fx/mcp'),
        401,
        JSON.stringify(header),
      );
    assert.ok(
      issuer.asked.slice(before).every((path) => path === '/jwks'),
      'no address of the token was asked',
    );
    // The public key as a shared secret, in each form in which somebody might have it.
    for (const secret of [
      issuer.publicKey.export({ type: 'spki', format: 'pem' }),
      issuer.publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(issuer.publicKey.export({ format: 'jwk' })),
    ]) {
      const [head, body] = [
        { alg: 'HS256', kid: 'one', typ: 'at+jwt' },
        { iss, sub: 'alice', aud, exp: 4_000_000_000 },
      ].map((it) => Buffer.from(JSON.stringify(it)).toString('base64url'));
      const signed = createHmac('sha256', secret).update(`${head}.${body}`).digest('base64url');
      assert.equal(await status(`${head}.${body}.${signed}`, '/servers/fx/mcp'), 401);
    }
  });

  it('a name that a token claims is never the name of a key', async () => {
    for (const sub of [
      'tester',
      'corp:alice',
      'anyone',
      '../tester',
      'alice,tester',
      'ALICE',
      'alice\u0000',
      'alice ',
      '*',
    ])
      assert.notEqual(
        textIn(
          await say(
            daemon,
            'fx',
            'tools/call',
            { name: 'echo', arguments: { text: 'let in' } },
            { key: await issuer.token(resource('fx'), scopes.destructive, { sub }) },
          ),
        ),
        'let in',
        sub,
      );
    const alice = await issuer.token(resource('fx'), scopes.destructive);
    const call = { name: 'echo', arguments: { text: 'let in' } };
    assert.equal(textIn(await say(daemon, 'fx', 'tools/call', call, { key: alice })), 'let in');
  });

  it('half a scope is none, and a scope of another class opens no more than its own', async () => {
    for (const scope of [
      'mcp:',
      'mcp:rea',
      'mcp:read,mcp:write',
      'MCP:WRITE',
      'mcp:write2',
      'mcp:read\tmcp:all',
      '',
    ]) {
      const key = await issuer.token(resource('fx'), scope);
      const told = await say(daemon, 'fx', 'tools/call', { name: 'echo', arguments: { text: 'x' } }, { key });
      assert.equal(told.status, 403, `${scope}: ${textIn(told)}`);
    }
  });

  it('a crowd of bad tokens from the same address keeps no good one out', async () => {
    const forged = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const bad = await Promise.all(
      Array.from({ length: 60 }, (_, at) =>
        issuer.token(resource('fx'), scopes.read, { jti: `bad ${at}` }, {}, forged),
      ),
    );
    const from = place();
    for (const token of bad) await status(token, '/servers/fx/mcp', from);
    // New ones, each seen for the first time, while the crowd goes on.
    for (let at = 0; at < 4; at++) {
      const good = await issuer.token(resource('fx'), scopes.read, { jti: `good ${at}` });
      const [, mine] = await Promise.all([
        status(bad[at] ?? '', '/servers/fx/mcp', from),
        status(good, '/servers/fx/mcp', from),
      ]);
      assert.equal(mine, 200, `good token ${at}`);
    }
    assert.equal((await post(daemon, 'fx', daemon.key, undefined, initialize())).status, 200);
  });
});
