import { hash } from 'node:crypto';
import type { Call, Target } from '../domain/call.ts';
import type { Permit, Rate } from '../domain/decision.ts';
import type { Limit, Orders } from '../domain/orders.ts';
import { amountOf, mostOf } from './amount.ts';
import type { Want } from './places.ts';
import type { Bound } from './window.ts';

/** One count that a call adds to. */
export type Claim = {
  readonly key: string;
  /** Calls, or millionths of what a budget sums up. */
  readonly amount: number;
  readonly bounds: readonly WordedBound[];
  /** The longest span among the bounds. */
  readonly keepMs: number;
};
export type WordedBound = Bound & { readonly words: string };

/** Everything that a call must find room in. */
export type Claims = {
  readonly counts: readonly Claim[];
  readonly places: readonly Want[];
  /** Why the call fits no budget, however long it waits: its amount cannot be told, or is more than all of it. */
  readonly unfit: string | undefined;
};

/** Asking how a task goes is not using the tool again. */
const free: ReadonlySet<Target['kind']> = new Set(['protocol', 'upcall', 'task', 'subscription']);

/** The limits of a call; undefined where it has none. The protocol's own messages, notifications and replies are free. */
export function claimsOf(orders: Orders, call: Call, permit: Permit, charged: boolean): Claims | undefined {
  if (call.message.kind !== 'request' || free.has(call.target.kind)) return undefined;
  const own = orders.servers.get(call.server)?.limits ?? [];
  if (orders.limits.length === 0 && own.length === 0 && permit.rates.length === 0) return undefined;
  const counts: Claim[] = [];
  const places: Want[] = [];
  let unfit: Claims['unfit'];
  for (const limit of preparedFor(orders.limits, own)) {
    if (!isMeant(limit, call)) continue;
    const key = keyOf(limit, call);
    if (limit.bounds.length > 0) counts.push({ key, amount: 1, bounds: limit.bounds, keepMs: limit.keepMs });
    if (limit.place !== undefined) places.push({ key, ...limit.place });
    const budget = limit.budget;
    if (budget === undefined || call.target.kind !== 'tool') continue;
    const amount = amountOf(budget.text, call);
    if (amount.kind === 'unfit') unfit ??= `${budget.bound.words} (${amount.why})`;
    else if (amount.millionths > 0)
      counts.push({
        key: `${key}$`,
        amount: amount.millionths,
        bounds: [budget.bound],
        keepMs: Math.ceil(budget.bound.perMs),
      });
  }
  const byRule = claimOfRule(call, permit);
  if (byRule !== undefined) counts.push(byRule);
  return charged ? { counts: [], places, unfit: undefined } : { counts, places, unfit };
}

function claimOfRule(call: Call, { rates, rule }: Permit): Claim | undefined {
  if (rates.length === 0) return undefined;
  const { server, principal, target } = call;
  const { bounds, keepMs, keys } = ratesOf(rates, server, rule);
  const known = target.kind === 'tool' ? keys.get(principal.name, target.name) : undefined;
  if (known !== undefined) return { key: known, amount: 1, bounds, keepMs };
  const key = digest(`rule\0${server}\0${rule}\0${principal.name}\0${targetKey(target)}`);
  if (target.kind === 'tool') keys.set(principal.name, target.name, key);
  return { key, amount: 1, bounds, keepMs };
}

/** The rates of one rule, with what need not be worked out for every call. */
type RuleRates = Pick<Prepared, 'bounds' | 'keepMs' | 'keys'> & {
  readonly server: string;
  readonly rule: string;
};

/** By the list that the rule's verdict holds. */
const ruleRates = new WeakMap<readonly Rate[], RuleRates>();

function ratesOf(rates: readonly Rate[], server: string, rule: string): RuleRates {
  const known = ruleRates.get(rates);
  // Should two rules ever hold the same list, each still counts for itself.
  if (known?.server === server && known.rule === rule) return known;
  const bounds = rates.map((rate) => bounded(rate, `${rate.text} per caller, rule and target`));
  const found = { server, rule, bounds, keepMs: longest(rates), keys: new Keys() };
  ruleRates.set(rates, found);
  return found;
}

/** A limit with what need not be worked out for every call. */
type Prepared = {
  readonly limit: Limit;
  readonly key: string;
  readonly bounds: readonly WordedBound[];
  readonly keepMs: number;
  readonly budget:
    { readonly text: NonNullable<Limit['text']['budget']>; readonly bound: WordedBound } | undefined;
  readonly place: Omit<Want, 'key'> | undefined;
  readonly perCaller: boolean;
  readonly perTool: boolean;
  readonly keys: Keys;
};

/** By the list they stand in, which is frozen and lives as long as its orders. */
const known = new WeakMap<readonly Limit[], readonly Prepared[]>();

function prepared(limits: readonly Limit[]): readonly Prepared[] {
  let found = known.get(limits);
  if (found === undefined) known.set(limits, (found = prepareAll(limits)));
  return found;
}

/** Those over all servers, then the server's own. */
function preparedFor(over: readonly Limit[], own: readonly Limit[]): readonly Prepared[] {
  if (over.length === 0) return prepared(own);
  if (own.length === 0) return prepared(over);
  const joined = together.get(own);
  if (joined?.over === over) return joined.all;
  const all = [...prepared(over), ...prepared(own)];
  together.set(own, { over, all });
  return all;
}

const together = new WeakMap<
  readonly Limit[],
  { readonly over: readonly Limit[]; readonly all: readonly Prepared[] }
>();

function prepareAll(limits: readonly Limit[]): readonly Prepared[] {
  const seen = new Map<string, number>();
  return limits.map((limit) => {
    const { name } = limit.text;
    // A file and the one it extends may both have a limit of this name. Each keeps a count of its own: they may be of
    // different tools.
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    return prepare(limit, `limit\0${limit.server ?? ''}\0${name}\0${before}`);
  });
}

function prepare(limit: Limit, key: string): Prepared {
  const { rates, budget, concurrency, waiting } = limit.text;
  return {
    limit,
    key,
    perCaller: limit.text.per.includes('caller'),
    perTool: limit.text.per.includes('tool'),
    keys: new Keys(),
    bounds: rates.map((rate) => bounded(rate, words(limit, rate.text))),
    keepMs: longest(rates),
    budget: budget && {
      text: budget,
      bound: { most: mostOf(budget), perMs: budget.perMs, words: words(limit, budget.text) },
    },
    place:
      concurrency === undefined
        ? undefined
        : { most: concurrency, waiting, words: words(limit, `${concurrency} at once`) },
  };
}

/** What the keys of `[limits]` are called; a `[[limit]]` has a name that its owner gave it. */
const plain: ReadonlySet<string> = new Set([
  'per caller',
  'per tool',
  'per caller and tool',
  'per server',
  'in total',
]);

function words({ text: { name } }: Limit, what: string): string {
  return plain.has(name) ? `${what} ${name}` : `the limit "${name}": ${what}`;
}

function bounded({ count, perMs }: Rate, said: string): WordedBound {
  return { most: count, perMs, words: said };
}

function longest(rates: readonly Rate[]): number {
  return Math.ceil(rates.reduce((most, { perMs }) => Math.max(most, perMs), 0));
}

/** A limit on tools, or on each tool, says nothing about what is no tool. */
function isMeant({ limit }: Prepared, { target }: Call): boolean {
  const { tools, text } = limit;
  if (tools === undefined) return target.kind === 'tool' || !text.per.includes('tool');
  return target.kind === 'tool' && tools.some((pattern) => pattern.test(target.name));
}

/** By the name of the credential, never by session: a new session is free. What a caller can choose stands last. */
function keyOf(
  { key, limit, perCaller, perTool, keys }: Prepared,
  { principal, server, target }: Call,
): string {
  const caller = perCaller ? principal.name : '';
  const tool = perTool && target.kind === 'tool' ? target.name : '';
  // Known by names as they stand in memory: to join them for every call costs more than all else about a limit.
  const known = limit.server === undefined && tool !== '' ? undefined : keys.get(caller, tool);
  if (known !== undefined) return known;
  const found = digest(`${key}\0${caller}\0${tool === '' ? '' : `${server}\0${tool}`}`);
  if (limit.server !== undefined || tool === '') keys.set(caller, tool, found);
  return found;
}

/** The digests of one limit, by caller and tool. Callers make names of tools up, so it is bounded. */
class Keys {
  readonly #byCaller = new Map<string, Map<string, string>>();
  #size = 0;

  get(caller: string, tool: string): string | undefined {
    return this.#byCaller.get(caller)?.get(tool);
  }

  set(caller: string, tool: string, key: string): void {
    if (tool.length > digestedCharsMax) return;
    if (this.#size >= digestsMax) {
      this.#byCaller.clear();
      this.#size = 0;
    }
    const own = this.#byCaller.get(caller) ?? new Map<string, string>();
    this.#byCaller.set(caller, own.set(tool, key));
    this.#size++;
  }
}

function targetKey(target: Target): string {
  switch (target.kind) {
    case 'tool':
    case 'prompt':
      return `${target.kind}\0${target.name}`;
    case 'resource':
      return `resource\0${target.uri}`;
    case 'completion':
      return `completion\0${target.of.kind}\0${target.of.kind === 'prompt' ? target.of.name : target.of.uri}`;
    case 'task':
      return `task\0${target.tool ?? target.id}`;
    case 'subscription':
      return 'subscription';
    case 'listing':
      return `listing\0${target.of}`;
    case 'protocol':
    case 'upcall':
    case 'unknown':
      return `${target.kind}\0${target.method}`;
  }
}

/** As short as any other, however long a name a caller made up. */
function digest(text: string): string {
  if (text.length > digestedCharsMax) return hash('sha256', text, 'base64url');
  let found = digests.get(text);
  if (found === undefined) {
    found = hash('sha256', text, 'base64url');
    if (digests.size >= digestsMax) digests.clear();
    digests.set(text, found);
  }
  return found;
}

/** The same callers use the same tools, and a digest costs as much as everything else about a limit. */
const digests = new Map<string, string>();
const digestsMax = 4096;
const digestedCharsMax = 256;
