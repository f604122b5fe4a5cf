import type { Decision, Facts } from '../domain/decision.ts';
import type { Orders, Place, Rule, ServerOrders } from '../domain/orders.ts';
import { printable } from '../domain/printable.ts';
import { toolOf } from '../domain/target-tools.ts';
import { aimsOf, nothingInParticular, questionOf } from './aim.ts';
import { changesFor } from './changes.ts';
import { decide, type Judged } from './decide.ts';
import { cut, expectation } from './expectation.ts';
import { grantFor, holdsFor, missOf, standingMiss, type Miss, type Question } from './matching.ts';
import { builtIn } from './verdict.ts';

/** A rule, a grant or something built in, and what it has to say about one message. */
export type Considered = {
  readonly rule: string;
  /** Undefined for a grant, and for what is built in. */
  readonly place: Place | undefined;
  readonly verdict: Decision['kind'];
  /** Whether it is about this message and counts. */
  readonly applied: boolean;
  readonly because: string;
};

export type Explanation = {
  readonly decision: Decision;
  /** In the order of the file; then grants; what is built in comes first where it decided. */
  readonly considered: readonly Considered[];
  /** What would lead to another verdict, a sentence each, the smallest change first. Each was tried out. */
  readonly changes: readonly string[];
};

/**
 * Why a message is decided as it is. The decision is `decide`'s own, and every rule is asked by the same function, so an
 * explanation cannot tell of another decision. For people: slower than deciding, and never on the way of a call.
 */
export function explain(orders: Orders, judged: Judged, facts: Facts): Explanation {
  const decision = decide(orders, judged, facts);
  const server = orders.servers.get(judged.server);
  if (server === undefined) return { decision, considered: [builtInWords(decision)], changes: [] };
  const ofRules = server.rules.some(({ text }) => text.name === decision.rule);
  const isGrant = decision.rule.startsWith('grant: ');
  return {
    decision,
    considered: [
      ...(ofRules || isGrant ? [] : [builtInWords(decision)]),
      ...safely(() => rulesConsidered(orders, server, judged, facts)),
    ],
    changes: safely(() => changesFor(orders, server, judged, facts, decision)),
  };
}

/** What made the decision fail makes its explanation fail; the rest of it still stands. */
function safely<Item>(make: () => readonly Item[]): readonly Item[] {
  try {
    return make();
  } catch {
    return [];
  }
}

function builtInWords(decision: Decision): Considered {
  return {
    rule: decision.rule,
    place: undefined,
    verdict: decision.kind,
    applied: true,
    because: decision.kind === 'deny' ? decision.reason : (permitted.get(decision.rule) ?? 'It is allowed.'),
  };
}

const permitted: ReadonlyMap<string, string> = new Map([
  [builtIn.conversation.rule, 'Whoever is granted something on the server may talk to it.'],
  [
    builtIn.listings.rule,
    'Whoever is granted something on the server may ask for its listings, which are trimmed.',
  ],
  [builtIn.notices.rule, 'Known notifications pass to whoever is granted something on the server.'],
  ['built-in: observe', 'The server only observes: its policy is recorded and not enforced.'],
]);

function rulesConsidered(
  orders: Orders,
  server: ServerOrders,
  judged: Judged,
  facts: Facts,
): readonly Considered[] {
  const tool = toolOf(judged.target);
  const admits = tool === undefined ? undefined : facts.tool(judged.server, tool)?.admits;
  const aims = aimsOf(judged.target);
  const ask = (aim: (typeof aims)[number]): Question =>
    questionOf(orders, server, judged, facts, admits, aim);
  if (aims.length === 0) {
    const question = ask(nothingInParticular);
    return server.rules.map((rule) => asStanding(rule, question));
  }
  // One stream for several resources: each is asked about, and each may be what a rule denies.
  return aims.flatMap((aim) => {
    const question = ask(aim);
    const about = aims.length > 1 ? `${printable(aim.value)}: ` : '';
    const grant = grantFor(question);
    return [
      ...server.rules.map((rule) => consider(rule, question, about)),
      ...(grant === undefined
        ? []
        : [
            {
              rule: `grant: ${grant.id}`,
              place: undefined,
              verdict: 'allow' as const,
              applied: true,
              because: `${grant.by} gave leave until ${new Date(grant.untilMs).toISOString()}.`,
            },
          ]),
    ];
  });
}

function consider(rule: Rule, question: Question, about: string): Considered {
  const miss = missOf(rule, question);
  const observed = rule.text.mode === 'observe';
  const words = miss === undefined ? fitWords(rule, question) : missWords(rule, question, miss);
  return {
    rule: rule.text.name,
    place: rule.text.place,
    verdict: rule.text.verdict,
    applied: miss === undefined && !observed,
    because: cut(
      `${about}${words}${miss === undefined && observed ? ' It is only observed, so it does not count.' : ''}`,
    ),
  };
}

/** For what is asked about the server as a whole: whether the rule shows the caller that the server is there. */
function asStanding(rule: Rule, question: Question): Considered {
  const { text } = rule;
  const miss = standingMiss(rule, question);
  const grants = text.verdict !== 'deny' && text.mode === 'enforce';
  return {
    rule: text.name,
    place: text.place,
    verdict: text.verdict,
    applied: grants && miss === undefined,
    because:
      miss !== undefined
        ? missWords(rule, question, miss)
        : grants
          ? `It grants ${who(question)} something here.`
          : 'It grants nothing, so it does not show that the server is there.',
  };
}

function fitWords(rule: Rule, question: Question): string {
  const fitting = rule[question.list].find((it) => it.test(question.value));
  const named = fitting === undefined ? 'another reading of it' : `"${printable(fitting.text)}"`;
  const wanted = rule.args.map(({ condition }) => expectation(condition)).join('; ');
  if (wanted === '') return `${named} fits, for ${who(question)}.`;
  if (question.args === undefined) return `${named} fits, for ${who(question)}, when ${wanted}.`;
  return `${named} fits, for ${who(question)}, and the arguments meet: ${wanted}.`;
}

function missWords(rule: Rule, question: Question, miss: Miss): string {
  const { text } = rule;
  switch (miss) {
    case 'target':
      return targetMiss(rule, question);
    case 'surface':
      return `It is about ${(text.surfaces ?? []).join(', ') || 'nothing'}, and this is a ${question.surface}.`;
    case 'caller':
      return `It is about the callers ${quoted(text.callers ?? [])}, and ${who(question)} is none of them.`;
    case 'role':
      return `${who(question)} has none of the roles ${quoted(text.roles ?? [])}.`;
    case 'class':
      return `It is about tools of class ${(text.risk ?? []).join(', ') || 'none'}, and this one is ${classWords(question)}.`;
    case 'expired':
      return `It ran out at ${new Date(text.untilMs ?? 0).toISOString()}.`;
    case 'arguments':
      return argumentWords(rule, question);
  }
}

function targetMiss(rule: Rule, { list, value }: Question): string {
  const patterns = rule[list];
  if (patterns.length === 0) return `It names no ${list}.`;
  if (list === 'resources' && patterns.some((it) => it.test(value)))
    return 'A pattern fits, but the URI is not in its plain form, and other readers may take it for another one.';
  return `${quoted(patterns.map((it) => it.text))} ${patterns.length === 1 ? 'does' : 'do'} not fit "${printable(value)}".`;
}

function classWords({ classified, risk }: Question): string {
  return classified?.entries.length === 0 ? 'unclassified, which counts as destructive' : (risk ?? '');
}

function argumentWords(rule: Rule, question: Question): string {
  const { args } = question;
  if (args === undefined) return 'It denies by arguments, and in a listing there are none yet.';
  const told = rule.args.flatMap((test) => {
    const holds = holdsFor(test, args, question);
    const met = holds === 'yes' || (holds === 'unknown' && rule.text.verdict === 'deny');
    return met ? [] : [`${expectation(test.condition)} (${holds === 'no' ? 'not met' : 'cannot be told'})`];
  });
  return `The arguments do not fit: ${told.join('; ')}.`;
}

function who({ caller }: Question): string {
  return `"${printable(caller)}"`;
}

const shownMax = 6;

function quoted(texts: readonly string[]): string {
  if (texts.length === 0) return '(none)';
  const shown = texts.slice(0, shownMax).map((it) => `"${printable(it)}"`);
  return `${shown.join(', ')}${texts.length > shownMax ? ` and ${texts.length - shownMax} more` : ''}`;
}
