import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { DataPlane } from '../../src/call/data-plane.ts';
import { endsHere } from '../../src/call/ends-here.ts';
import { judgedOf, nameCall, opensSession } from '../../src/call/name-call.ts';
import type { Arrival, Call, Target } from '../../src/domain/call.ts';
import { Fault, type FaultCode } from '../../src/domain/faults.ts';
import type { Era } from '../../src/domain/era.ts';
import type { Message } from '../../src/domain/message.ts';
import { decide } from '../../src/policy/decide.ts';
import { Halt } from '../../src/domain/halt.ts';
import { encode, readMessage } from '../../src/protocol/codec.ts';
import { absent, corpusLines } from '../support/corpora.ts';
import type { Orders } from '../../src/domain/orders.ts';
import { quiet } from './quiet.ts';
import { me, ordersFor, referenceRules } from '../policy/support.ts';

const session = { id: 's', principal: me, server: 'fx', era: 'legacy', agreed: undefined } as const;

const judge = (orders: Orders, call: Call) => decide(orders, judgedOf(call), quiet.facts);

function name(
  message: Message,
  toolOf: () => string | undefined = () => undefined,
  era: Era = 'legacy',
): Call {
  const arrival: Arrival = {
    id: 'c-1',
    at: 5,
    remote: '127.0.0.1',
    server: 'fx',
    credentials: { kind: 'none' },
    sessionId: undefined,
    userAgent: undefined,
    message,
    era,
    mirror: undefined,
    halt: new Halt(),
    outlet: { send: () => 'sent' },
  };
  return nameCall(arrival, me, { ...session, era }, { toolOf });
}

const request = (method: string, params?: object): Message => ({
  kind: 'request',
  id: 1,
  method,
  params: params === undefined ? undefined : encode(params),
});
const notice = (method: string, params?: object): Message => ({
  kind: 'notice',
  method,
  params: params === undefined ? undefined : encode(params),
});

const refuses = (message: Message, code: FaultCode, era: Era = 'legacy'): void => {
  assert.throws(
    () => name(message, undefined, era),
    (reason) => reason instanceof Fault && reason.code === code,
  );
};

describe('a call aims at', () => {
  const cases: [message: Message, target: Target][] = [
    [request('tools/call', { name: 'a', arguments: {} }), { kind: 'tool', name: 'a' }],
    [request('tools/call', { name: 'a' }), { kind: 'tool', name: 'a' }],
    [request('tools/call', { name: ' a\u0000' }), { kind: 'tool', name: ' a\u0000' }],
    [request('resources/read', { uri: 'x:y' }), { kind: 'resource', uri: 'x:y' }],
    [request('resources/subscribe', { uri: 'x:y' }), { kind: 'resource', uri: 'x:y' }],
    [request('resources/unsubscribe', { uri: 'x:y' }), { kind: 'resource', uri: 'x:y' }],
    [request('prompts/get', { name: 'p' }), { kind: 'prompt', name: 'p' }],
    [
      request('completion/complete', { ref: { type: 'ref/prompt', name: 'p' } }),
      { kind: 'completion', of: { kind: 'prompt', name: 'p' } },
    ],
    [
      request('completion/complete', { ref: { type: 'ref/resource', uri: 'x:{y}' } }),
      { kind: 'completion', of: { kind: 'resource', uri: 'x:{y}' } },
    ],
    [request('tools/list'), { kind: 'listing', of: 'tools' }],
    [request('resources/list', {}), { kind: 'listing', of: 'resources' }],
    [request('resources/templates/list'), { kind: 'listing', of: 'resourceTemplates' }],
    [request('prompts/list'), { kind: 'listing', of: 'prompts' }],
    [request('ping'), { kind: 'protocol', method: 'ping' }],
    [notice('notifications/initialized'), { kind: 'protocol', method: 'notifications/initialized' }],
    [
      { kind: 'reply', id: 's-1', answer: { kind: 'result', text: encode({}) } },
      { kind: 'protocol', method: 'reply' },
    ],
    [request('tasks/result', { taskId: 'x' }), { kind: 'task', id: 'x', tool: undefined }],
    [request('tasks/list'), { kind: 'listing', of: 'tasks' }],
    [request('server/discover'), { kind: 'unknown', method: 'server/discover' }],
    [request('tasks/update', { taskId: 'x' }), { kind: 'unknown', method: 'tasks/update' }],
    [request('x/exec'), { kind: 'unknown', method: 'x/exec' }],
    [request('constructor'), { kind: 'unknown', method: 'constructor' }],
    [
      request('sampling/createMessage', { messages: [] }),
      { kind: 'unknown', method: 'sampling/createMessage' },
    ],
    [notice('notifications/message'), { kind: 'unknown', method: 'notifications/message' }],
    [notice('notifications/x'), { kind: 'unknown', method: 'notifications/x' }],
  ];
  for (const [message, target] of cases) {
    test(`${JSON.stringify(target)} when it says ${JSON.stringify(message)}`, () => {
      assert.deepEqual(name(message).target, target);
    });
  }
  test('what its params say, never what its _meta says', () => {
    const call = name(request('tools/call', { name: 'read_file', _meta: { name: 'delete_file' } }));
    assert.deepEqual(call.target, { kind: 'tool', name: 'read_file' });
  });
});

describe('a call is refused', () => {
  test('when a request comes as a notification, or the other way round', () => {
    refuses(notice('tools/call', { name: 'a' }), 'BAD_MESSAGE');
    refuses(request('notifications/initialized'), 'BAD_MESSAGE');
  });
  const bad: object[] = [
    {},
    { name: 1 },
    { name: null },
    { name: ['delete_file'] },
    { name: { toString: 'delete_file' } },
    { name: '' },
    { name: 'a'.repeat(513) },
    { name: 'a', arguments: null },
    { name: 'a', arguments: ['/x'] },
    { name: 'a', arguments: 'x' },
    { name: 'a', _meta: [] },
  ];
  for (const params of bad) {
    test(`when a tool is named like ${JSON.stringify(params).slice(0, 60)}`, () => {
      refuses(request('tools/call', params), 'BAD_PARAMS');
    });
  }
  test('when a tool call has no params at all', () => refuses(request('tools/call'), 'BAD_PARAMS'));
  test('when a uri is no string or longer than 64 KiB', () => {
    refuses(request('resources/read', { uri: 7 }), 'BAD_PARAMS');
    refuses(request('resources/read', { uri: 'x'.repeat(64 * 1024 + 1) }), 'BAD_PARAMS');
  });
  test('when a completion refers to nothing we know', () => {
    for (const ref of [
      undefined,
      null,
      'p',
      [],
      {},
      { type: 'ref/tool', name: 'a' },
      { type: 'ref/prompt', uri: 'a' },
    ])
      refuses(request('completion/complete', { ref }), 'BAD_PARAMS');
  });
  test('when what it names has a look-alike beside it that some server takes', () => {
    for (const more of [{ Name: 'denied' }, { Type: 'ref/resource' }, { URI: 'x://denied' }]) {
      const ref = { type: 'ref/prompt', name: 'p', ...more };
      refuses(request('completion/complete', { ref }), 'BAD_PARAMS');
    }
    for (const more of [{ ResourceSubscriptions: ['x://denied'] }, { taskids: ['theirs'] }])
      refuses(request('subscriptions/listen', { notifications: more }), 'BAD_PARAMS', 'modern');
  });
  test('when its params are a list', () => refuses(request('ping', []), 'BAD_PARAMS'));
});

test('only initialize opens a session, and only as a request', () => {
  assert.equal(opensSession(name(request('initialize', {}))), true);
  assert.equal(opensSession(name(request('ping'))), false);
});

test('only a cancelled-notification cancels another call', () => {
  const plane = { gate: { awaits: () => false } } as unknown as DataPlane;
  assert.equal(endsHere(name(notice('notifications/cancelled', { requestId: 1 })), plane), true);
  assert.equal(endsHere(name(notice('notifications/progress', {})), plane), false);
});

test('a task is what its tool is, and a task that nobody here began is nothing', () => {
  const message = request('tasks/result', { taskId: 't1' });
  assert.deepEqual(name(message, () => 'write').target, { kind: 'task', id: 't1', tool: 'write' });
  const orders = ordersFor(referenceRules);
  assert.equal(
    judge(
      orders,
      name(message, () => 'echo'),
    ).kind,
    'allow',
  );
  assert.equal(
    judge(
      orders,
      name(message, () => 'delete_file'),
    ).kind,
    'deny',
  );
  assert.equal(judge(orders, name(message)).kind, 'deny');
});

test(
  'every JSON-RPC line of the test data ends as it should',
  { skip: absent('mcpd-own/jsonrpc.jsonl') },
  () => {
    const orders = ordersFor(referenceRules);
    type Line = { id: string; raw?: string; raw_b64?: string; expect: string };
    const ended = (raw: string): string => {
      try {
        const call = name(readMessage(raw, { bytesMax: 4e6, depthMax: 100 }));
        return call.target.kind === 'unknown' ? 'unknown' : judge(orders, call).kind;
      } catch (reason) {
        return Fault.from(reason).code;
      }
    };
    const allowedEnds: Record<string, readonly string[]> = {
      DENY: ['deny'],
      CONFIRM: ['confirm'],
      FORWARD_ONCE: ['allow'],
      DENY_UNKNOWN_METHOD: ['unknown'],
      DENY_NOT_FOUND: ['unknown', 'deny'],
      REJECT_INVALID: ['BAD_MESSAGE', 'BAD_PARAMS', 'TOO_LARGE'],
      REJECT_PARSE: ['BAD_JSON'],
    };
    for (const { id, raw, expect } of corpusLines<Line>('mcpd-own/jsonrpc.jsonl')) {
      const ends = allowedEnds[expect];
      // Invalid bytes are the decoder's, and what is dropped after naming is the story's.
      if (raw === undefined || ends === undefined) continue;
      assert.ok(ends.includes(ended(raw)), `${id}: ${expect}, but ${ended(raw)}`);
    }
    assert.equal(ended('{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}'), 'BAD_MESSAGE');
  },
);
