import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { metadataPlaces } from '../../src/callers/issuers.ts';
import { Bench, corp, issuerUrl, pair, publicJwk, token } from './tokens-issuer.ts';

const ec = pair('ec-1');
const places = {
  oauth: `${issuerUrl}/.well-known/oauth-authorization-server`,
  oidc: `${issuerUrl}/.well-known/openid-configuration`,
};
const keysAt = `${issuerUrl}/oauth/keys`;

/** An issuer whose keys have to be found. */
async function bench(metadata: Readonly<Record<string, unknown>>): Promise<Bench> {
  const house = new Bench([{ ...corp, jwksUri: undefined }]);
  house.answers.set(keysAt, { keys: [await publicJwk(ec)] });
  for (const [url, answer] of Object.entries(metadata)) house.answers.set(url, answer);
  return house;
}

describe('where an issuer has its keys', () => {
  it('is what its metadata says, and is asked once', async () => {
    const house = await bench({ [places.oauth]: { issuer: issuerUrl, jwks_uri: keysAt } });
    assert.equal(await house.who(await token(ec)), 'corp:alice');
    house.nowMs = 6 * 60_000;
    assert.equal(await house.who(await token(ec)), 'corp:alice');
    assert.deepEqual(house.asked, [places.oauth, keysAt, keysAt]);
  });

  it('is looked for where OpenID Connect has it, too', async () => {
    const house = await bench({ [places.oidc]: { issuer: issuerUrl, jwks_uri: keysAt } });
    assert.equal(await house.who(await token(ec)), 'corp:alice');
    assert.deepEqual(house.asked, [places.oauth, places.oidc, keysAt]);
  });

  it('is looked up again when they are not there any more', async () => {
    const house = await bench({ [places.oauth]: { issuer: issuerUrl, jwks_uri: keysAt } });
    await house.who(await token(ec));
    const moved = `${issuerUrl}/new/keys`;
    house.answers.delete(keysAt);
    house.answers.set(moved, { keys: [await publicJwk(ec)] });
    house.answers.set(places.oauth, { issuer: issuerUrl, jwks_uri: moved });
    house.nowMs = 6 * 60_000;
    await house.who(await token(ec));
    house.nowMs += 30_000;
    await house.who(await token(ec));
    assert.equal(house.asked.at(-1), moved);
  });

  for (const [what, metadata, why] of [
    ['another issuer', { issuer: 'https://evil.example', jwks_uri: keysAt }, /that of another issuer/],
    ['an issuer with a slash more', { issuer: `${issuerUrl}/`, jwks_uri: keysAt }, /that of another issuer/],
    ['no issuer', { jwks_uri: keysAt }, /that of another issuer/],
    ['keys on another host', { issuer: issuerUrl, jwks_uri: 'https://evil.example/keys' }, /on another host/],
    ['keys on another port', { issuer: issuerUrl, jwks_uri: `${issuerUrl}:444/keys` }, /on another host/],
    ['keys in a file', { issuer: issuerUrl, jwks_uri: 'file:///etc/passwd' }, /on another host/],
    ['no keys', { issuer: issuerUrl }, /on another host/],
    ['nothing', null, /that of another issuer/],
  ] as const)
    it(`is not believed of metadata with ${what}`, async () => {
      // What is good at the second place does not help: the first that is there counts.
      const good = { issuer: issuerUrl, jwks_uri: keysAt };
      const house = await bench({ [places.oauth]: metadata, [places.oidc]: good });
      const said = await house.who(await token(ec));
      assert.match(said, /^ISSUER_UNAVAILABLE: /);
      assert.match(said, why);
      assert.deepEqual(house.asked, [places.oauth]);
    });

  it('an issuer with a path has three places', () =>
    assert.deepEqual(metadataPlaces('https://auth.example/realms/a'), [
      'https://auth.example/.well-known/oauth-authorization-server/realms/a',
      'https://auth.example/.well-known/openid-configuration/realms/a',
      'https://auth.example/realms/a/.well-known/openid-configuration',
    ]));
});
