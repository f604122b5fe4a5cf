import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refusedQuestion } from '../../src/call/handle-questions.ts';
import type { DataPlane } from '../../src/call/data-plane.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import { encode, objectOf } from '../../src/protocol/codec.ts';
import { calling } from '../confirm/support.ts';
import { facts, ordersWith } from '../policy/support.ts';
import * as one from '../redact/support.ts';

const mail = 'ann@example.com';
const noMail = (action: 'block' | 'redact') => [
  one.rule({ name: 'no mail', what: ['email'], direction: 'in', action }),
];

function call(params: JsonObject) {
  const target = { kind: 'tool', name: 'write' } as const;
  return one.callOf(target, { kind: 'request', id: 1, method: 'tools/call', params: encode(params) });
}

/** Wherever a caller may write something that reaches the server. */
const places: readonly (readonly [name: string, params: JsonObject])[] = [
  ['_meta', { name: 'write', arguments: {}, _meta: { note: mail } }],
  ['the name of a member of _meta', { name: 'write', arguments: {}, _meta: { [mail]: 1 } }],
  ['a member that nobody knows', { name: 'write', arguments: {}, extra: { deep: [mail] } }],
  ['a text that nobody knows', { name: 'write', arguments: {}, extra: mail }],
  ['the name of a member that nobody knows', { name: 'write', arguments: {}, [mail]: 1 }],
  ['a context that is a text', { name: 'write', arguments: {}, context: mail }],
];

describe('what a rule takes out of calls cannot be brought past it in', () => {
  for (const [name, params] of places)
    it(name, () => {
      const blocked = one.redactorWith().inward(one.ordersWith(noMail('block')), call(params));
      assert.equal(blocked.kind, 'blocked');
      const clean = one.redactorWith().inward(one.ordersWith(noMail('redact')), call(params));
      assert.ok(clean.kind === 'clean' && clean.call.message.kind === 'request');
      assert.ok(!String(clean.call.message.params).includes(mail));
      // What is decided about is what goes out.
      assert.deepEqual(objectOf(clean.call.message.params), clean.call.params);
      assert.equal(clean.call.params['name'], 'write');
    });

  it('the URI of a resource, which is refused and never replaced', () => {
    const uri = `https://files.example/?for=${mail}`;
    const params = encode({ uri });
    const read = one.callOf(
      { kind: 'resource', uri },
      { kind: 'request', id: 1, method: 'resources/read', params },
    );
    assert.equal(one.redactorWith().inward(one.ordersWith(noMail('block')), read).kind, 'blocked');
    const clean = one.redactorWith().inward(one.ordersWith(noMail('redact')), read);
    assert.ok(clean.kind === 'clean' && clean.call === read);
  });

  it('and what the protocol finds its way by stays', () => {
    const _meta = {
      progressToken: mail,
      'io.modelcontextprotocol/clientInfo': { name: mail },
      traceparent: mail,
    };
    const params = { name: 'write', arguments: {}, _meta, requestState: mail };
    const clean = one.redactorWith().inward(one.ordersWith(noMail('redact')), call(params));
    assert.ok(clean.kind === 'clean');
    assert.deepEqual(clean.call.params, params);
  });
});

describe('what a server asks for', () => {
  it('does not bring its secret out as the name of a method', () => {
    const secret = 'fGh7-Kd93-mQ2x-Zp81';
    const inputRequests = { a: { method: secret, params: {} } };
    const answer = { kind: 'result', text: encode({ resultType: 'input_required', inputRequests }) } as const;
    // Only what the story about questions reads of a plane.
    const plane = {
      orders: { current: () => ordersWith([]) },
      audit: { upcall: () => undefined },
      facts,
    } as unknown as DataPlane;
    const refusal = refusedQuestion(calling({ era: 'modern', server: 'fx' }), answer, plane);
    assert.ok(refusal !== undefined);
    assert.ok(!refusal.reason.includes(secret), refusal.reason);
  });
});
