import type { Decision, Facts } from '../domain/decision.ts';
import type { CaseText, Orders, Place, ServerFile } from '../domain/orders.ts';
import { decide } from '../policy/decide.ts';
import { explain } from '../policy/explain.ts';
import { judgedOf, nameOf, unknownRoles, withRoles } from './offline.ts';

/** What came of one `[[case]]`. */
export type CaseResult = {
  readonly server: string;
  readonly name: string;
  readonly place: Place;
  readonly caller: string;
  /** What was called: `write_file`, `file:///notes.txt`. */
  readonly target: string;
  readonly passed: boolean;
  readonly expected: { readonly kind: Decision['kind']; readonly rule: string | undefined };
  readonly got: {
    readonly kind: Decision['kind'];
    readonly rule: string;
    /** Where the rule stands; undefined for what is built in. */
    readonly place: Place | undefined;
    /** The rule that says something else while it is only observed. */
    readonly would: string | undefined;
  };
  /** Why, a sentence each; only for a case that failed. */
  readonly because: readonly string[];
};

/** Every case of these files, in their order. */
export function runCases(
  orders: Orders,
  files: readonly ServerFile[],
  factsAt: (nowMs: number | undefined) => Facts,
): readonly CaseResult[] {
  return files.flatMap(({ spec, cases }) =>
    cases.map((text) => runCase(orders, spec.name, text, factsAt(text.atMs))),
  );
}

/** One case. An example without `args` is a call without arguments. */
export function runCase(orders: Orders, server: string, text: CaseText, facts: Facts): CaseResult {
  const strangers = unknownRoles(orders, text.roles);
  const known = withRoles(orders, text.caller, text.roles);
  const judged = judgedOf(server, text.caller, text.target, { ...text.args });
  const { kind, rule, would } = meant(decide(known, judged, facts));
  const rightRule = text.rule === undefined || text.rule === rule;
  const passed = strangers.length === 0 && kind === text.expect && rightRule;
  return {
    server,
    name: text.name,
    place: text.place,
    caller: text.caller,
    target: nameOf(text.target),
    passed,
    expected: { kind: text.expect, rule: text.rule },
    got: { kind, rule, place: placeOf(orders, server, rule), would },
    because: passed
      ? []
      : [
          ...strangers.map((role) => `mcpd.toml has no role "${role}" under [roles]`),
          ...whyNot(known, judged, facts, text),
        ],
  };
}

/**
 * What the files say about a call. A server that only observes lets everything through; its cases are about what it would
 * do, so that they can be written, and pass, before anything is enforced.
 */
function meant(decision: Decision): { kind: Decision['kind']; rule: string; would: string | undefined } {
  const { kind, rule } = decision;
  const would = kind === 'deny' ? undefined : decision.would;
  if (rule === 'built-in: observe' && would !== undefined) return { ...would, would: undefined };
  return { kind, rule, would: would?.rule };
}

/** Where a rule stands. */
export function placeOf(orders: Orders, server: string, rule: string): Place | undefined {
  return orders.servers.get(server)?.rules.find(({ text }) => text.name === rule)?.text.place;
}

/** What the rules in question have to say: the one that decided, the one that should have, and all that applied. */
function whyNot(
  orders: Orders,
  judged: Parameters<typeof explain>[1],
  facts: Facts,
  text: CaseText,
): readonly string[] {
  const { decision, considered } = explain(orders, judged, facts);
  const reason = decision.kind === 'deny' ? [decision.reason] : [];
  const telling = considered.filter(
    ({ rule, verdict, applied, place }) =>
      (applied && place !== undefined) ||
      rule === text.rule ||
      (text.rule === undefined && verdict === text.expect),
  );
  return [
    ...reason,
    ...telling
      .slice(0, tellingMax)
      .map(
        ({ rule, applied, because }) =>
          `rule "${rule}" ${applied ? 'applies' : 'does not apply'}: ${because}`,
      ),
  ];
}

const tellingMax = 8;
