import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RuleText } from '../../src/domain/orders.ts';
import { compile } from '../../src/policy/compile.ts';
import { decide } from '../../src/policy/decide.ts';
import { stranger } from '../../src/policy-tools/cast.ts';
import { compare } from '../../src/policy-tools/diff.ts';
import { judgedOf } from '../../src/policy-tools/offline.ts';
import { lint } from '../../src/policy-tools/lint.ts';
import { noSwitches, rule, serverFile } from '../policy/support.ts';
import { facts, nowMs } from './support.ts';

const names = ['ab', 'ac', 'b', 'abc', 'x'];
const pattern = fc.constantFrom('ab', 'a*', '*', 'ac', '*c', 'b', 'a*c', '**');
const rules = fc.array(
  fc.record({
    verdict: fc.constantFrom('allow', 'confirm', 'deny'),
    tools: fc.array(pattern, { minLength: 1, maxLength: 3 }),
    callers: fc.option(fc.array(pattern, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    mode: fc.constantFrom('enforce', 'enforce', 'observe'),
    risk: fc.option(fc.constant(['read'] as const), { nil: undefined }),
    surfaces: fc.option(fc.constant(['tool'] as const), { nil: undefined }),
    untilMs: fc.option(fc.constantFrom(nowMs - 1, nowMs + 1), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 6 },
);

function file(written: readonly Partial<RuleText>[]) {
  const texts = written.map((more, at) =>
    rule(`r${at}`, more.verdict ?? 'deny', {
      ...more,
      untilMs: more.verdict === 'deny' ? undefined : more.untilMs,
      place: { file: 'fx.toml', line: at + 1 },
    }),
  );
  return serverFile('fx', texts);
}

function set(written: ReturnType<typeof file>) {
  const compiled = compile(
    [written],
    { limits: [], roles: [], webhooks: [] },
    { switches: noSwitches, grants: [] },
    'v',
  );
  assert.ok(compiled.ok, JSON.stringify(compiled));
  return { files: [written], orders: compiled.orders, roots: [] };
}

const kinds = (written: ReturnType<typeof file>) => {
  const { orders } = set(written);
  return names.flatMap((caller) =>
    names.map((name) => decide(orders, judgedOf('fx', caller, { kind: 'tool', name }, {}), facts).kind),
  );
};

describe('whatever the rules are', () => {
  it('a rule that is said to have no say changes no verdict when it is gone', () => {
    let said = 0;
    fc.assert(
      fc.property(rules, (written) => {
        const whole = file(written);
        const doubts = lint(whole, () => ({ line: 1, column: 1 }), nowMs).filter(({ what }) =>
          /never has a say|ran out/.test(what),
        );
        for (const { line } of doubts) {
          said++;
          const less = { ...whole, rules: whole.rules.filter(({ place }) => place.line !== line) };
          assert.deepEqual(kinds(less), kinds(whole));
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(said > 100, 'or nothing was tried');
  });

  it('a difference is said exactly where a name of theirs is decided differently, and in the right direction', () => {
    const exact = fc.array(
      fc.record({
        verdict: fc.constantFrom('allow', 'confirm', 'deny'),
        tools: fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }),
        callers: fc.option(fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: 2 }), {
          nil: undefined,
        }),
      }),
      { minLength: 1, maxLength: 5 },
    );
    const rank = { deny: 0, confirm: 1, allow: 2 } as const;
    fc.assert(
      fc.property(exact, exact, (one, other) => {
        const [was, now] = [file(one), file(other)];
        const said = compare(set(was), set(now), facts)
          .differences.filter((it) => it.was?.kind !== it.now?.kind)
          .flatMap(({ callers, target, direction }) =>
            callers.map((caller) => `${caller} ${target ?? ''} ${direction}`),
          );
        const written = [...was.rules, ...now.rules];
        const tools = new Set(written.flatMap((it) => it.tools));
        const callers = new Set(written.flatMap((it) => it.callers ?? []));
        const [before, after] = [set(was).orders, set(now).orders];
        const wanted = [stranger, ...callers].flatMap((caller) =>
          [...tools, stranger].flatMap((name) => {
            const judged = judgedOf('fx', caller, { kind: 'tool', name }, undefined);
            const [old, next] = [decide(before, judged, facts).kind, decide(after, judged, facts).kind];
            return old === next
              ? []
              : [`${caller} tool ${name} ${rank[next] > rank[old] ? 'loosened' : 'tightened'}`];
          }),
        );
        assert.deepEqual(said.toSorted(), wanted.toSorted());
        assert.deepEqual(compare(set(was), set(was), facts).differences, []);
      }),
      { numRuns: 300 },
    );
  });
});
