import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Target } from '../../src/domain/call.ts';
import type { JsonObject } from '../../src/domain/message.ts';
import type { Orders } from '../../src/domain/orders.ts';
import { withSwitches } from '../../src/policy/compile.ts';
import { decide } from '../../src/policy/decide.ts';
import { explain } from '../../src/policy/explain.ts';
import {
  asks,
  classed,
  condition,
  contract,
  facts,
  grant,
  knowing,
  noSwitches,
  ordersWith,
  resource,
  rule,
  tool,
} from './support.ts';

const inSrv = condition('path', [{ kind: 'within', folders: ['/srv/project'] }]);
const why = (orders: Orders, target: Target, args: JsonObject = {}, world = facts) =>
  explain(orders, asks(target, 'fx', { name: 'me' }, args), world);

describe('an explanation', () => {
  const orders = ordersWith(
    [
      rule('not mine', 'allow', { tools: ['x'], callers: ['you'] }),
      rule('reviewers', 'allow', { tools: ['x'], roles: ['reviewer'] }),
      rule('over', 'allow', { tools: ['x'], untilMs: 1 }),
      rule('reads', 'allow', { tools: ['x'], risk: ['read'] }),
      rule('prompts', 'allow', { tools: ['x'], surfaces: ['prompt'] }),
      rule('project', 'allow', { tools: ['x'], args: [inSrv] }),
      rule('elsewhere', 'deny', { tools: ['y'] }),
      rule('watched', 'deny', { tools: ['x'], mode: 'observe' }),
    ],
    { tools: [classed('*', 'write')] },
    { roles: [['reviewer', ['ann']]] },
  );
  const told = why(orders, tool('x'), { path: '/etc' });
  const because = (name: string): string => told.considered.find((it) => it.rule === name)?.because ?? '';

  test('says of each rule why it does not apply', () => {
    assert.match(because('not mine'), /callers "you", and "me" is none/);
    assert.match(because('reviewers'), /"me" has none of the roles "reviewer"/);
    assert.match(because('over'), /ran out at 1970-01-01/);
    assert.match(because('reads'), /class read, and this one is write/);
    assert.match(because('prompts'), /about prompt, and this is a tool/);
    assert.match(because('project'), /path: a path within \/srv\/project \(not met\)/);
    assert.match(because('elsewhere'), /"y" does not fit "x"/);
    assert.match(because('watched'), /only observed/);
  });
  test('names what decided first where it is built in', () => {
    assert.equal(told.considered[0]?.rule, 'built-in: default deny');
    assert.equal(told.decision.rule, 'built-in: default deny');
  });
  test('says what would change the answer, and only what does', () => {
    assert.deepEqual(told.changes, [
      'a grant: mcpd ctl grant me fx/x --for 1h (then: allow, by grant: new)',
      '"me" among the callers of "not mine" (policies/servers/fx.toml:1) (then: allow, by not mine)',
      'one of the roles "reviewer" for "me", for "reviewers" (policies/servers/fx.toml:1) (then: allow, by reviewers)',
      'a later "until" in "over" (policies/servers/fx.toml:1) (then: allow, by over)',
      'the tool\'s class in the "risk" of "reads" (policies/servers/fx.toml:1) (then: allow, by reads)',
      'the surface in "prompts" (policies/servers/fx.toml:1) (then: allow, by prompts)',
      'arguments for "project" (policies/servers/fx.toml:1): path: a path within /srv/project (then: allow, by project)',
    ]);
  });
  test('of a call that is allowed names the rule and what is without it', () => {
    const allowed = why(orders, tool('x'), { path: '/srv/project/a' });
    assert.equal(allowed.decision.rule, 'project');
    assert.match(allowed.considered.find((it) => it.applied)?.because ?? '', /the arguments meet: path/);
    assert.deepEqual(allowed.changes, [
      'without the rule "project" (policies/servers/fx.toml:1) (then: deny, by built-in: default deny)',
    ]);
  });
  test('does not offer a grant where a grant does not help', () => {
    const denied = ordersWith([rule('never', 'deny', { tools: ['x'] })]);
    assert.deepEqual(why(denied, tool('x')).changes, []);
  });
  test('of an unclassified tool says how to class it', () => {
    const unclassed = ordersWith([rule('all', 'allow', { tools: ['*'] })], { tools: [] });
    assert.match(why(unclassed, tool('x')).changes.join('\n'), /class the tool: \[tools\."x"\]/);
  });
  test('of a tool in quarantine says how to look at it and approve it', () => {
    const all = ordersWith([rule('all', 'allow', { tools: ['*'] })]);
    const world = knowing({ x: { quarantined: 'it changed' } });
    assert.match(
      why(all, tool('x'), {}, world).changes[0] ?? '',
      /mcpd ctl pin fx\/x \(then: allow, by all\)/,
    );
  });
  test('of a switch says what to type', () => {
    const off = { at: 0, by: 'op', reason: '' };
    const all = ordersWith([rule('all', 'allow', { tools: ['*'] })]);
    const switched = withSwitches(all, { ...noSwitches, tools: new Map([['fx/x', off]]) }, 'v2');
    assert.match(why(switched, tool('x')).changes[0] ?? '', /mcpd ctl enable-tool fx\/x \(then: allow/);
    const locked = withSwitches(all, { ...noSwitches, lockdown: off }, 'v2');
    assert.match(why(locked, tool('x')).changes[0] ?? '', /mcpd ctl unlock/);
  });
  test('of a stage names the stage', () => {
    const staged = ordersWith([rule('all', 'allow', { tools: ['*'] })], {
      contract: { ...contract, stage: 'read-only' },
      tools: [classed('*', 'write')],
    });
    assert.match(why(staged, tool('x')).changes[0] ?? '', /stage = "everyone" instead of "read-only"/);
  });
  test('of wrong arguments says what was expected', () => {
    const checked = ordersWith([rule('all', 'allow', { tools: ['*'] })], {
      tools: [classed('*', 'read', [inSrv])],
    });
    const { decision, changes } = why(checked, tool('x'), { path: '/etc' });
    assert.equal(decision.rule, 'built-in: arguments');
    assert.match(changes.join('\n'), /other arguments; path: a path within \/srv\/project/);
  });
  test('of a grant names it', () => {
    const granted = ordersWith([], {}, { grants: [grant('x')] });
    const { decision, considered } = why(granted, tool('x'));
    assert.equal(decision.rule, 'grant: g1');
    assert.deepEqual(
      considered.map(({ rule: it, applied }) => [it, applied]),
      [['grant: g1', true]],
    );
  });
  test('of a listing says which rules show the server', () => {
    const { considered } = why(orders, { kind: 'listing', of: 'tools' });
    assert.deepEqual(
      considered.map(({ rule: it, applied }) => [it, applied]),
      [
        ['built-in: listings are trimmed', true],
        ['not mine', false],
        ['reviewers', false],
        ['over', false],
        ['reads', true],
        ['prompts', true],
        ['project', true],
        ['elsewhere', false],
        ['watched', false],
      ],
    );
  });
  test('of a URI that is not plain says so', () => {
    const all = ordersWith([rule('all', 'allow', { resources: ['file:///pub/**'] })]);
    assert.match(
      why(all, resource('file:///pub/../x')).considered.at(-1)?.because ?? '',
      /not in its plain form/,
    );
  });
  test('of an unknown server has nothing else to say', () => {
    const { considered, changes } = explain(orders, asks(tool('x'), 'nowhere'), facts);
    assert.deepEqual([considered.length, changes.length], [1, 0]);
  });
  test('of what failed still stands', () => {
    const broken = { ...facts, tool: () => assert.fail('no') };
    const { decision, considered, changes } = why(orders, tool('x'), {}, broken);
    assert.equal(decision.rule, 'built-in: error');
    assert.deepEqual([considered.length, changes.length], [1, 0]);
  });
  test('is printable and short, whatever the names', () => {
    const name = `\u001b[2J\u202e${'x'.repeat(400)}`;
    const { considered, changes } = explain(orders, asks(tool(name), 'fx', { name }), facts);
    for (const text of [...considered.map((it) => it.because), ...changes]) {
      assert.ok(text.length <= 300);
      assert.match(text, /^[\x20-\x7e…]+$/);
    }
  });
  test('gives the very decision', () => {
    for (const args of [{}, { path: '/srv/project' }, { path: 5 }]) {
      const judged = asks(tool('x'), 'fx', { name: 'me' }, args);
      assert.deepEqual(explain(orders, judged, facts).decision, decide(orders, judged, facts));
    }
  });
});
