import type { Decision } from '../domain/decision.ts';
import type { Rule, ServerOrders } from '../domain/orders.ts';
import { verdictOf } from './verdict.ts';

/** The lists of a rule that say what it is about. */
export type TargetList = 'tools' | 'resources' | 'prompts' | 'upcalls' | 'methods';

/** A rule with what it says, made once: a call that is allowed costs no new object. */
export type Ready = { readonly rule: Rule; readonly verdict: Decision };

/** The rules about one kind of target, the strictest first and those of one verdict in the order of the file. */
export type Ranked = Readonly<Record<TargetList, readonly Ready[]>>;

export type Prepared = {
  readonly enforced: Ranked;
  /** With those that are only observed; undefined where there are none. */
  readonly all: Ranked | undefined;
};

/** What is worked out of a server's rules once, so that the first rule that applies is the one that decides. */
export function prepared(server: ServerOrders): Prepared {
  const known = remembered.get(server);
  if (known !== undefined) return known;
  const enforced = server.rules.filter(({ text }) => text.mode === 'enforce');
  const all = enforced.length === server.rules.length ? undefined : ranked(server.rules);
  const fresh = { enforced: ranked(enforced), all };
  remembered.set(server, fresh);
  return fresh;
}

const remembered = new WeakMap<ServerOrders, Prepared>();

const verdicts = ['deny', 'confirm', 'allow'] as const;

function ranked(rules: readonly Rule[]): Ranked {
  const ready = verdicts.flatMap((verdict) =>
    rules.filter(({ text }) => text.verdict === verdict).map((rule) => ({ rule, verdict: verdictOf(rule) })),
  );
  const about = (list: TargetList): readonly Ready[] => ready.filter(({ rule }) => rule[list].length > 0);
  return {
    tools: about('tools'),
    resources: about('resources'),
    prompts: about('prompts'),
    upcalls: about('upcalls'),
    methods: about('methods'),
  };
}
