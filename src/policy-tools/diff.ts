import type { Decision, Facts } from '../domain/decision.ts';
import type { JsonObject } from '../domain/message.ts';
import type { Orders, Place, Rule, RuleText, ServerFile } from '../domain/orders.ts';
import { decide } from '../policy/decide.ts';
import { castOf, keyOf, type PolicySet } from './cast.ts';
import { placeOf } from './cases.ts';
import {
  conditionText,
  limitText,
  listTurns,
  ruleTurns,
  serverTurns,
  type Direction,
  type Turn,
} from './diff-terms.ts';
import { judgedOf, type Aim } from './offline.ts';
import { portable } from './portable.ts';

/** Who said what. */
export type Said = {
  readonly kind: Decision['kind'];
  readonly rule: string;
  readonly place: Place | undefined;
};

/** Something that two policies decide differently. */
export type Difference = {
  readonly direction: Direction;
  readonly server: string;
  /** `tool write_file`; undefined where it is about the server as a whole. */
  readonly target: string | undefined;
  /** An example's arguments, as JSON; undefined: some call, whatever its arguments. */
  readonly args: string | undefined;
  readonly callers: readonly string[];
  readonly was: Said | undefined;
  readonly now: Said | undefined;
  /** What changed where the verdict is the same. */
  readonly what: string | undefined;
};

export type Compared = {
  /** Loosened ones first: they are what a person has to agree with. */
  readonly differences: readonly Difference[];
  readonly asked: number;
  /** Names that were not asked about because there are too many. */
  readonly leftOut: number;
};

const order: Readonly<Record<Direction, number>> = { loosened: 0, tightened: 1, changed: 2 };

/** One side, and what its files say in words that mean the same on the other one. */
type Side = { readonly orders: Orders; readonly files: ReadonlyMap<string, ServerFile> };

function sideOf({ orders, files, roots }: PolicySet): Side {
  return { orders, files: new Map(files.map((file) => [file.spec.name, portable(file, roots)])) };
}

/** Puts the same questions to both policies. The old one first. */
export function compare(old: PolicySet, next: PolicySet, facts: Facts): Compared {
  const [was, now] = [sideOf(old), sideOf(next)];
  const found = new Map<string, Difference>();
  let asked = 0;
  let leftOut = 0;
  for (const server of [...new Set([...was.files.keys(), ...now.files.keys()])].toSorted()) {
    for (const turn of serverWide(server, was, now)) merge(found, about(server, turn));
    const cast = castOf(server, [old, next]);
    leftOut += cast.leftOut;
    for (const aim of cast.aims)
      for (const caller of cast.callers) {
        const examples = cast.args.get(keyOf(aim)) ?? [];
        asked += 1 + examples.length;
        for (const it of ask({ server, caller, aim }, examples, was, now, facts)) merge(found, it);
      }
  }
  for (const turn of everywhere(was.orders, now.orders)) merge(found, about('(all servers)', turn));
  const differences = [...found.values()].toSorted((a, b) => order[a.direction] - order[b.direction]);
  return { differences, asked, leftOut };
}

type Asked = { readonly server: string; readonly caller: string; readonly aim: Aim };

const rank = { deny: 0, confirm: 1, allow: 2 } as const;

/** One caller and one target: some call, whatever its arguments, and then those of the examples. */
function ask(
  asked: Asked,
  examples: readonly JsonObject[],
  was: Side,
  now: Side,
  facts: Facts,
): readonly Difference[] {
  const { server, caller, aim } = asked;
  const put = (args: JsonObject | undefined) => {
    const judged = judgedOf(server, caller, aim, args);
    const [before, after] = [decide(was.orders, judged, facts), decide(now.orders, judged, facts)];
    const line = {
      server,
      target: keyOf(aim),
      args: args === undefined ? undefined : JSON.stringify(args),
      callers: [caller],
      was: saidBy(was, server, before),
      now: saidBy(now, server, after),
    };
    return { before, after, line };
  };
  const some = put(undefined);
  const turns = some.before.kind === some.after.kind && some.before.kind !== 'deny';
  const differences: Difference[] = turns
    ? termTurns(asked, was, now, some.before, some.after).map((turn) => ({ ...some.line, ...turn }))
    : [];
  for (const { before, after, line } of [some, ...examples.map(put)]) {
    if (before.kind === after.kind) continue;
    // What is said already about every call need not be said about an example.
    if (line.args !== undefined && sameVerdicts(line, some.line)) continue;
    const direction = rank[after.kind] > rank[before.kind] ? 'loosened' : 'tightened';
    differences.push({ direction, ...line, what: undefined });
  }
  return differences;
}

type Verdicts = { readonly was: Said; readonly now: Said };

function sameVerdicts(one: Verdicts, other: Verdicts): boolean {
  return one.was.kind === other.was.kind && one.now.kind === other.now.kind;
}

/** The same verdict may hang on something else. */
function termTurns(
  { server, caller, aim }: Asked,
  was: Side,
  now: Side,
  before: Decision,
  after: Decision,
): readonly Turn[] {
  const [old, next] = [textOf(was, server, before.rule), textOf(now, server, after.rule)];
  const turns = old === undefined || next === undefined ? [] : ruleTurns(old, next);
  const denials = listTurns(
    'denied when',
    conditionalDenials(was, server, aim, caller),
    conditionalDenials(now, server, aim, caller),
    'fewer-is-loose',
  );
  const [meant, means] = [shadowOf(before), shadowOf(after)];
  const shadow: readonly Turn[] =
    meant === means ? [] : [{ direction: 'changed', what: `enforced, it would be: ${meant} → ${means}` }];
  return [...turns, ...denials, ...shadow];
}

/** What a verdict would be if everything that is only observed were enforced. */
function shadowOf(decision: Decision): Decision['kind'] {
  return decision.kind === 'deny' ? decision.kind : (decision.would?.kind ?? decision.kind);
}

/** What denies some calls and not others: seen only in its conditions. */
function conditionalDenials(side: Side, server: string, aim: Aim, caller: string): readonly string[] {
  const rules = side.orders.servers.get(server)?.rules ?? [];
  return rules
    .filter(
      (rule) =>
        rule.text.verdict === 'deny' &&
        rule.text.mode === 'enforce' &&
        rule.args.length > 0 &&
        (rule.callers === undefined || rule.callers.some((it) => it.test(caller))) &&
        names(rule, aim),
    )
    .map(({ text }) => (textOf(side, server, text.name) ?? text).args.map(conditionText).join(' and '));
}

function names(rule: Rule, aim: Aim): boolean {
  switch (aim.kind) {
    case 'tool':
      return rule.tools.some((it) => it.test(aim.name));
    case 'prompt':
      return rule.prompts.some((it) => it.test(aim.name));
    case 'resource':
      return rule.resources.some((it) => it.test(aim.uri));
    case 'upcall':
      return rule.upcalls.some((it) => it.test(aim.method));
    case 'method':
      return rule.methods.some((it) => it.test(aim.method));
  }
}

function textOf(side: Side, server: string, name: string): RuleText | undefined {
  return side.files.get(server)?.rules.find((rule) => rule.name === name);
}

function saidBy(side: Side, server: string, { kind, rule }: Decision): Said {
  return { kind, rule, place: placeOf(side.orders, server, rule) };
}

function serverWide(server: string, was: Side, now: Side): readonly Turn[] {
  const [before, after] = [was.files.get(server), now.files.get(server)];
  if (before === undefined) return [{ direction: 'changed', what: 'the server is new' }];
  if (after === undefined) return [{ direction: 'changed', what: 'the server is gone' }];
  return serverTurns(before, after);
}

function everywhere(was: Orders, now: Orders): readonly Turn[] {
  const limits = ({ limits: all }: Orders) => all.map(({ text }) => limitText(text));
  const roles = ({ roles: all }: Orders) =>
    [...all].flatMap(([role, patterns]) => patterns.map(({ text }) => `${role} = ${text}`));
  return [
    ...listTurns('limit', limits(was), limits(now), 'fewer-is-loose'),
    ...listTurns('role', roles(was), roles(now), 'neither'),
  ];
}

function about(server: string, { direction, what }: Turn): Difference {
  return {
    direction,
    server,
    target: undefined,
    args: undefined,
    callers: [],
    was: undefined,
    now: undefined,
    what,
  };
}

/** One line for all callers about whom the same is different. */
function merge(found: Map<string, Difference>, it: Difference): void {
  const { callers, ...rest } = it;
  const key = JSON.stringify(rest);
  const known = found.get(key);
  found.set(key, known === undefined ? it : { ...known, callers: [...known.callers, ...callers] });
}
