import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Issuer } from '../../src/domain/issuer.ts';
import { challenge } from '../../src/front/challenge.ts';
import { metadataOf, metadataRoute, metadataUrl, resourceOf } from '../../src/front/metadata.ts';
import { corp, publicUrl } from '../callers/tokens-issuer.ts';

const scopes = { read: 'mcp:read', write: 'mcp:write', destructive: 'mcp:destructive' };
const face = (...issuers: readonly Partial<Issuer>[]) => ({
  publicUrl,
  issuers: issuers.map((it) => ({ ...corp, ...it })),
});
const door = { server: 'notes', remote: '127.0.0.1' };
const metadata =
  'resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/servers/notes/mcp"';
const first = { presented: false, needs: undefined };

describe('what goes with a 401 or a 403', () => {
  it('is the bare scheme where keys are all there is', () =>
    assert.equal(challenge(face(), door, { presented: true, needs: 'write' }), 'Bearer realm="mcpd"'));

  it('to somebody without a token: where to get one, the mildest scope, and no error', () =>
    assert.equal(
      challenge(face({ scopes }), door, first),
      `Bearer realm="mcpd", scope="mcp:read", ${metadata}`,
    ));

  it('to somebody with a bad one: that it is bad', () =>
    assert.equal(
      challenge(face({ scopes }), door, { presented: true, needs: undefined }),
      `Bearer realm="mcpd", error="invalid_token", scope="mcp:read", ${metadata}`,
    ));

  it('to somebody whose token is not enough: the scope that is', () =>
    assert.equal(
      challenge(face({ scopes }), door, { presented: true, needs: 'destructive' }),
      `Bearer realm="mcpd", error="insufficient_scope", scope="mcp:destructive", ${metadata}`,
    ));

  it('names the graver scope where a class has none of its own, and none where nothing would do', () => {
    const two = face({ scopes: { read: 'r', destructive: 'd' } });
    assert.match(challenge(two, door, { presented: true, needs: 'write' }), /scope="d"/);
    const one = face({ scopes: { read: 'r' } });
    assert.doesNotMatch(challenge(one, door, { presented: true, needs: 'write' }), / scope=/);
  });

  it('names no scope that only one of two issuers knows', () => {
    const differ = face(
      { scopes },
      { name: 'two', issuer: 'https://two.example', scopes: { read: 'other' } },
    );
    assert.equal(challenge(differ, door, first), `Bearer realm="mcpd", ${metadata}`);
  });

  it('at the hall and at the routes of the house points to the hall, whatever was chosen there', () => {
    for (const server of ['', '*', '*?servers=a,b', '*?profile=p'])
      assert.match(challenge(face({}), { ...door, server }, first), /oauth-protected-resource\/mcp"$/);
  });
});

it('metadata has one route for each address of a client, and one spelling', () => {
  const root = '/.well-known/oauth-protected-resource';
  assert.equal(metadataRoute(`${root}/servers/notes/mcp`), 'notes');
  assert.equal(metadataRoute(`${root}/mcp`), '');
  assert.equal(metadataRoute(root), '');
  for (const odd of [
    `${root}/`,
    `${root}/servers/mcp`,
    `${root}/servers/No/mcp`,
    `${root}/servers/a/mcp/`,
    `/x${root}`,
    `${root}/servers/../mcp`,
    `${root}/servers/%61/mcp`,
    '/.well-known/oauth-authorization-server',
  ])
    assert.equal(metadataRoute(odd), undefined, odd);
  assert.equal(metadataUrl(publicUrl, 'notes'), `${publicUrl}${root}/servers/notes/mcp`);
  assert.equal(resourceOf(publicUrl, '*?servers=a'), `${publicUrl}/mcp`);
});

it('metadata says the resource, the issuers and the mildest scope, and asks for no tokens that never end', () => {
  const said = metadataOf('notes', face({ scopes }, { name: 'two', issuer: 'https://two.example', scopes }));
  assert.deepEqual(said, {
    resource: 'https://mcp.example/servers/notes/mcp',
    authorization_servers: ['https://auth.example', 'https://two.example'],
    scopes_supported: ['mcp:read'],
    bearer_methods_supported: ['header'],
    resource_name: 'mcpd: notes',
  });
  assert.ok(!('scopes_supported' in metadataOf('', face({}))));
});
