import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holderOf } from '../../src/callers/certificates.ts';

const callers = new Map([
  ['uri:spiffe://corp/agent', 'agent'],
  ['dns:agent.corp.example', 'agent'],
  ['dns:other.corp.example', 'other'],
  ['subject:CN=ops,O=Corp', 'ops'],
]);
const certificate = (...names: string[]) => ({ names, sha256: 'ab'.repeat(32), untilMs: Infinity });

test('a name that is mapped is its caller, whatever else the certificate says', () => {
  assert.deepEqual(holderOf(certificate('dns:x', 'uri:spiffe://corp/agent'), callers), {
    name: 'agent',
    via: 'certificate abababababab',
  });
  assert.equal(
    holderOf(certificate('dns:agent.corp.example', 'uri:spiffe://corp/agent'), callers).name,
    'agent',
  );
  assert.equal(holderOf(certificate('subject:CN=ops,O=Corp'), callers).name, 'ops');
});

const nobodys: readonly (readonly [string, readonly string[]])[] = [
  ['no names', []],
  ['a name that begins like a mapped one', ['uri:spiffe://corp/agent/evil']],
  ['the beginning of a mapped name', ['uri:spiffe://corp/agen']],
  ['a mapped name in other letters', ['uri:spiffe://corp/Agent']],
  ['a star', ['dns:*.corp.example']],
  ['a mapped name of another kind', ['dns:spiffe://corp/agent', 'subject:CN=agent.corp.example']],
  ['a subject with more in it', ['subject:CN=ops,O=Corp,C=DE']],
  ['names of two callers', ['dns:agent.corp.example', 'dns:other.corp.example']],
];
for (const [what, names] of nobodys)
  test(`a certificate with ${what} is nobody's`, () => {
    assert.throws(() => holderOf(certificate(...names), callers), { code: 'UNAUTHENTICATED' });
  });
