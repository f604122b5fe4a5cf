import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { beginMs, Bench, corp, goodClaims, issuerUrl, publicUrl, resource } from './tokens-issuer.ts';

const url = `${issuerUrl}/introspect`;
const asking = { ...corp, introspection: { url, clientId: 'mcpd', clientSecret: 'keychain:corp' } };
const opaque = 'V3ry-0paque.token~1234';
const active = { active: true, ...goodClaims, token_type: 'Bearer' };

function bench(answer: unknown): Bench {
  const house = new Bench([asking]);
  house.answers.set(url, answer);
  return house;
}

it('a token that only its issuer can read is asked about, and known for 30 s', async () => {
  const house = bench(active);
  const found = await house.checker.check(opaque, resource);
  assert.equal(found.principal.name, 'corp:alice');
  assert.equal(found.untilMs, beginMs + 3_600_000, 'no longer than its issuer says');
  assert.equal(house.forms[0]?.get('token'), opaque);
  house.nowMs = 29_999;
  assert.equal(house.checker.known(opaque, resource)?.principal.name, 'corp:alice');
  house.nowMs = 30_000;
  assert.equal(house.checker.known(opaque, resource), undefined);
  house.answers.set(url, { active: false });
  assert.match(await house.who(opaque), /not active/);
});

it('is not known past its end', async () => {
  const house = bench({ ...active, exp: beginMs / 1000 + 5 });
  await house.checker.check(opaque, resource);
  house.nowMs = 5_000;
  assert.equal(house.checker.known(opaque, resource), undefined);
});

it('is asked about once when it comes many times at once, and a bad one once in 10 s', async () => {
  const good = bench(active);
  await Promise.all(Array.from({ length: 40 }, () => good.who(opaque)));
  assert.equal(good.asked.length, 1);
  const bad = bench({ active: false });
  for (let i = 0; i < 40; i++) assert.match(await bad.who(opaque), /^UNAUTHENTICATED: /);
  assert.equal(bad.asked.length, 1);
  bad.nowMs = 10_000;
  await bad.who(opaque);
  assert.equal(bad.asked.length, 2);
});

describe('an answer that does not say yes in so many words is a no:', () => {
  for (const [what, answer, why] of [
    ['inactive', { active: false }, /not active/],
    ['"true"', { ...active, active: 'true' }, /not active/],
    ['1', { ...active, active: 1 }, /not active/],
    ['nothing', {}, /not active/],
    ['another issuer', { ...active, iss: 'https://other.example' }, /another issuer/],
    ['no audience', { ...active, aud: undefined }, /is not for/],
    ['another audience', { ...active, aud: `${publicUrl}/servers/mail/mcp` }, /is not for/],
    ['no end', { ...active, exp: undefined }, /does not say when it runs out/],
    ['over', { ...active, exp: beginMs / 1000 - 60 }, /has run out/],
    ['bound to a key', { ...active, cnf: { jkt: 'x' } }, /bound to a key/],
    ['a DPoP token', { ...active, token_type: 'DPoP' }, /not a bearer token/],
    ['a type that is a list', { ...active, token_type: ['Bearer'] }, /not a bearer token/],
    ['nobody', { ...active, sub: undefined }, /does not name a caller/],
  ] as const)
    it(what, async () => {
      const said = await bench(answer).who(opaque);
      assert.match(said, /^UNAUTHENTICATED: /);
      assert.match(said, why);
      assert.ok(!said.includes(opaque));
    });
});

it('an issuer that cannot be asked is no refusal', async () => {
  for (const answer of [new Error('HTTP 500'), [], 'yes', null])
    assert.match(await bench(answer).who(opaque), /^ISSUER_UNAVAILABLE: corp cannot be asked about a token/);
});

it('an issuer whose secret is missing is not asked, and that is no refusal either', async () => {
  const house = bench(active);
  house.secret = () =>
    Promise.reject(new Fault('SECRET_UNAVAILABLE', { detail: 'the keychain holds no such secret' }));
  assert.match(await house.who(opaque), /^ISSUER_UNAVAILABLE: .*the keychain holds no such secret/);
  assert.deepEqual(house.asked, []);
});

it('at most 32 questions wait for an issuer at once', async () => {
  const house = bench(active);
  const said = await Promise.all(Array.from({ length: 40 }, (_, at) => house.who(`${opaque}${at}`)));
  assert.equal(house.asked.length, 32);
  assert.equal(said.filter((it) => it.startsWith('ISSUER_UNAVAILABLE')).length, 8);
  assert.equal(await house.who(`${opaque}x`), 'corp:alice', 'the places are free again');
});

it('a JWT is never shown to anybody, and what no issuer makes is asked of nobody', async () => {
  const house = bench(active);
  for (const one of ['a.b.c', '..', 'with space', 'x'.repeat(8193), 'ü', ''])
    assert.match(await house.who(one), /^UNAUTHENTICATED: /);
  assert.deepEqual(house.forms, []);
});
