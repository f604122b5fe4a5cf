/** What holds for every policy, whatever is in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Target } from '../../src/domain/call.ts';
import type { Check, Condition } from '../../src/domain/conditions.ts';
import type { Decision, Facts } from '../../src/domain/decision.ts';
import type { Json, JsonObject } from '../../src/domain/message.ts';
import type { Contract, Grant, Orders, RuleText, ToolText } from '../../src/domain/orders.ts';
import { decide } from '../../src/policy/decide.ts';
import { explain } from '../../src/policy/explain.ts';
import { classed, condition, contract, facts, grant, listed, me, ordersWith, rule } from './support.ts';

const names = ['read_file', 'write_file', 'x', '__proto__'];
const patterns = ['*', 'read_*', '*_file', 'x', '__proto__'];
const verdict = fc.constantFrom('allow', 'confirm', 'deny');
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 2 });

const check: fc.Arbitrary<Check> = fc.oneof(
  fc.record({ kind: fc.constant('type' as const), type: fc.constantFrom('string', 'number', 'array') }),
  fc.record({ kind: fc.constant('one-of' as const), values: fc.array(fc.constantFrom('/srv/a', 1, true)) }),
  fc.record({ kind: fc.constant('within' as const), folders: fc.constant(['/srv']) }),
  fc.record({ kind: fc.constant('length' as const), min: fc.constant(0), max: fc.nat(4) }),
);
const conditions: fc.Arbitrary<Condition[]> = fc.array(
  fc
    .tuple(
      fc.constantFrom('path', 'list.*', 'a.b'),
      fc.array(check, { maxLength: 2 }),
      fc.boolean(),
      fc.boolean(),
    )
    .map(([at, checks, isOptional, absent]) =>
      condition(at, absent ? [] : checks, { optional: isOptional && !absent, absent }),
    ),
  { maxLength: 2 },
);
const ruleTexts: fc.Arbitrary<RuleText[]> = fc
  .array(
    fc.record({
      verdict,
      mode: fc.constantFrom('enforce', 'enforce', 'observe'),
      tools: fc.array(fc.constantFrom(...patterns), { minLength: 1, maxLength: 2 }),
      resources: fc.constantFrom([], ['file:///**']),
      callers: optional(fc.constantFrom(['me'], ['you'], [])),
      roles: optional(fc.constantFrom(['beta'], ['none'])),
      surfaces: optional(fc.constantFrom<('tool' | 'resource')[]>(['tool'], ['resource'])),
      risk: optional(fc.constantFrom<('read' | 'write')[]>(['read'], ['read', 'write'])),
      args: conditions,
      untilMs: optional(fc.constantFrom(100, 500, 501)),
    }),
    { maxLength: 6 },
  )
  .map((its) =>
    its.map(({ verdict: said, untilMs, ...more }, at) =>
      rule(`rule ${at}`, said, { ...more, untilMs: said === 'deny' ? undefined : untilMs }),
    ),
  );
const toolTexts: fc.Arbitrary<ToolText[]> = fc.array(
  fc
    .tuple(fc.constantFrom(...patterns), fc.constantFrom('read', 'write', 'destructive'), conditions)
    .map((it) => classed(...it)),
  { maxLength: 3 },
);
const stages: fc.Arbitrary<Contract> = fc
  .record({
    stage: fc.constantFrom('everyone', 'everyone', 'read-only', 'pilot'),
    pilots: fc.constantFrom(['me'], ['role:beta'], []),
  })
  .map((more) => ({ ...contract, ...more }));
const grants: fc.Arbitrary<Grant[]> = fc
  .array(
    fc.record({
      tool: fc.constantFrom(...names),
      at: fc.constantFrom(0, 600),
      untilMs: fc.constantFrom(400, 500, 900),
    }),
    { maxLength: 2 },
  )
  .map((its) => its.map(({ tool, ...more }, at) => grant(tool, { id: `g${at}`, ...more })));

type World = { rules: RuleText[]; tools: ToolText[]; contract: Contract; grants: Grant[] };
const worlds: fc.Arbitrary<World> = fc.record({
  rules: ruleTexts,
  tools: toolTexts,
  contract: stages,
  grants,
});

const ordersOf = (world: World): Orders =>
  ordersWith(world.rules, world, {
    grants: world.grants,
    roles: [
      ['beta', ['me']],
      ['none', []],
    ],
  });

const targets: fc.Arbitrary<Target> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...names).map((name): Target => ({ kind: 'tool', name })) },
  fc.constantFrom(...names).map((tool): Target => ({ kind: 'task', id: 't', tool })),
  fc.constant<Target>({ kind: 'resource', uri: 'file:///a' }),
  fc.constant<Target>({ kind: 'listing', of: 'tools' }),
);
const values = fc.constantFrom<Json>('/srv/a', '/etc/x', 'rel', 1, true, null, ['/srv/a'], [], {
  b: '/srv/a',
});
const someArgs: fc.Arbitrary<JsonObject> = fc.dictionary(fc.constantFrom('path', 'list', 'a'), values);

const worldly: Facts = {
  ...facts,
  tool: (_server, name) => (name === 'x' ? { admits: 'write', quarantined: undefined } : undefined),
};
const ask = (world: World, target: Target, args: JsonObject | undefined): Decision =>
  decide(ordersOf(world), { server: 'fx', principal: me, target, args }, worldly);

const leave = { deny: 0, confirm: 1, allow: 2 } as const;
/** How much a verdict lets through. */
const leaveOf = (decision: Decision): number => leave[decision.kind];

const holds = (what: string, property: (world: World, target: Target, args: JsonObject) => void): void => {
  test(what, () => {
    fc.assert(fc.property(worlds, targets, someArgs, property), { numRuns: 3000, seed: 7 });
  });
};

holds(
  'a rule that is taken out and does not deny never lets more through without it',
  (world, target, args) => {
    const before = leaveOf(ask(world, target, args));
    for (const it of world.rules) {
      // Without a rule that asks, one that allows may be what is left: only leave itself is taken away here.
      if (it.verdict !== 'allow') continue;
      const rules = world.rules.filter((other) => other !== it);
      assert.ok(leaveOf(ask({ ...world, rules }, target, args)) <= before);
    }
  },
);

holds('a rule that denies never lets more through, wherever it stands', (world, target, args) => {
  const before = leaveOf(ask(world, target, args));
  const deny = rule('more', 'deny', { tools: ['x', 'read_*'], resources: ['**'] });
  for (const rules of [
    [deny, ...world.rules],
    [...world.rules, deny],
  ])
    assert.ok(leaveOf(ask({ ...world, rules }, target, args)) <= before);
});

holds('a rule that denies everything leaves nothing', (world, target, args) => {
  const rules = [...world.rules, rule('nothing', 'deny', { tools: ['*'], resources: ['**'] })];
  if (target.kind !== 'listing') assert.equal(ask({ ...world, rules }, target, args).kind, 'deny');
});

holds('a grant or a rule that has run out is as none', (world, target, args) => {
  const late: Facts = { ...worldly, nowMs: () => 10_000 };
  const without = {
    ...world,
    grants: [],
    rules: world.rules.filter((it) => it.untilMs === undefined),
  };
  const judged = { server: 'fx', principal: me, target, args };
  const [left, right] = [world, without].map((it) => decide(ordersOf(it), judged, late));
  assert.deepEqual(left, right);
});

holds('a tool is listed exactly when some call of it might not be denied', (world, target, args) => {
  if (target.kind !== 'tool') return;
  const called = ask(world, target, args);
  const shown = decide(ordersOf(world), listed(target), worldly);
  // What may be called is shown; and what is not shown is denied, whatever the arguments.
  assert.ok(called.kind === 'deny' || shown.kind !== 'deny');
  const plain = {
    ...world,
    rules: world.rules.map((it) => ({ ...it, args: [] })),
    tools: world.tools.map((it) => ({ ...it, args: [] })),
  };
  // Without conditions nothing is left that a listing cannot know.
  assert.equal(ask(plain, target, args).kind, ask(plain, target, undefined).kind);
});

holds('what only observes changes no verdict, and a denial carries nothing of it', (world, target, args) => {
  const enforced = { ...world, rules: world.rules.filter((it) => it.mode === 'enforce') };
  const [watching, bare] = [ask(world, target, args), ask(enforced, target, args)];
  assert.deepEqual([watching.kind, watching.rule], [bare.kind, bare.rule]);
  if (bare.kind !== 'deny') assert.equal(bare.would, undefined);
});

holds("a server that observes denies only what is not the policy's to say", (world, target, args) => {
  const observing = { ...world, contract: { ...world.contract, mode: 'observe' as const } };
  const enforced = ask(world, target, args);
  const decision = ask(observing, target, args);
  assert.equal(decision.kind, 'allow');
  if (enforced.kind === 'allow' && world.contract.stage !== 'pilot') assert.deepEqual(decision, enforced);
  if (enforced.kind === 'confirm')
    assert.deepEqual(decision.kind === 'allow' && decision.would, { kind: 'confirm', rule: enforced.rule });
});

holds(
  'an explanation tells of the decision that is made, and of the rule that made it',
  (world, target, args) => {
    const judged = { server: 'fx', principal: me, target, args };
    const orders = ordersOf(world);
    const { decision, considered, changes } = explain(orders, judged, worldly);
    assert.deepEqual(decision, decide(orders, judged, worldly));
    assert.ok(
      considered.some((it) => it.rule === decision.rule && it.applied),
      decision.rule,
    );
    // The strictest of the rules that apply, the first of them: nothing else may have decided.
    const [strictest] = considered
      .filter((it) => it.applied && !it.rule.startsWith('built-in'))
      .toSorted((one, other) => leave[one.verdict] - leave[other.verdict]);
    if (target.kind !== 'listing' && !decision.rule.startsWith('built-in'))
      assert.equal(strictest?.rule, decision.rule);
    assert.ok(changes.length <= 12);
  },
);
