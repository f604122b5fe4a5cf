import type { Decision, Facts } from '../domain/decision.ts';
import type { Orders } from '../domain/orders.ts';
import { decide } from '../policy/decide.ts';
import { readRecorded, type Recorded } from './recorded.ts';

/** Calls that would be decided differently, alike in all that is shown here. */
export type ReplayGroup = {
  readonly caller: string;
  readonly server: string;
  /** `tool`, `resource`, … and what it is called. */
  readonly kind: string;
  readonly target: string;
  readonly was: { readonly kind: string; readonly rule: string };
  readonly now: { readonly kind: Decision['kind']; readonly rule: string };
  count: number;
  /** Of these, how many were judged without their arguments. */
  withoutArgs: number;
  /** Correlation id of the newest. */
  newest: string;
};

export type Replayed = {
  readonly judged: number;
  readonly different: number;
  /** The same verdict, by another rule. */
  readonly byAnotherRule: number;
  readonly withoutArgs: number;
  /** Decided then by a switch, a quarantine or a grant: no policy file says the same again. */
  readonly leftOut: number;
  /** Names that the journal had to cut. */
  readonly cut: number;
  readonly unreadable: number;
  /** The most frequent first. */
  readonly groups: readonly Readonly<ReplayGroup>[];
  /** Different calls in groups that are not shown, because there are too many. */
  readonly ungrouped: number;
};

/** Callers choose names, so they could make as many groups as they like. */
const groupsMax = 10_000;

/**
 * Decides every recorded call again under other orders, as if those had been in force at that time. One line at a time;
 * nothing but counts and groups is kept. Limits, approvals and pins are not replayed.
 */
export async function replay(
  lines: AsyncIterable<string> | Iterable<string>,
  orders: Orders,
  wanted: { readonly sinceMs: number; readonly server: string | undefined },
  factsAt: (nowMs: number) => Facts,
): Promise<Replayed> {
  const tally = {
    judged: 0,
    different: 0,
    byAnotherRule: 0,
    withoutArgs: 0,
    leftOut: 0,
    cut: 0,
    unreadable: 0,
  };
  const groups = new Map<string, ReplayGroup>();
  let ungrouped = 0;
  for await (const line of lines) {
    const read = readRecorded(line);
    if (read === 'not-a-call') continue;
    if (read === 'unreadable') {
      tally.unreadable++;
      continue;
    }
    if (read.atMs < wanted.sinceMs) continue;
    if (wanted.server !== undefined && read.server !== wanted.server) continue;
    if (read.cut || notByPolicy(read.was.rule)) {
      tally[read.cut ? 'cut' : 'leftOut']++;
      continue;
    }
    tally.judged++;
    if (read.args === undefined) tally.withoutArgs++;
    const { kind, rule } = again(read, orders, factsAt(read.atMs));
    if (kind === read.was.kind) {
      if (rule !== read.was.rule) tally.byAnotherRule++;
      continue;
    }
    tally.different++;
    if (!put(groups, read, { kind, rule })) ungrouped++;
  }
  const sorted = [...groups.values()].toSorted((a, b) => b.count - a.count);
  return { ...tally, groups: sorted, ungrouped };
}

function again(read: Recorded, orders: Orders, facts: Facts): Decision {
  const { server, caller, target, args } = read;
  return decide(orders, { server, principal: { name: caller }, target, args }, facts);
}

function notByPolicy(rule: string): boolean {
  return /^(switch|grant): |^built-in: quarantined$/.test(rule);
}

function put(groups: Map<string, ReplayGroup>, read: Recorded, now: ReplayGroup['now']): boolean {
  const { caller, server, was, targetName, target } = read;
  const key = JSON.stringify([
    caller,
    server,
    target.kind,
    targetName,
    was.kind,
    was.rule,
    now.kind,
    now.rule,
  ]);
  let group = groups.get(key);
  if (group === undefined) {
    if (groups.size >= groupsMax) return false;
    group = {
      caller,
      server,
      kind: target.kind,
      target: targetName,
      was,
      now,
      count: 0,
      withoutArgs: 0,
      newest: '',
    };
    groups.set(key, group);
  }
  group.count++;
  if (read.args === undefined) group.withoutArgs++;
  // The journal is in order, so the last one read is the newest.
  group.newest = read.id;
  return true;
}
