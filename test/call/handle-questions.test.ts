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
const all = callOf('modern', ['elicitation', 'sampling', 'roots']);
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

  test('is refused as a list, which has entries for a client that does not look closely', () => {
    for (const bad of [[form], [], 'x', 7, true, [[0, form]]]) {
      const { denial, told } = judge(permissive, all, asking(bad as object));
      assert.match(denial?.reason ?? '', /cannot be read/, JSON.stringify(bad));
      assert.deepEqual(told, []);
    }
    assert.equal(judge(permissive, all, asking(null as unknown as object)).denial, undefined);
  });

  test('is refused under a name that a reader who ignores case takes for another', () => {
    const disguised: object[] = [
      { resultType: 'input_required', InputRequests: { a: form } },
      { resultType: 'input_required', inputRequests: {}, INPUTREQUESTS: { a: form } },
      { resultType: 'input_required', 'inputReque\u017fts': { a: form } },
      { resultType: 'input_required', inputRequests: { a: { ...form, Method: 'sampling/createMessage' } } },
      { resultType: 'input_required', inputRequests: { a: { method: 'roots/list', Params: {} } } },
      { status: 'input_required', taskId: 't', InputRequests: { a: form } },
    ];
    for (const result of disguised) {
      const { denial, told } = judge(permissive, all, { kind: 'result', text: encode(result) });
      assert.match(denial?.reason ?? '', /cannot be read/, JSON.stringify(result));
      assert.deepEqual(told, []);
    }
  });

  test('is refused whole, and none of it is on record as asked, when one part cannot be read or it is too much', () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`q${n}`, form]));
    for (const questions of [many, { a: form, b: { method: null } }]) {
      const { denial, told } = judge(permissive, all, asking(questions));
      assert.match(denial?.reason ?? '', /cannot be read/);
      assert.deepEqual(told, []);
    }
    const most = Object.fromEntries(Object.entries(many).slice(0, 64));
    assert.equal(judge(permissive, all, asking(most)).denial, undefined);
  });

  test('is refused when it would have the user open anything but a page, however the link is disguised', () => {
    const link = (params: object): Answer => asking({ a: { method: 'elicitation/create', params } });
    const bad = [
      { mode: 'url', url: 'javascript:alert(1)' },
      { mode: 'url', url: 'JaVaScRiPt:alert(1)' },
      { mode: 'url', url: ' javascript:alert(1)' },
      { mode: 'url', url: 'java\nscript:alert(1)' },
      { mode: 'url', url: 'file:///etc/passwd' },
      { mode: 'url', url: 'data:text/html,x' },
      { mode: 'url', url: ['https://ok.example'] },
      { mode: 'url', URL: 'https://ok.example' },
      { mode: 'url', url: 'https://ok.example', Url: 'javascript:alert(1)' },
      { mode: 'form', url: 'javascript:alert(1)' },
    ];
    for (const params of bad) {
      const { denial, told } = judge(permissive, all, link(params));
      assert.ok(denial !== undefined, JSON.stringify(params));
      assert.deepEqual(told, [['elicitation/create', 'deny']]);
    }
    assert.equal(judge(permissive, all, link({ mode: 'url', url: 'https://ok.example' })).denial, undefined);
  });

  test('is decided method by method, and what no client can be asked needs a rule like everything else', () => {
    const unknown = asking({ a: { method: 'custom/question' } });
    assert.ok(judge(strict, all, unknown).denial !== undefined);
    for (const method of ['tools/call', 'initialize', 'Elicitation/create', 'constructor'])
      assert.ok(judge(strict, all, asking({ a: { method } })).denial !== undefined, method);
  });

  test('was decided before, where a child of the legacy era waits for it', () => {
    const held: Answer = { ...asking({ a: form }), held: 'h' } as Answer;
    const { denial, told } = judge(strict, all, held);
    assert.deepEqual([denial, told], [undefined, []]);
  });

  test('counts also in a task that waits for its caller, and nowhere below the top of a result', () => {
    const task: Answer = {
      kind: 'result',
      text: encode({ taskId: 't', status: 'input_required', inputRequests: { a: form } }),
    };
    assert.ok(judge(strict, all, task).denial !== undefined);
    const deep: Answer = {
      kind: 'result',
      text: encode({ resultType: 'complete', structuredContent: { inputRequests: [form] } }),
    };
    assert.deepEqual(judge(strict, all, deep), { denial: undefined, told: [] });
  });
});

describe('an error that wants links opened first', () => {
  const wants = (elicitations: unknown, code: number = -32042): Answer => ({
    kind: 'error',
    text: encode({ code, message: 'open these', data: { elicitations } }),
  });
  const page = { mode: 'url', url: 'https://ok.example', message: 'm', elicitationId: 'e' };

  test('is decided like the question that it stands for, in either era', () => {
    for (const call of [callOf('legacy', ['elicitation']), all]) {
      const allowed = judge(permissive, call, wants([page, page]));
      assert.equal(allowed.denial, undefined);
      assert.deepEqual(allowed.told, [
        ['elicitation/create', 'allow'],
        ['elicitation/create', 'allow'],
      ]);
      assert.match(judge(strict, call, wants([page])).denial?.reason ?? '', /asked for elicitation\/create/);
      assert.ok(
        judge(permissive, call, wants([page, { ...page, url: 'javascript:alert(1)' }])).denial !== undefined,
      );
    }
  });

  test('is refused when its links cannot be read, or are too many', () => {
    const bad = [
      undefined,
      null,
      {},
      { 0: page },
      'x',
      [page, 7],
      [[page]],
      Array.from({ length: 65 }, () => page),
    ];
    for (const elicitations of bad) {
      const { denial, told } = judge(permissive, callOf('legacy', ['elicitation']), wants(elicitations));
      assert.match(denial?.reason ?? '', /cannot be read/, JSON.stringify(elicitations)?.slice(0, 40));
      assert.deepEqual(told, []);
    }
  });

  test('is no other error that holds its number somewhere', () => {
    const others: Answer[] = [
      wants([page], -32602),
      { kind: 'error', text: encode({ code: 1, message: 'not -32042', data: { code: -32042 } }) },
    ];
    for (const other of others) assert.deepEqual(judge(strict, all, other), { denial: undefined, told: [] });
  });
});
