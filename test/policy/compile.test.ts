import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Channel, RuleText, ServerFile } from '../../src/domain/orders.ts';
import { compile, withSwitches, type DaemonTexts } from '../../src/policy/compile.ts';
import { couldMeet } from '../../src/policy/faults.ts';
import { decide } from '../../src/policy/decide.ts';
import {
  asking,
  asks,
  classed,
  condition,
  contract,
  facts,
  noDaemon,
  noSwitches,
  ordersFor,
  referenceRules,
  rule,
  serverFile,
  tool,
} from './support.ts';

const complaintsOf = (...files: Parameters<typeof serverFile>[]): string[] => {
  const compiled = compile(
    files.map((it) => serverFile(...it)),
    noDaemon,
    { switches: noSwitches, grants: [] },
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
    assert.equal(decide(orders, asks(tool('anything')), facts).kind, 'deny');
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
    assert.equal(decide(made, asks(tool('delete_file')), facts).kind, 'deny');
    assert.deepEqual(made.servers.get('fx')?.rules[0]?.text.tools, ['read_file']);
  });
  test('with other switches keep their rules and get another version', () => {
    const callers = new Map([['me', { at: 0, by: 'x', reason: '' }]]);
    const other = withSwitches(orders, { ...noSwitches, callers }, 'v2');
    assert.equal(other.servers, orders.servers);
    assert.equal(other.version, 'v2');
    assert.equal(decide(other, asks(tool('read_file')), facts).kind, 'deny');
    callers.clear();
    assert.equal(decide(other, asks(tool('read_file')), facts).kind, 'deny');
    assert.equal(decide(orders, asks(tool('read_file')), facts).kind, 'allow');
  });
});

describe('a policy is refused that', () => {
  type Around = { readonly file?: Partial<ServerFile>; readonly daemon?: Partial<DaemonTexts> };
  const toldOf = (rules: readonly RuleText[], { file, daemon }: Around = {}): string[] => {
    const compiled = compile(
      [serverFile('fx', rules, file)],
      { ...noDaemon, ...daemon },
      { switches: noSwitches, grants: [] },
      'v1',
    );
    return compiled.ok ? [] : compiled.complaints.map((it) => `${it.file}: ${it.rule ?? '-'}: ${it.what}`);
  };
  const channels = (...its: Channel[]) => ({ ...asking, channels: its });
  const writes = [classed('write_*', 'write'), classed('read', 'read')];
  const nobody = { ...contract, owner: undefined };

  const rows: readonly (readonly [why: string, rules: readonly RuleText[], around: Around, told: RegExp])[] =
    [
      [
        'names an unknown role',
        [rule('r', 'allow', { roles: ['x'] })],
        {},
        /fx\.toml: r: roles: there is no role "x"/,
      ],
      [
        'names an unknown role among the pilots',
        [],
        { file: { contract: { ...contract, pilots: ['role:x'] } } },
        /-: pilots: there is no role "x"/,
      ],
      [
        'asks an unknown webhook',
        [rule('r', 'confirm', { asking: channels({ kind: 'webhook', name: 'chat' }) })],
        {},
        /r: ask: there is no \[webhooks\.chat\]/,
      ],
      ['asks nobody', [rule('r', 'confirm', { asking: channels() })], {}, /r: ask: nobody is asked/],
      [
        'counts a ticket as one of two',
        [rule('r', 'confirm', { asking: { ...channels({ kind: 'ticket' }), approvals: 2 } })],
        {},
        /r: ask: a ticket cannot count/,
      ],
      [
        'lets a denial run out',
        [rule('r', 'deny', { tools: ['x'], untilMs: 5 })],
        {},
        /r: until: a denial does not run out/,
      ],
      [
        'limits to a class what is about no tool',
        [rule('r', 'allow', { prompts: ['x'], risk: ['read'] })],
        {},
        /r: risk: the rule names no tools/,
      ],
      ['takes the name of a grant', [rule('grant: g1', 'allow')], {}, /are ours/],
      [
        'has a condition with a bad pattern',
        [rule('r', 'allow', { args: [condition('p', [{ kind: 'text', like: [], matches: ['('] }])] })],
        {},
        /r: args: p: matches:/,
      ],
      [
        'has a tool with one',
        [],
        { file: { tools: [classed('', 'read')] } },
        /-: \[tools\.""\] name: the pattern "" is empty/,
      ],
      [
        'redacts by one',
        [],
        {
          file: {
            redact: [
              {
                name: 'n',
                what: [],
                patterns: ['(?=x)'],
                fields: [],
                tools: [''],
                direction: 'out',
                action: 'redact',
                place: { file: '', line: 1 },
              },
            ],
          },
        },
        /-: \[\[redact\]\] "n": tools:/,
      ],
      [
        'limits by one',
        [],
        {
          file: {
            limits: [
              { name: 'n', per: [], tools: [''], rates: [], budget: undefined, concurrency: 1, waiting: 0 },
            ],
          },
        },
        /-: the limit "n": tools:/,
      ],
      [
        'has a role with one',
        [],
        { daemon: { roles: [['r', ['']]] } },
        /^mcpd\.toml: -: roles\.r: the pattern ""/,
      ],
      [
        'has a role twice',
        [],
        {
          daemon: {
            roles: [
              ['r', []],
              ['r', []],
            ],
          },
        },
        /^mcpd\.toml: -: roles: the role "r" is there twice/,
      ],
      [
        'lets write tools through without an owner',
        [rule('r', 'allow', { tools: ['*'] })],
        { file: { contract: nobody, tools: writes } },
        /-: owner: the rule "r" lets through "write_\*"/,
      ],
      [
        'lets them through by another pattern',
        [rule('r', 'confirm', { tools: ['*_file'] })],
        { file: { contract: nobody, tools: writes } },
        /-: owner:/,
      ],
      [
        'lets them through for an owner of blanks',
        [rule('r', 'allow', { tools: ['write_x'] })],
        { file: { contract: { ...contract, owner: '  ' }, tools: writes } },
        /-: owner:/,
      ],
    ];
  for (const [why, rules, around, told] of rows)
    test(why, () => assert.match(toldOf(rules, around).join('\n'), told));

  test('does not need an owner where nothing could be written', () => {
    const file = { contract: nobody, tools: writes };
    assert.deepEqual(toldOf([rule('r', 'allow', { tools: ['read*'] })], { file }), []);
    assert.deepEqual(toldOf([rule('r', 'deny', { tools: ['*'] })], { file }), []);
    assert.deepEqual(toldOf([rule('r', 'allow', { tools: ['*'], risk: ['read'] })], { file }), []);
  });
  test('knows when two patterns have a name in common', () => {
    for (const [one, other, meet] of [
      ['a*', '*b', true],
      ['a*', 'b*', false],
      ['*', '', true],
      ['a*c', 'ab*', true],
      ['read_*', 'write_*', false],
      ['*_file', 'write_*', true],
      ['abc', 'a*c', true],
      ['abd', 'a*c', false],
      ['a*a', 'a', false],
      ['**', '*x*', true],
    ] as const) {
      assert.equal(couldMeet(one, other), meet, `${one} ${other}`);
      assert.equal(couldMeet(other, one), meet, `${other} ${one}`);
    }
  });
});
