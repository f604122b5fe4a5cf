import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { beginMs, Bench, encoded, issuerUrl, pair, publicJwk, resource, token } from './tokens-issuer.ts';

const ec = pair('ec-1');
const rsa = pair('rsa-1', 'rsa');
const stranger = pair('ec-1');
const now = beginMs / 1000;
const bench = () => new Bench().publishes(ec, rsa);
const parts = async () => (await token(ec)).split('.') as [string, string, string];

describe('the keys of an issuer', () => {
  const next = pair('ec-2');

  it('are asked for again when a token names a new one, and at most once in 30 s', async () => {
    const house = await bench();
    assert.equal(await house.who(await token(ec)), 'corp:alice');
    house.nowMs = 30_000;
    await house.publishes(ec, next);
    assert.equal(await house.who(await token(next)), 'corp:alice');
    assert.equal(house.asked.length, 2);
    const made = await Promise.all(
      Array.from({ length: 200 }, (_, at) => token(stranger, {}, { header: { kid: `made-up-${at}` } })),
    );
    for (const one of made) assert.match(await house.who(one), /does not have/);
    await Promise.all(made.map((one) => house.who(one)));
    assert.equal(house.asked.length, 2, 'a storm of key ids is no storm at the issuer');
    house.nowMs = 60_000;
    await Promise.all(made.map((one) => house.who(one)));
    assert.equal(house.asked.length, 3);
  });

  it('are asked for once by many tokens at once', async () => {
    const house = await bench();
    const all = await Promise.all(Array.from({ length: 50 }, (_, at) => token(ec, { sub: `c${at}` })));
    const said = await Promise.all(all.map((one) => house.who(one)));
    assert.deepEqual(
      said,
      all.map((_, at) => `corp:c${at}`),
    );
    assert.equal(house.asked.length, 1);
  });

  it('that are taken away take their tokens along', async () => {
    const house = await bench();
    const one = await token(ec);
    await house.who(one);
    await house.publishes(next);
    house.nowMs = 59_999;
    assert.equal(house.checker.known(one, resource)?.principal.name, 'corp:alice');
    house.nowMs = 5 * 60_000 + 1;
    assert.match(await house.who(one), /does not have/);
    assert.equal(await house.who(await token(next)), 'corp:alice');
  });

  it('that are others than a moment ago make nothing known', async () => {
    const house = await bench();
    const one = await token(ec);
    await house.who(one);
    await house.publishes(next);
    house.nowMs = 30_000;
    assert.equal(await house.who(await token(next)), 'corp:alice');
    assert.equal(house.checker.known(one, resource), undefined);
    assert.match(await house.who(one), /does not have/);
  });

  it('are good for an hour while the issuer is down, and not for longer', async () => {
    const house = await bench();
    const long = await token(ec, { exp: now + 10 * 3600 });
    await house.who(long);
    house.answers.set(`${issuerUrl}/jwks`, new Error('auth.example cannot be reached (ECONNREFUSED)'));
    for (const minutes of [6, 30, 59]) {
      house.nowMs = minutes * 60_000;
      assert.equal(await house.who(long), 'corp:alice');
    }
    house.nowMs = 61 * 60_000;
    assert.match(
      await house.who(long),
      /^ISSUER_UNAVAILABLE: the keys of corp cannot be had: auth.example cannot/,
    );
    await house.publishes(ec);
    house.nowMs += 30_000;
    assert.equal(await house.who(long), 'corp:alice');
  });

  it('cannot be had: that is no refusal, and the issuer is asked once in 30 s', async () => {
    const house = new Bench();
    for (let i = 0; i < 20; i++) assert.match(await house.who(await token(ec)), /^ISSUER_UNAVAILABLE: /);
    assert.equal(house.asked.length, 1);
  });

  for (const [what, set] of [
    [
      'a secret key among them',
      async () => ({ keys: [await publicJwk(ec), { kty: 'oct', k: 'AAAA', kid: 'x' }] }),
    ],
    ['a private key among them', async () => ({ keys: [{ ...(await publicJwk(ec)), d: 'AAAA' }] })],
    ['two with one id', async () => ({ keys: [await publicJwk(ec), await publicJwk(stranger)] })],
    [
      'more than a hundred',
      async () => ({ keys: Array.from({ length: 101 }, (_, kid) => ({ kty: 'EC', kid })) }),
    ],
    ['no set at all', async () => [await publicJwk(ec)]],
  ] as const)
    it(`are not believed: ${what}`, async () => {
      const house = new Bench();
      house.answers.set(`${issuerUrl}/jwks`, await set());
      assert.match(await house.who(await token(ec)), /^ISSUER_UNAVAILABLE: /);
    });

  for (const [what, more] of [
    ['for encryption', { use: 'enc' }],
    ['for another algorithm', { alg: 'ES384' }],
    ['that may only sign', { key_ops: ['sign'] }],
  ] as const)
    it(`one is as good as none: ${what}`, async () => {
      const house = new Bench();
      house.answers.set(`${issuerUrl}/jwks`, { keys: [await publicJwk(ec, more as object)] });
      assert.match(await house.who(await token(ec)), /^UNAUTHENTICATED: .*does not have/);
    });

  it('of 1024 bits are as good as none', async () => {
    const short = { ...generateKeyPairSync('rsa', { modulusLength: 1024 }), kid: 'short' };
    const house = await new Bench().publishes(short);
    const head = `${encoded({ alg: 'RS256', kid: 'short', typ: 'at+jwt' })}.${(await parts())[1]}`;
    const one = `${head}.${sign('sha256', Buffer.from(head), short.privateKey).toString('base64url')}`;
    assert.match(await house.who(one), /does not have/);
  });

  it('one token without a kid is good where one key fits, and not where two do', async () => {
    const without = await token(ec, {}, { header: { kid: undefined } });
    assert.equal(await (await new Bench().publishes(ec, rsa)).who(without), 'corp:alice');
    assert.match(await (await new Bench().publishes(ec, next)).who(without), /^UNAUTHENTICATED: /);
  });
});
