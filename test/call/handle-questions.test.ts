import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DataPlane } from '../../src/call/data-plane.ts';
import { refusedQuestion } from '../../src/call/handle-questions.ts';
import type { Call } from '../../src/domain/call.ts';
import type { Decision } from '../../src/domain/decision.ts';
import type { Answer } from '../../src/domain/message.ts';
import type { Orders } from '../../src/domain/orders.ts';
import type { Upcall } from '../../src/domain/upstream.ts';
import { encode } from '../../src/protocol/codec.ts';
import { sampleArrival, sampleCall, sampleSession } from '../audit/sample.ts';
import { ordersFor, rule } from '../policy/support.ts';

const permissive = ordersFor([rule('may ask', 'allow', { tools: ['*'], upcalls: ['*'] })]);
const strict = ordersFor([rule('may not ask', 'allow', { tools: ['*'] })]);

function callOf(era: 'legacy' | 'modern', clientCapabilities: readonly string[]): Call {
  const agreed = { protocolVersion: '2026-07-28', client: { name: 'c', version: '1' }, clientCapabilities };
  const session = sampleSession({ era, agreed, server: 'fx' });
  return { ...sampleCall(sampleArrival({ era, server: 'fx' }), undefined, session), server: 'fx' };
}

function judge(orders: Orders, call: Call, answer: Answer) {
  const told: [method: string, kind: Decision['kind']][] = [];
  const plane = {
    orders: { current: () => orders },
    audit: {
      upcall: ({ message }: Upcall, _session: unknown, { kind }: Decision) =>
        told.push([message.method, kind]),
    },
  } as unknown as DataPlane;
  return { denial: refusedQuestion(call, answer, plane), told };
}

const asking = (inputRequests: object): Answer => ({
  kind: 'result',
  text: encode({ resultType: 'input_required', inputRequests }),
});
const form = { method: 'elicitation/create', params: { message: 'Name?' } };
const model = { method: 'sampling/createMessage', params: { messages: [] } };

describe('what a server asks in its answer', () => {
  test('reaches a client that can be asked, where the policy lets it, and is on record', () => {
    const { denial, told } = judge(permissive, callOf('modern', ['elicitation']), asking({ a: form }));
    assert.equal(denial, undefined);
    assert.deepEqual(told, [['elicitation/create', 'allow']]);
  });

  test('refuses the whole answer when the policy does not let it, and that is on record', () => {
    const { denial, told } = judge(strict, callOf('modern', ['elicitation']), asking({ a: form }));
    assert.match(denial?.reason ?? '', /asked for elicitation\/create, which the policy does not allow/);
    assert.deepEqual(told, [['elicitation/create', 'deny']]);
  });

  test('does not reach a client that did not say it could be asked, not even beside a question that it can be', () => {
    const { denial } = judge(permissive, callOf('modern', ['elicitation']), asking({ a: form, b: model }));
    assert.match(denial?.reason ?? '', /asked for sampling\/createMessage, which the client did not declare/);
  });

  test('is refused when it cannot be read', () => {
    for (const bad of [{ a: 1 }, { a: { method: 7 } }, { a: { method: 'roots/list', params: [] } }])
      assert.notEqual(judge(permissive, callOf('modern', ['roots']), asking(bad)).denial, undefined);
  });

  test('means nothing in a legacy session', () => {
    const { denial, told } = judge(strict, callOf('legacy', []), asking({ a: form }));
    assert.equal(denial, undefined);
    assert.deepEqual(told, []);
  });
});
