import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compile, withSwitches } from '../../src/policy/compile.ts';
import { decide } from '../../src/policy/decide.ts';
import { asks, noSwitches, ordersFor, referenceRules, rule, serverFile, tool } from './support.ts';

const complaintsOf = (...files: Parameters<typeof serverFile>[]): string[] => {
  const compiled = compile(
    files.map((it) => serverFile(...it)),
    noSwitches,
    undefined,
    'v1',
  );
  assert.ok(!compiled.ok);
  return compiled.complaints.map((it) => `${it.file}: ${it.rule ?? '-'}: ${it.what}`);
};

describe('a policy', () => {
  test('with a bad pattern is refused, naming file, rule and pattern', () => {
    const [first, ...others] = complaintsOf(['fx', [rule('r', 'allow', { tools: ['a'.repeat(600)] })]]);
    assert.match(first ?? '', /^policies\/servers\/fx\.toml: r: tools: the pattern "a+" is longer than 512/);
    assert.deepEqual(others, []);
  });
  test('tells everything that is wrong at once', () => {
    const told = complaintsOf([
      'fx',
      [rule('r', 'allow', { tools: [''], callers: [''], upcalls: [''], prompts: [''] })],
    ]);
    assert.equal(told.length, 4);
  });
  test('may not name two rules alike, nor take a name that is ours', () => {
    const told = complaintsOf(['fx', [rule('r', 'allow'), rule('r', 'deny'), rule('built-in: x', 'allow')]]);
    assert.equal(told.length, 2);
  });
  test('may not hold two servers whose names differ in case only', () => {
    assert.match(complaintsOf(['fx', []], ['FX', []])[0] ?? '', /FX\.toml: -: the server name "FX" is taken/);
  });
  test('may not ask to confirm what a server says', () => {
    assert.match(
      complaintsOf(['fx', [rule('r', 'confirm', { upcalls: ['roots/list'] })]])[0] ?? '',
      /cannot be confirmed/,
    );
  });
  test('may not allow a URI that nothing could ever be allowed by', () => {
    assert.match(
      complaintsOf(['fx', [rule('r', 'allow', { resources: ['file:///a/../b'] })]])[0] ?? '',
      /can never allow anything/,
    );
  });
  test('may deny such a URI', () => {
    assert.ok(ordersFor([rule('r', 'deny', { resources: ['file:///a/../b'] })]).servers.has('fx'));
  });
  test('with empty lists allows nothing', () => {
    const orders = ordersFor([rule('r', 'allow', { tools: [] })]);
    assert.equal(decide(orders, asks(tool('anything'))).kind, 'deny');
  });
});

describe('orders', () => {
  const orders = ordersFor(referenceRules);
  test('are frozen to the bottom', () => {
    const server = orders.servers.get('fx');
    assert.ok(server !== undefined);
    for (const it of [
      orders,
      server,
      server.rules,
      server.rules[0],
      server.rules[0]?.tools,
      server.spec,
      server.limits,
    ])
      assert.ok(Object.isFrozen(it));
    assert.throws(() => (orders.servers as Map<string, unknown>).set('x', server), TypeError);
    assert.throws(() => (orders.switches.tools as Map<string, unknown>).clear(), TypeError);
  });
  test('do not change when the file they came from does', () => {
    const tools = ['read_file'];
    const made = ordersFor([rule('r', 'allow', { tools })]);
    tools.push('delete_file');
    assert.equal(decide(made, asks(tool('delete_file'))).kind, 'deny');
    assert.deepEqual(made.servers.get('fx')?.rules[0]?.text.tools, ['read_file']);
  });
  test('with other switches keep their rules and get another version', () => {
    const callers = new Map([['me', { at: 0, by: 'x', reason: '' }]]);
    const other = withSwitches(orders, { ...noSwitches, callers }, 'v2');
    assert.equal(other.servers, orders.servers);
    assert.equal(other.version, 'v2');
    assert.equal(decide(other, asks(tool('read_file'))).kind, 'deny');
    callers.clear();
    assert.equal(decide(other, asks(tool('read_file'))).kind, 'deny');
    assert.equal(decide(orders, asks(tool('read_file'))).kind, 'allow');
  });
});
