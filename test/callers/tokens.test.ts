import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { exportSPKI } from 'jose';
import {
  beginMs,
  Bench,
  corp,
  encoded,
  goodClaims,
  issuerUrl,
  pair,
  publicJwk,
  publicUrl,
  resource,
  token,
} from './tokens-issuer.ts';

const ec = pair('ec-1');
const rsa = pair('rsa-1', 'rsa');
const stranger = pair('ec-1');
const now = beginMs / 1000;
const bench = () => new Bench().publishes(ec, rsa);
const parts = async () => (await token(ec)).split('.') as [string, string, string];

describe('a token that is good', () => {
  for (const by of [ec, rsa])
    it(`names its caller, signed by ${by.kid}`, async () => {
      const house = await bench();
      const found = await house.checker.check(await token(by), resource);
      assert.deepEqual(found.principal, { name: 'corp:alice', via: 'token of corp (client a-client)' });
      assert.equal(found.untilMs, (now + 3600) * 1000 + 30_000);
    });

  it('may say "JWT", and several audiences', async () => {
    const house = await bench();
    const one = await token(ec, { aud: ['https://other.example', resource] }, { header: { typ: 'JWT' } });
    assert.equal(await house.who(one), 'corp:alice');
  });

  it('is known at once the second time, for its own resource only, and no longer than it is good', async () => {
    const house = await bench();
    const one = await token(ec, { exp: now + 20 });
    assert.equal(house.checker.known(one, resource), undefined);
    await house.checker.check(one, resource);
    assert.equal(house.checker.known(one, resource)?.principal.name, 'corp:alice');
    assert.equal(house.checker.known(one, `${publicUrl}/mcp`), undefined);
    assert.match(await house.who(one, `${publicUrl}/mcp`), /is not for https:\/\/mcp\.example\/mcp/);
    house.nowMs = 49_999;
    assert.equal(house.checker.known(one, resource)?.principal.name, 'corp:alice');
    house.nowMs = 50_000;
    assert.equal(house.checker.known(one, resource), undefined);
    assert.match(await house.who(one), /has run out/);
  });

  it('is asked about once when it comes many times at once', async () => {
    const house = await bench();
    const one = await token(ec);
    const all = await Promise.all(Array.from({ length: 50 }, () => house.who(one)));
    assert.deepEqual(new Set(all), new Set(['corp:alice']));
    assert.equal(house.asked.length, 1);
  });
});

/** Each with one thing wrong, and what the operator reads about it. */
const bad: readonly (readonly [what: string, make: () => Promise<string>, why: RegExp])[] = [
  [
    'alg none',
    async () => `${encoded({ alg: 'none', typ: 'at+jwt' })}.${(await parts())[1]}.AA`,
    /algorithm/,
  ],
  [
    'alg none without a signature',
    async () => `${encoded({ alg: 'none' })}.${(await parts())[1]}.`,
    /without a signature/,
  ],
  [
    'alg NONE',
    async () => `${encoded({ alg: 'NONE', typ: 'at+jwt' })}.${(await parts())[1]}.AA`,
    /algorithm/,
  ],
  ['HS256 with the RSA public key', async () => hmacWith(await exportSPKI(rsa.publicKey)), /algorithm/],
  ['HS256 with the public JWK', async () => hmacWith(JSON.stringify(await publicJwk(rsa))), /algorithm/],
  ['an empty signature', async () => (await parts()).with(2, '').join('.'), /without a signature/],
  [
    'a signature of zeroes',
    async () => (await parts()).with(2, encoded('\0'.repeat(64))).join('.'),
    /signature/,
  ],
  [
    "another token's signature",
    async () => (await parts()).with(2, (await token(ec, { sub: 'bob' })).split('.')[2] as string).join('.'),
    /signature/,
  ],
  [
    'other claims under the same signature',
    async () => (await parts()).with(1, encoded({ ...goodClaims, sub: 'root' })).join('.'),
    /signature/,
  ],
  ["a stranger's signature under a known kid", () => token(stranger), /signature/],
  [
    'a kid that nobody has',
    () => token(ec, {}, { header: { kid: 'other' } }),
    /a key that corp does not have/,
  ],
  [
    'the kid of another kind of key',
    () => token(ec, {}, { header: { kid: 'rsa-1' } }),
    /a key that corp does not have/,
  ],
  [
    'a kid that is a path',
    () => token(ec, {}, { header: { kid: '../../dev/null' } }),
    /a key that corp does not have/,
  ],
  [
    'an embedded key',
    async () => token(stranger, {}, { header: { kid: 'mine', jwk: await publicJwk(stranger) } }),
    /a key that corp does not have/,
  ],
  [
    'an embedded key under a known kid',
    async () => token(stranger, {}, { header: { jwk: await publicJwk(stranger) } }),
    /signature/,
  ],
  ['crit', () => token(ec, {}, { header: { crit: ['exp'], exp: 1 } }), /has crit/],
  ['b64 false', () => token(ec, {}, { header: { b64: true } }), /has b64/],
  ['typ of an ID token of some issuers', () => token(ec, {}, { header: { typ: 'id+jwt' } }), /typ/],
  ['typ of a logout token', () => token(ec, {}, { header: { typ: 'logout+jwt' } }), /typ/],
  ['no typ', () => token(ec, {}, { header: { typ: undefined } }), /typ/],
  ['another issuer', () => token(ec, { iss: 'https://evil.example' }), /of no issuer/],
  ['an issuer with a slash more', () => token(ec, { iss: `${issuerUrl}/` }), /of no issuer/],
  ['no issuer', () => token(ec, { iss: undefined }), /of no issuer/],
  ['a list of issuers', () => token(ec, { iss: [issuerUrl] }), /of no issuer/],
  ['no audience', () => token(ec, { aud: undefined }), /is not for/],
  ["another server's audience", () => token(ec, { aud: `${publicUrl}/servers/mail/mcp` }), /is not for/],
  ['an audience that only begins alike', () => token(ec, { aud: `${resource}/x` }), /is not for/],
  ['an audience that ours begins with', () => token(ec, { aud: publicUrl }), /is not for/],
  ['the audience in other letters', () => token(ec, { aud: resource.toUpperCase() }), /is not for/],
  ['the audience with a query', () => token(ec, { aud: `${resource}?a` }), /is not for/],
  ['an audience in a list in a list', () => token(ec, { aud: [[resource]] }), /is not for/],
  ['an audience beside something that is no text', () => token(ec, { aud: [resource, 1] }), /is not for/],
  ['an audience as an object', () => token(ec, { aud: { [resource]: true } }), /is not for/],
  ['exp in the past', () => token(ec, { exp: now - 30 }), /has run out/],
  ['no exp', () => token(ec, { exp: undefined }), /does not say when it runs out/],
  ['exp as a text', () => token(ec, { exp: String(now + 60) }), /exp is no time/],
  [
    'exp at infinity',
    () => token(ec, {}, { text: JSON.stringify(goodClaims).replace(/"exp":\d+/, '"exp":1e999') }),
    /exp is no time/,
  ],
  ['nbf in the future', () => token(ec, { nbf: now + 31 }), /not valid yet/],
  ['iat in the future', () => token(ec, { iat: now + 31 }), /made in the future/],
  ['nobody', () => token(ec, { sub: undefined }), /does not name a caller/],
  ['a caller that is no text', () => token(ec, { sub: 7 }), /does not name a caller/],
  ['a caller that is empty', () => token(ec, { sub: '' }), /does not name a caller/],
  ['a caller that rewrites a terminal', () => token(ec, { sub: 'al\u001b[2Kice' }), /does not name a caller/],
  ['a caller that looks like another', () => token(ec, { sub: '\u0430lice' }), /does not name a caller/],
  ['a bound token', () => token(ec, { cnf: { jkt: 'x' } }), /bound to a key/],
  [
    'a claim twice',
    () => token(ec, {}, { text: JSON.stringify(goodClaims).replace('{', `{"sub":"root",`) }),
    /claims of the token/,
  ],
  [
    'a claim twice, once with an escape',
    () => token(ec, {}, { text: JSON.stringify(goodClaims).replace('{', '{"s\\u0075b":"root",') }),
    /claims of the token/,
  ],
  ['claims that are no object', () => token(ec, {}, { text: '[]' }), /claims of the token/],
  [
    'claims that are not UTF-8',
    async () => [(await parts())[0], Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url'), 'AA'].join('.'),
    /claims of the token/,
  ],
  [
    'a header with a member twice',
    async () => (await parts()).with(0, encoded('{"alg":"none","alg":"ES256"}')).join('.'),
    /header of the token/,
  ],
  [
    'deep claims',
    () => token(ec, {}, { text: `${'{"a":'.repeat(40)}1${'}'.repeat(40)}` }),
    /claims of the token/,
  ],
  ['another spelling of the signature', respelt, /signature of the token is not base64url/],
  ['padding', async () => `${await token(ec)}=`, /neither a key of mcpd nor a JWT/],
  ['four parts', async () => `${await token(ec)}.AA`, /neither a key of mcpd nor a JWT/],
  ['five parts', () => Promise.resolve('a.b.c.d.e'), /neither a key of mcpd nor a JWT/],
  ['a token of 9000 characters', () => token(ec, { more: 'x'.repeat(9000) }), /characters/],
  ['spaces inside', async () => (await token(ec)).replace('.', '. '), /no token has/],
  ['nothing but dots', () => Promise.resolve('..'), /without a signature/],
];

/** The last character of 64 bytes holds two bits that count, and four that nobody reads. */
async function respelt(): Promise<string> {
  const one = await token(ec);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const other = one.slice(0, -1) + (alphabet[alphabet.indexOf(one.at(-1) as string) + 1] as string);
  const bytes = (it: string) => Buffer.from(it.split('.')[2] as string, 'base64url');
  assert.deepEqual(bytes(other), bytes(one));
  return other;
}

async function hmacWith(secret: string): Promise<string> {
  const head = `${encoded({ alg: 'HS256', kid: 'rsa-1', typ: 'at+jwt' })}.${(await parts())[1]}`;
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`;
}

describe('a token that is not good is refused, and its reason holds nothing of it:', () => {
  for (const [what, make, why] of bad)
    it(what, async () => {
      const house = await bench();
      const one = await make();
      const said = await house.who(one);
      assert.match(said, /^UNAUTHENTICATED: /);
      assert.match(said, why);
      for (const part of one.split('.').filter((it) => it.length > 8)) assert.ok(!said.includes(part), said);
      assert.equal(house.checker.known(one, resource), undefined);
    });

  it('a token in a place without typ is good nowhere, and one of a strict issuer has to say at+jwt', async () => {
    const strict = await new Bench([{ ...corp, types: ['at+jwt'] }]).publishes(ec);
    assert.match(await strict.who(await token(ec, {}, { header: { typ: 'JWT' } })), /typ/);
    assert.equal(
      await strict.who(await token(ec, {}, { header: { typ: 'application/at+jwt' } })),
      'corp:alice',
    );
  });

  it('an algorithm that the owner did not name', async () => {
    const house = await new Bench([{ ...corp, algorithms: ['ES256'] }]).publishes(ec, rsa);
    assert.match(await house.who(await token(rsa)), /algorithm/);
    assert.deepEqual(house.asked, [], 'the issuer was not even asked');
  });

  it('one of another issuer that the owner names, signed by that other', async () => {
    const other = {
      ...corp,
      name: 'other',
      issuer: 'https://other.example',
      jwksUri: 'https://other.example/jwks',
    };
    const house = await new Bench([corp, other]).publishes(ec);
    house.answers.set('https://other.example/jwks', { keys: [await publicJwk(stranger)] });
    assert.match(await house.who(await token(stranger)), /signature/);
    assert.equal(await house.who(await token(stranger, { iss: other.issuer })), 'other:alice');
  });
});
