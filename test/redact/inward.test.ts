import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Call } from '../../src/domain/call.ts';
import type { Json } from '../../src/domain/message.ts';
import type { RedactText } from '../../src/domain/orders.ts';
import { encode, objectOf } from '../../src/protocol/codec.ts';
import type { Inward } from '../../src/redact/inward.ts';
import { callOf, ordersWith, redactorWith, rule, toolCall } from './support.ts';

const token = `ghp_${'aB3dE5gH7jK9'.repeat(3)}`;
const incoming = (more: Partial<RedactText>): RedactText => rule({ direction: 'in', ...more });

function sent(call: Call, rules: readonly RedactText[]): Inward {
  return redactorWith().inward(ordersWith(rules), call);
}

function argumentsOf(inward: Inward): Json | undefined {
  assert.ok(inward.kind === 'clean');
  const { message, params } = inward.call;
  assert.ok(message.kind === 'request');
  // What was decided about and what goes out must be one.
  assert.deepEqual(objectOf(message.params), params);
  return params['arguments'];
}

describe('what a caller sends', () => {
  test('stays as it is without a rule, secrets too, and is the same call', () => {
    const call = toolCall('write', { key: token });
    const inward = sent(call, [rule({ what: ['secrets'] })]);
    assert.ok(inward.kind === 'clean' && inward.call === call);
  });
  test('is cleaned in text and meaning alike', () => {
    const call = toolCall('write', { to: 'ann@example.com', list: [{ card: 4111111111111111 }], n: 5 });
    const inward = sent(call, [incoming({ what: ['pii'] })]);
    assert.deepEqual(argumentsOf(inward), {
      to: '[redacted:email]',
      list: [{ card: '[redacted:card]' }],
      n: 5,
    });
    assert.deepEqual(inward.found, [
      { name: 'privacy: email', count: 1 },
      { name: 'privacy: card', count: 1 },
    ]);
  });
  test('keeps the digits of every other number', () => {
    const params = '{"name":"t","arguments":{"n":12345678901234567890.10,"m":"a@b.cd"}}' as ReturnType<
      typeof encode
    >;
    const call = callOf(
      { kind: 'tool', name: 't' },
      { kind: 'request', id: 1, method: 'tools/call', params },
    );
    const inward = sent(call, [incoming({ what: ['email'] })]);
    assert.ok(inward.kind === 'clean' && inward.call.message.kind === 'request');
    assert.equal(
      inward.call.message.params,
      '{"name":"t","arguments":{"n":12345678901234567890.10,"m":"[redacted:email]"}}',
    );
  });
  test('loses secrets where a rule asks for it, in each way', () => {
    const action = (it: RedactText['action']): Json | undefined =>
      argumentsOf(
        sent(toolCall('write', { key: token }), [incoming({ what: ['github-token'], action: it })]),
      );
    assert.deepEqual(action('redact'), { key: '[redacted:github-token]' });
    assert.deepEqual(action('mask'), { key: `${'*'.repeat(32)}H7jK`.replace('H7jK', token.slice(-4)) });
    assert.match(String((action('hash') as { key: string }).key), /^\[hash:github-token:[0-9a-f]{12}\]$/);
    assert.deepEqual(action('report'), { key: token });
  });
  test('is refused by a rule that blocks, with its name and without what it found', () => {
    const inward = sent(toolCall('write', { to: 'ann@example.com' }), [
      incoming({ name: 'no mail', what: ['email'], action: 'block' }),
    ]);
    assert.ok(inward.kind === 'blocked');
    assert.match(inward.why.reason, /"no mail"/);
    assert.ok(!JSON.stringify(inward).includes('ann@'));
  });
  test('loses whole fields', () => {
    const call = toolCall('write', { customer: { name: 'Ann', id: 1 } });
    assert.deepEqual(argumentsOf(sent(call, [incoming({ fields: ['customer.name'] })])), {
      customer: { name: '[redacted:privacy]', id: 1 },
    });
  });
  test('keeps the name of its tool, whatever a rule finds in it', () => {
    const call = toolCall('ann@example.com', {});
    const inward = sent(call, [incoming({ what: ['email'] })]);
    assert.ok(inward.kind === 'clean' && inward.call === call);
  });
  test('is cleaned in completions and in answers to a server', () => {
    const params = {
      ref: { type: 'ref/prompt', name: 'p' },
      argument: { name: 'who', value: 'ann@example.com' },
    };
    const completion = callOf(
      { kind: 'completion', of: { kind: 'prompt', name: 'p' } },
      { kind: 'request', id: 1, method: 'completion/complete', params: encode(params) },
    );
    const inward = sent(completion, [incoming({ what: ['email'] })]);
    assert.ok(inward.kind === 'clean');
    assert.deepEqual(inward.call.params['argument'], { name: 'who', value: '[redacted:email]' });
    const reply = callOf(
      { kind: 'protocol', method: 'reply' },
      {
        kind: 'reply',
        id: 's-1',
        answer: { kind: 'result', text: encode({ content: { mail: 'ann@example.com' } }) },
      },
    );
    const cleaned = sent(reply, [incoming({ what: ['email'], tools: ['write'] })]);
    assert.ok(cleaned.kind === 'clean' && cleaned.call.message.kind === 'reply');
    assert.equal(cleaned.call.message.answer.text, '{"content":{"mail":"[redacted:email]"}}');
  });
  describe('under a name of the protocol', () => {
    const staff = 'EMP-123456';
    const own = 'io.modelcontextprotocol';
    const handed = { name: 't', arguments: {} };
    const withParams = (params: object): Call =>
      callOf(
        { kind: 'tool', name: 't' },
        { kind: 'request', id: 1, method: 'tools/call', params: encode({ ...handed, ...params }) },
      );
    const read: object[] = [
      { task: { ttl: 1, note: staff } },
      { task: { [staff]: 1 } },
      { level: staff },
      { total: staff },
      { progress: { a: [staff] } },
      { protocolVersion: staff },
      { capabilities: { x: staff } },
      { clientInfo: { name: 'c', version: staff } },
      { _meta: { [`${own}/x`]: staff } },
      { _meta: { [`${own}/${staff}`]: 1 } },
      { _meta: { [`${own}/clientInfo`]: { name: staff } } },
      { _meta: { [`${own}/protocolVersion`]: staff } },
    ];
    for (const params of read)
      test(`can be blocked and reported, and stays as it is: ${JSON.stringify(params)}`, () => {
        const of = (action: RedactText['action']): Inward =>
          sent(withParams(params), [incoming({ patterns: ['EMP-[0-9]{6}'], action })]);
        assert.equal(of('block').kind, 'blocked');
        assert.deepEqual(of('report').found, [{ name: 'privacy', count: 1 }]);
        const redacted = of('redact');
        assert.deepEqual(redacted.found, [{ name: 'privacy', count: 1 }]);
        assert.ok(redacted.kind === 'clean' && redacted.call.message.kind === 'request');
        assert.equal(redacted.call.message.params, encode({ ...handed, ...params }));
      });
    const misplaced: object[] = [
      { traceparent: staff },
      { cursor: { note: staff } },
      { _meta: { progressToken: [staff] } },
      { _meta: { cursor: staff } },
    ];
    for (const params of misplaced)
      test(`is cleaned where no revision has it so: ${JSON.stringify(params)}`, () => {
        const inward = sent(withParams(params), [incoming({ patterns: ['EMP-[0-9]{6}'] })]);
        assert.ok(inward.kind === 'clean' && inward.call.message.kind === 'request');
        const cleaned = JSON.stringify(params).replace(staff, '[redacted:privacy]');
        assert.equal(inward.call.message.params, encode({ ...handed, ...(JSON.parse(cleaned) as object) }));
      });
    const unread: object[] = [
      { cursor: staff },
      { requestState: staff },
      { progressToken: staff },
      { requestId: staff },
      { _meta: { progressToken: staff, traceparent: staff, tracestate: staff } },
    ];
    for (const params of unread)
      test(`is not read: ${JSON.stringify(params)}`, () => {
        const call = withParams(params);
        const inward = sent(call, [incoming({ patterns: ['EMP-[0-9]{6}'], action: 'block' })]);
        assert.ok(inward.kind === 'clean' && inward.call === call);
      });
    test('what the protocol itself writes blocks nothing', () => {
      const call = withParams({
        protocolVersion: '2025-11-25',
        level: 'info',
        _meta: { [`${own}/protocolVersion`]: '2026-07-28', [`${own}/logLevel`]: 'warning' },
      });
      const rules = [incoming({ patterns: ['[0-9]{4}-[0-9]{2}-[0-9]{2}', 'info|warning'], action: 'block' })];
      assert.equal(sent(call, rules).kind, 'clean');
    });
    test('nor do the names that the protocol gives its own members', () => {
      const call = withParams({
        _meta: {
          [`${own}/protocolVersion`]: '2026-07-28',
          [`${own}/clientInfo`]: { name: 'c', version: '1' },
          [`${own}/clientCapabilities`]: {},
          [`${own}/logLevel`]: 'info',
          [`${own}/related-task`]: { taskId: 't' },
        },
      });
      const rules = [incoming({ patterns: ['(?i)client|protocol|level|related'], action: 'block' })];
      assert.equal(sent(call, rules).kind, 'clean');
      const other = withParams({ _meta: { [`${own}/clientNote`]: 1 } });
      assert.equal(sent(other, rules).kind, 'blocked');
    });
  });
  test('is not touched by rules about other tools', () => {
    const call = toolCall('write', { to: 'ann@example.com' });
    const inward = sent(call, [incoming({ what: ['email'], tools: ['read'] })]);
    assert.ok(inward.kind === 'clean' && inward.call === call);
  });
  test('of a member called __proto__ is an ordinary member', () => {
    const params = '{"name":"t","arguments":{"__proto__":{"m":"a@b.cd"}}}' as ReturnType<typeof encode>;
    const call = callOf(
      { kind: 'tool', name: 't' },
      { kind: 'request', id: 1, method: 'tools/call', params },
    );
    const inward = sent(call, [incoming({ what: ['email'] })]);
    assert.ok(inward.kind === 'clean' && inward.call.message.kind === 'request');
    assert.equal(
      inward.call.message.params,
      '{"name":"t","arguments":{"__proto__":{"m":"[redacted:email]"}}}',
    );
    assert.equal(({} as Record<string, unknown>)['m'], undefined);
  });
});

describe('what a server says beside its answers', () => {
  const log = encode({
    jsonrpc: '2.0',
    method: 'notifications/message',
    params: { data: `${token} ann@example.com` },
  });
  test('loses its secrets always, and the rest as all rules say, whatever their tools', () => {
    const rules = [rule({ what: ['email'], tools: ['get_user'] })];
    assert.deepEqual(JSON.parse(redactorWith().aside(ordersWith([]), 'one', log) ?? ''), {
      jsonrpc: '2.0',
      method: 'notifications/message',
      params: { data: '[redacted:github-token] ann@example.com' },
    });
    assert.match(
      redactorWith().aside(ordersWith(rules), 'one', log) ?? '',
      /\[redacted:github-token\] \[redacted:email\]/,
    );
  });
  test('is withheld by a rule that blocks', () => {
    assert.equal(
      redactorWith().aside(ordersWith([rule({ what: ['email'], action: 'block' })]), 'one', log),
      undefined,
    );
    assert.equal(
      redactorWith().aside(ordersWith([rule({ what: ['secrets'], action: 'block' })]), 'one', log),
      undefined,
    );
  });
  test('keeps what says which call it belongs to', () => {
    const progress = encode({
      jsonrpc: '2.0',
      method: 'notifications/progress',
      params: { progressToken: 'a@b.cd', message: 'a@b.cd' },
    });
    assert.deepEqual(
      JSON.parse(redactorWith().aside(ordersWith([rule({ what: ['email'] })]), 'one', progress) ?? ''),
      {
        jsonrpc: '2.0',
        method: 'notifications/progress',
        params: { progressToken: 'a@b.cd', message: '[redacted:email]' },
      },
    );
  });
});
