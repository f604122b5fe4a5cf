import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFor, opened, readClaims } from '../../src/callers/tokens-claims.ts';
import type { Issuer } from '../../src/domain/issuer.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import { beginMs, corp, goodClaims, publicUrl, resource } from './tokens-issuer.ts';

const scopes = { read: 'mcp:read', write: 'mcp:write', destructive: 'mcp:destructive' };
const read = (claims: JsonObject, issuer: Partial<Issuer> = {}) =>
  readClaims({ ...goodClaims, ...claims }, { ...corp, ...issuer }, beginMs);

describe('scopes open classes of tools, and a graver one the milder:', () => {
  for (const [said, risks] of [
    [{ scope: 'mcp:read' }, ['read']],
    [{ scope: 'openid mcp:write profile' }, ['read', 'write']],
    [{ scope: 'mcp:read mcp:write mcp:destructive' }, undefined],
    [{ scope: 'mcp:destructive' }, undefined],
    [{ scp: ['mcp:read'] }, ['read']],
    [{ scp: 'mcp:write' }, ['read', 'write']],
    [{}, []],
    [{ scope: '' }, []],
    [{ scope: 'mcp:readwrite' }, []],
    [{ scope: 'MCP:READ' }, []],
    [{ scope: 'mcp:read\tmcp:write' }, []],
    [{ scope: 7 }, []],
    [{ scope: ['mcp:read', 1] }, []],
    [{ scope: 'openid', scp: 'mcp:write' }, []],
  ] as const)
    it(`${JSON.stringify(said)} → ${JSON.stringify(risks ?? 'everything')}`, () =>
      assert.deepEqual(read(said as JsonObject, { scopes }).principal.reach?.risks, risks));

  it('a class without a scope of its own is opened by a graver one only', () => {
    assert.deepEqual(opened({ write: 'w' }, new Set(['w'])), ['read', 'write']);
    assert.deepEqual(opened({ read: 'r', destructive: 'd' }, new Set(['r'])), ['read']);
    assert.deepEqual(opened({ read: 'r' }, new Set(['r', 'd'])), ['read']);
  });

  it('an issuer without scopes has tokens without bounds', () =>
    assert.equal(read({ scope: 'mcp:read' }).principal.reach, undefined));
});

describe('roles', () => {
  const roles = { claim: 'groups', allowed: ['writers', 'admins'] };
  for (const [said, believed] of [
    [['writers', 'root', 'writers'], ['writers']],
    ['admins', ['admins']],
    [['Writers'], undefined],
    ['writers admins', undefined],
    [['writers', 7], undefined],
    [{ writers: true }, undefined],
  ] as const)
    it(`${JSON.stringify(said)} → ${JSON.stringify(believed ?? 'none')}`, () =>
      assert.deepEqual(read({ groups: said as never }, { roles }).principal.roles, believed));

  it('are not read from a claim that is inherited, or that the owner did not name', () => {
    assert.equal(read({ groups: ['writers'] }).principal.roles, undefined);
    const inherited = { claim: 'constructor', allowed: ['writers'] };
    assert.equal(read({}, { roles: inherited }).principal.roles, undefined);
  });
});

it('the caller is named by the claim that the owner chose, with the issuer in front, so no key has that name', () => {
  assert.equal(read({}, { caller: 'client_id' }).principal.name, 'corp:a-client');
  assert.throws(() => read({}, { caller: 'constructor' }), /does not name a caller/);
  assert.throws(() => read({ sub: 'x'.repeat(129) }), /does not name a caller/);
  const odd = read({ client_id: 'a\u202eb' }).principal;
  assert.equal(odd.via, 'token of corp');
});

describe('a token is for', () => {
  const for_ = (aud: unknown, audience: Issuer['audience']) =>
    isFor(read({ aud: aud as never }), resource, { ...corp, audience }, publicUrl);
  for (const [aud, endpoint, origin] of [
    [resource, true, true],
    [publicUrl, false, true],
    [`${publicUrl}/`, false, true],
    [`${publicUrl}/mcp`, false, false],
    [`${publicUrl}.evil.example`, false, false],
    [`${publicUrl}//`, false, false],
    [[], false, false],
  ] as const)
    it(`${JSON.stringify(aud)}: endpoint ${endpoint}, origin ${origin}`, () => {
      assert.equal(for_(aud, 'endpoint'), endpoint);
      assert.equal(for_(aud, 'origin'), origin);
    });
});

describe('times', () => {
  const now = beginMs / 1000;
  for (const [claims, good] of [
    [{ exp: now - 29.9 }, true],
    [{ exp: now - 30 }, false],
    [{ nbf: now + 30 }, true],
    [{ nbf: now + 30.1 }, false],
    [{ iat: now + 30 }, true],
    [{ iat: now + 30.1 }, false],
    [{ exp: -1e300 }, false],
    [{ exp: 1e300 }, false],
    [{ iat: null }, false],
  ] as const)
    it(`${JSON.stringify(claims)} is ${good ? 'good' : 'no good'}`, () => {
      if (good) assert.equal(read(claims).principal.name, 'corp:alice');
      else assert.throws(() => read(claims), { code: 'UNAUTHENTICATED' });
    });
});
