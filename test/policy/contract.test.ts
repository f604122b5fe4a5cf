/** What a server's file says besides its rules: stage, mode, classes, roles, grants, conditions on arguments. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Target } from '../../src/domain/call.ts';
import type { Facts } from '../../src/domain/decision.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import type { Orders } from '../../src/domain/orders.ts';
import { withGrants, withSwitches } from '../../src/policy/compile.ts';
import { decide as decideWith, observes, type Judged } from '../../src/policy/decide.ts';
import { riskOf } from '../../src/policy/risk.ts';
import {
  asks,
  asking,
  classed,
  condition,
  contract,
  facts,
  grant,
  knowing,
  listed,
  noSwitches,
  ordersWith,
  prompt,
  resource,
  rule,
  tool,
} from './support.ts';

const decide = (orders: Orders, judged: Judged, world: Facts = facts) => decideWith(orders, judged, world);
const ruleFor = (orders: Orders, target: Target, args: JsonObject = {}, world = facts) =>
  decide(orders, asks(target, 'fx', { name: 'me' }, args), world).rule;
const kindFor = (orders: Orders, target: Target, args: JsonObject = {}, world = facts) =>
  decide(orders, asks(target, 'fx', { name: 'me' }, args), world).kind;
const all = rule('all', 'allow', { tools: ['*'], resources: ['**'], prompts: ['*'] });
const task = (name: string): Target => ({ kind: 'task', id: 't', tool: name });

describe('a tool that nobody has classified', () => {
  const orders = ordersWith([all], { tools: [classed('read_*', 'read')] });
  test('is denied whatever rule allows it, and hidden', () => {
    const decision = decide(orders, asks(tool('format_disk')));
    assert.ok(decision.kind === 'deny' && decision.hidden);
    assert.equal(decision.rule, 'built-in: unclassified');
    assert.equal(ruleFor(orders, tool('read_file')), 'all');
  });
  test('is denied to a grant as well, and so is what became of a call', () => {
    const granted = withGrants(ordersWith([], { tools: [] }), [grant('x')], 'v2');
    assert.equal(ruleFor(granted, tool('x')), 'built-in: unclassified');
    assert.equal(ruleFor(orders, task('format_disk')), 'built-in: unclassified');
  });
  test('counts as destructive', () => {
    const server = orders.servers.get('fx');
    assert.ok(server !== undefined);
    assert.equal(riskOf(server, 'format_disk', undefined), 'destructive');
  });
});

describe('the class of a tool', () => {
  const orders = ordersWith([rule('reads', 'allow', { tools: ['*'], risk: ['read'] })], {
    tools: [classed('*', 'read'), classed('write_*', 'write'), classed('*_all', 'destructive')],
  });
  const server = orders.servers.get('fx');
  assert.ok(server !== undefined);
  test('is the gravest of all entries that fit', () => {
    assert.equal(riskOf(server, 'read_file', undefined), 'read');
    assert.equal(riskOf(server, 'write_file', undefined), 'write');
    assert.equal(riskOf(server, 'write_all', undefined), 'destructive');
  });
  test('is made graver by what the tool admits, and never milder', () => {
    assert.equal(riskOf(server, 'read_file', 'write'), 'write');
    assert.equal(riskOf(server, 'write_all', 'read'), 'destructive');
    assert.equal(kindFor(orders, tool('read_file')), 'allow');
    assert.equal(kindFor(orders, tool('read_file'), {}, knowing({ read_file: { admits: 'write' } })), 'deny');
    assert.equal(
      kindFor(orders, tool('write_file'), {}, knowing({ write_file: { admits: 'read' } })),
      'deny',
    );
  });
  test('says nothing about what is no tool', () => {
    const mixed = ordersWith([rule('r', 'allow', { tools: ['*'], prompts: ['*'], risk: ['read'] })]);
    assert.equal(kindFor(mixed, prompt('hello')), 'allow');
  });
  test('is the same for the thousandth name as for the first', () => {
    for (let at = 0; at < 3000; at++) assert.equal(riskOf(server, `write_${at}`, undefined), 'write');
    assert.equal(riskOf(server, 'write_2999', undefined), 'write');
    assert.equal(riskOf(server, 'x', undefined), 'read');
  });
});

describe('a stage', () => {
  const at = (more: Partial<typeof contract>, rules = [all]): Orders =>
    ordersWith(
      rules,
      { contract: { ...contract, ...more }, tools: [classed('read_*', 'read'), classed('write_*', 'write')] },
      { roles: [['beta', ['ann']]] },
    );
  test('that is read-only lets tools of class read through, and nothing else of the tools', () => {
    const orders = at({ stage: 'read-only' });
    assert.equal(ruleFor(orders, tool('read_file')), 'all');
    assert.equal(ruleFor(orders, tool('write_file')), 'built-in: stage');
    assert.equal(
      ruleFor(orders, tool('read_file'), {}, knowing({ read_file: { admits: 'write' } })),
      'built-in: stage',
    );
    assert.equal(ruleFor(orders, task('write_file')), 'built-in: stage');
    assert.equal(ruleFor(orders, prompt('hello')), 'all');
  });
  test('for pilots hides the whole server from everybody else, switches included', () => {
    const orders = at({ stage: 'pilot', pilots: ['pat', 'role:beta'] });
    for (const target of [tool('read_file'), prompt('x'), { kind: 'listing', of: 'tools' } as const]) {
      const decision = decide(orders, asks(target));
      assert.ok(decision.kind === 'deny' && decision.hidden);
      assert.equal(decision.rule, 'built-in: stage');
      for (const name of ['pat', 'ann'])
        assert.equal(decide(orders, asks(target, 'fx', { name })).kind, 'allow');
    }
    const off = { at: 0, by: 'op', reason: '' };
    const switched = withSwitches(orders, { ...noSwitches, servers: new Map([['fx', off]]) }, 'v2');
    assert.equal(ruleFor(switched, tool('x')), 'built-in: unknown server');
    assert.equal(decide(switched, asks(tool('x'), 'fx', { name: 'pat' })).rule, 'switch: server');
  });
  test('without pilots is for nobody', () => {
    assert.equal(kindFor(at({ stage: 'pilot', pilots: [] }), tool('read_file')), 'deny');
  });
});

describe('a server that observes', () => {
  for (const more of [{ stage: 'observe' }, { mode: 'observe' }] as const) {
    const rules = [
      rule('reads', 'allow', { tools: ['read'], record: ['path'] }),
      rule('asks', 'confirm', { tools: ['write'], record: ['path'] }),
    ];
    const orders = ordersWith(rules, { contract: { ...contract, ...more } });
    test(`by ${JSON.stringify(more)} lets through what it would hold or refuse, and says so`, () => {
      const server = orders.servers.get('fx');
      assert.ok(server !== undefined && observes(server));
      assert.deepEqual(decide(orders, asks(tool('write'))), {
        kind: 'allow',
        rule: 'built-in: observe',
        record: ['path'],
        rates: [],
        would: { kind: 'confirm', rule: 'asks' },
      });
      const denied = decide(orders, asks(tool('other')));
      assert.ok(denied.kind === 'allow');
      assert.deepEqual(denied.would, { kind: 'deny', rule: 'built-in: default deny' });
      assert.equal(ruleFor(orders, tool('read')), 'reads');
    });
    test(`by ${JSON.stringify(more)} still obeys switches and the quarantine`, () => {
      const off = new Map([['fx/read', { at: 0, by: 'op', reason: '' }]]);
      assert.equal(
        ruleFor(withSwitches(orders, { ...noSwitches, tools: off }, 'v'), tool('read')),
        'switch: tool',
      );
      const world = knowing({ read: { quarantined: 'it changed' } });
      assert.equal(ruleFor(orders, tool('read'), {}, world), 'built-in: quarantined');
    });
    test(`by ${JSON.stringify(more)} gives nobody another caller's task, and no way round the switches`, () => {
      assert.equal(kindFor(orders, { kind: 'task', id: 't', tool: undefined }), 'deny');
      assert.equal(kindFor(orders, { kind: 'unknown', method: 'tools/Call' }), 'deny');
      assert.equal(kindFor(orders, { kind: 'unknown', method: 'x/y' }), 'allow');
    });
  }
});

describe('a rule that observes', () => {
  const watched = (verdict: 'allow' | 'confirm' | 'deny') =>
    ordersWith([all, rule('watched', verdict, { tools: ['x'], mode: 'observe' })]);
  test('changes nothing, and is named where it would', () => {
    for (const verdict of ['confirm', 'deny'] as const) {
      const decision = decide(watched(verdict), asks(tool('x')));
      assert.ok(decision.kind === 'allow' && decision.rule === 'all');
      assert.deepEqual(decision.would, { kind: verdict, rule: 'watched' });
    }
    const plain = decide(watched('deny'), asks(tool('y')));
    assert.ok(plain.kind === 'allow');
    assert.equal(plain.would, undefined);
  });
  test('that would name another rule of the same verdict says so too', () => {
    const orders = ordersWith([rule('first', 'allow', { tools: ['x'], mode: 'observe' }), all]);
    const decision = decide(orders, asks(tool('x')));
    assert.ok(decision.kind === 'allow' && decision.rule === 'all');
    assert.deepEqual(decision.would, { kind: 'allow', rule: 'first' });
  });
  test('grants nothing, not even the knowledge that the server is there', () => {
    const orders = ordersWith([rule('watched', 'allow', { tools: ['*'], mode: 'observe' })]);
    assert.equal(kindFor(orders, tool('x')), 'deny');
    assert.equal(ruleFor(orders, { kind: 'listing', of: 'tools' }), 'built-in: unknown server');
  });
  test('is named for a stream when it would deny one of its resources', () => {
    const orders = ordersWith([all, rule('watched', 'deny', { resources: ['x:2'], mode: 'observe' })]);
    const decision = decide(orders, asks({ kind: 'subscription', uris: ['x:1', 'x:2'] }));
    assert.ok(decision.kind === 'allow');
    assert.deepEqual(decision.would, { kind: 'deny', rule: 'watched' });
  });
});

describe('a role', () => {
  const orders = ordersWith(
    [rule('reviewers', 'allow', { tools: ['*'], roles: ['reviewer', 'lead'] })],
    {},
    {
      roles: [
        ['reviewer', ['m*']],
        ['lead', []],
        ['constructor', ['*']],
      ],
    },
  );
  test('is needed where the rule names some, and one is enough', () => {
    assert.equal(kindFor(orders, tool('x')), 'allow');
    assert.equal(decide(orders, asks(tool('x'), 'fx', { name: 'zoe' })).kind, 'deny');
  });
  test('is needed besides the name of the caller', () => {
    const both = ordersWith(
      [rule('r', 'allow', { tools: ['*'], roles: ['reviewer'], callers: ['max'] })],
      {},
      { roles: [['reviewer', ['me']]] },
    );
    assert.equal(kindFor(both, tool('x')), 'deny');
  });
});

describe('a rule with an end', () => {
  const orders = ordersWith([
    rule('for now', 'allow', { tools: ['*'], untilMs: 500 }),
    rule('later', 'allow', { tools: ['x'], untilMs: 501 }),
  ]);
  test('grants until then and not at that moment', () => {
    assert.equal(ruleFor(orders, tool('x')), 'later');
    assert.equal(kindFor(orders, tool('y')), 'deny');
    assert.equal(ruleFor(orders, tool('y'), {}, { ...facts, nowMs: () => 499 }), 'for now');
    assert.equal(kindFor(orders, tool('x'), {}, { ...facts, nowMs: () => 501 }), 'deny');
  });
  test('shows nobody the server when it has run out', () => {
    const late = { ...facts, nowMs: () => 600 };
    assert.equal(ruleFor(orders, { kind: 'listing', of: 'tools' }, {}, late), 'built-in: unknown server');
  });
});

describe('a surface', () => {
  test('limits a rule to a kind of message', () => {
    const orders = ordersWith([
      rule('r', 'allow', { tools: ['*'], prompts: ['*'], surfaces: ['tool', 'completion'] }),
    ]);
    assert.equal(kindFor(orders, tool('x')), 'allow');
    assert.equal(kindFor(orders, task('x')), 'deny');
    assert.equal(kindFor(orders, prompt('x')), 'deny');
    assert.equal(kindFor(orders, { kind: 'completion', of: { kind: 'prompt', name: 'x' } }), 'allow');
  });
  test('that is none makes a rule about nothing', () => {
    assert.equal(kindFor(ordersWith([{ ...all, surfaces: [] }]), tool('x')), 'deny');
  });
});

describe('a grant', () => {
  const orders = (rules = [rule('other', 'allow', { prompts: ['p'] })], more = {}) =>
    ordersWith(rules, {}, { grants: [grant('write', more)] });
  test('lets one caller use one tool', () => {
    assert.equal(ruleFor(orders(), tool('write')), 'grant: g1');
    assert.equal(ruleFor(orders(), task('write')), 'grant: g1');
    assert.equal(kindFor(orders(), tool('write_file')), 'deny');
    assert.equal(kindFor(orders(), prompt('write')), 'deny');
    assert.equal(decide(orders(), asks(tool('write'), 'fx', { name: 'you' })).kind, 'deny');
    assert.equal(kindFor(orders(undefined, { server: 'other' }), tool('write')), 'deny');
  });
  test('is no pattern', () => {
    assert.equal(kindFor(ordersWith([], {}, { grants: [grant('*')] }), tool('write')), 'deny');
  });
  test('begins and ends when it says', () => {
    const spanned = orders(undefined, { at: 500, untilMs: 600 });
    for (const [now, kind] of [
      [499, 'deny'],
      [500, 'allow'],
      [599, 'allow'],
      [600, 'deny'],
    ] as const)
      assert.equal(kindFor(spanned, tool('write'), {}, { ...facts, nowMs: () => now }), kind, String(now));
  });
  test('is weaker than a rule that denies or asks, and named after one that allows', () => {
    for (const verdict of ['deny', 'confirm', 'allow'] as const)
      assert.equal(ruleFor(orders([rule('mine', verdict, { tools: ['write'] })]), tool('write')), 'mine');
  });
  test('shows its caller that the server is there', () => {
    const only = ordersWith([], {}, { grants: [grant('write')] });
    assert.equal(kindFor(only, { kind: 'listing', of: 'tools' }), 'allow');
    assert.equal(decide(only, asks({ kind: 'listing', of: 'tools' }, 'fx', { name: 'you' })).kind, 'deny');
  });
  test('replaces the others whole', () => {
    const now = orders();
    assert.equal(kindFor(withGrants(now, [], 'v2'), tool('write')), 'deny');
    assert.equal(withGrants(now, [], 'v2').version, 'v2');
    assert.ok(Object.isFrozen(withGrants(now, [grant('x')], 'v2').grants[0]));
  });
});

describe('a condition on arguments', () => {
  const inSrv = condition('path', [{ kind: 'within', folders: ['/srv'] }]);
  test('of a rule that allows must surely hold', () => {
    const orders = ordersWith([rule('srv', 'allow', { tools: ['*'], args: [inSrv] })]);
    assert.equal(kindFor(orders, tool('x'), { path: '/srv/a' }), 'allow');
    for (const args of [{}, { path: '/etc' }, { path: 'relative' }, { path: ['/srv/a'] }, { path: null }])
      assert.equal(kindFor(orders, tool('x'), args), 'deny', JSON.stringify(args));
  });
  test('of a rule that denies is not dodged by a value of another type', () => {
    const orders = ordersWith([all, rule('not srv', 'deny', { tools: ['*'], args: [inSrv] })]);
    assert.equal(kindFor(orders, tool('x'), { path: '/etc' }), 'allow');
    assert.equal(kindFor(orders, tool('x'), {}), 'allow');
    for (const args of [
      { path: '/srv/a' },
      { path: ['/srv/a'] },
      { path: { path: '/srv/a' } },
      { path: 'x' },
    ])
      assert.equal(kindFor(orders, tool('x'), args), 'deny', JSON.stringify(args));
  });
  test('of a tool holds for every call, and the caller is told which one does not', () => {
    const orders = ordersWith([all], { tools: [classed('*', 'read', [inSrv]), classed('x', 'read')] });
    assert.equal(kindFor(orders, tool('x'), { path: '/srv/a' }), 'allow');
    assert.deepEqual(decide(orders, asks(tool('x'), 'fx', { name: 'me' }, { path: '/etc/shadow' })), {
      kind: 'deny',
      rule: 'built-in: arguments',
      reason: 'path: a path within /srv',
      hidden: false,
    });
  });
  test('of a tool that cannot be told does not hold', () => {
    const orders = ordersWith([all], { tools: [classed('*', 'read', [inSrv])] });
    for (const args of [{ path: ['/srv/a'] }, { path: 'relative' }, {}])
      assert.equal(ruleFor(orders, tool('x'), args), 'built-in: arguments', JSON.stringify(args));
  });
  test('of a tool is not told to who may not use it', () => {
    const orders = ordersWith([rule('theirs', 'allow', { tools: ['*'], callers: ['you'] })], {
      tools: [classed('*', 'read', [inSrv])],
    });
    const decision = decide(orders, asks(tool('x')));
    assert.ok(decision.kind === 'deny' && decision.hidden);
  });
  test('does not hide a tool from a listing that some call of it may use, and denies nothing there', () => {
    const orders = ordersWith(
      [
        rule('srv', 'allow', { tools: ['x'], args: [inSrv] }),
        rule('no', 'deny', { tools: ['*'], args: [inSrv] }),
      ],
      { tools: [classed('*', 'read', [inSrv])] },
    );
    assert.equal(decide(orders, listed(tool('x'))).kind, 'allow');
    assert.equal(decide(orders, listed(tool('y'))).kind, 'deny');
  });
  test('speaks about what a server asks as well', () => {
    const upcall: Target = { kind: 'upcall', method: 'sampling/createMessage' };
    const few = condition('maxTokens', [{ kind: 'range', min: 0, max: 100 }]);
    const orders = ordersWith([rule('r', 'allow', { upcalls: ['sampling/*'], args: [few] })]);
    assert.equal(kindFor(orders, upcall, { maxTokens: 50 }), 'allow');
    assert.equal(kindFor(orders, upcall, { maxTokens: 5000 }), 'deny');
    assert.equal(kindFor(orders, upcall, {}), 'deny');
  });
  test('looks each path up once for all rules, and not without end', () => {
    const asked: string[] = [];
    const world: Facts = { ...facts, realPath: (path) => (asked.push(path), path) };
    const every = condition('paths.*', [{ kind: 'within', folders: ['/srv'] }]);
    const orders = ordersWith([
      rule('a', 'deny', { tools: ['*'], args: [condition('path', [{ kind: 'within', folders: ['/etc'] }])] }),
      rule('b', 'allow', { tools: ['*'], args: [inSrv, every] }),
    ]);
    assert.equal(kindFor(orders, tool('x'), { path: '/srv/a', paths: ['/srv/a', '/srv/b'] }, world), 'allow');
    assert.deepEqual(asked, ['/srv/a', '/srv/b']);
    asked.length = 0;
    const paths = Array.from({ length: 5000 }, (_, at) => `/srv/${at}`);
    assert.equal(kindFor(orders, tool('x'), { path: '/srv/a', paths }, world), 'deny');
    assert.ok(asked.length <= 1000);
  });
});

describe('a quarantined tool', () => {
  const world = knowing({ x: { quarantined: 'its definition changed' } });
  test('is denied and hidden, whoever asks and whatever allows it', () => {
    const orders = ordersWith([all], {}, { grants: [grant('x')] });
    for (const target of [tool('x'), task('x')]) {
      const decision = decide(orders, asks(target), world);
      assert.ok(decision.kind === 'deny' && decision.hidden);
      assert.equal(decision.rule, 'built-in: quarantined');
    }
    assert.equal(kindFor(orders, tool('y'), {}, world), 'allow');
  });
});

describe('whatever goes wrong while deciding', () => {
  const broken = (): never => {
    throw new Error('private words');
  };
  const orders = ordersWith([
    rule('srv', 'allow', {
      tools: ['*'],
      untilMs: 1000,
      args: [condition('path', [{ kind: 'within', folders: ['/srv'] }])],
    }),
  ]);
  for (const key of ['nowMs', 'tool', 'realPath'] as const)
    test(`in ${key} is a no, without its words`, () => {
      const decision = decide(orders, asks(tool('x'), 'fx', { name: 'me' }, { path: '/srv' }), {
        ...facts,
        [key]: broken,
      });
      assert.ok(decision.kind === 'deny' && decision.hidden);
      assert.equal(decision.rule, 'built-in: error');
      assert.doesNotMatch(decision.reason, /private/);
    });
});

test('what must be asked carries how', () => {
  const how = { ...asking, channels: [{ kind: 'ticket' }] as const, approvals: 1, answerWithinMs: 7 };
  const decision = decide(ordersWith([rule('r', 'confirm', { tools: ['*'], asking: how })]), asks(tool('x')));
  assert.ok(decision.kind === 'confirm');
  assert.deepEqual(decision.asking, how);
});

test('the resource of a stream that must be asked for is not followed', () => {
  const orders = ordersWith([rule('r', 'confirm', { resources: ['x:1'] }), all]);
  assert.equal(kindFor(orders, resource('x:1')), 'confirm');
  assert.equal(kindFor(orders, { kind: 'subscription', uris: ['x:1'] }), 'deny');
  assert.equal(kindFor(orders, { kind: 'subscription', uris: ['x:2'] }), 'allow');
});
