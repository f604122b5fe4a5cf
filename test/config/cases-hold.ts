import assert from 'node:assert/strict';
import type { Call } from '../../src/domain/call.ts';
import type { Facts } from '../../src/domain/decision.ts';
import type { CaseText, Orders, Pattern, ServerFile } from '../../src/domain/orders.ts';
import { decide } from '../../src/policy/decide.ts';

/** A world in which servers say nothing about their tools, and every path is a real one. */
export const facts: Facts = {
  nowMs: () => 0,
  tool: () => ({ admits: undefined, quarantined: undefined }),
  realPath: (path) => (path.startsWith('/') ? path : undefined),
};

/** Every case of a file comes out as it says, and every rule is the reason in one of them. */
export function casesHold(orders: Orders, { spec, rules, cases }: ServerFile): void {
  assert.ok(cases.length >= 5, spec.name);
  for (const one of cases) {
    const judged = {
      server: spec.name,
      principal: { name: one.caller },
      target: aimOf(one),
      args: one.args ?? {},
    };
    const decision = decide(withRoles(orders, one), judged, facts);
    assert.equal(decision.kind, one.expect, `${one.place.file}:${String(one.place.line)} ${one.name}`);
    if (one.rule !== undefined) assert.equal(decision.rule, one.rule, one.name);
  }
  const shown = new Set(cases.map(({ rule }) => rule));
  const silent = rules.filter(({ name }) => !shown.has(name)).map(({ name }) => name);
  assert.deepEqual(silent, [], spec.name);
}

function aimOf({ target }: CaseText): Call['target'] {
  return target.kind === 'method' ? { kind: 'unknown', method: target.method } : target;
}

function withRoles(orders: Orders, { caller, roles }: CaseText): Orders {
  const only: Pattern = { text: caller, test: (name) => name === caller };
  return { ...orders, roles: new Map([...orders.roles, ...roles.map((role) => [role, [only]] as const)]) };
}
