import type { Target } from '../domain/call.ts';
import type { Facts } from '../domain/decision.ts';
import type { Orders, Risk, ServerOrders, Surface } from '../domain/orders.ts';
import type { Judged } from './decide.ts';
import type { Question } from './matching.ts';
import type { TargetList } from './prepared.ts';
import { classified, graver } from './risk.ts';

/** A target as rules speak of it. */
export type Aim = { readonly surface: Surface; readonly list: TargetList; readonly value: string };

/** What rules are asked about a target; undefined where no rule is about it, or more than one question is. */
export function aimOf(target: Target): Aim | undefined {
  switch (target.kind) {
    case 'tool':
      return { surface: 'tool', list: 'tools', value: target.name };
    case 'task':
      return target.tool === undefined ? undefined : { surface: 'task', list: 'tools', value: target.tool };
    case 'prompt':
      return { surface: 'prompt', list: 'prompts', value: target.name };
    case 'resource':
      return { surface: 'resource', list: 'resources', value: target.uri };
    case 'completion':
      return target.of.kind === 'prompt'
        ? { surface: 'completion', list: 'prompts', value: target.of.name }
        : { surface: 'completion', list: 'resources', value: target.of.uri };
    case 'upcall':
      return { surface: 'upcall', list: 'upcalls', value: target.method };
    case 'unknown':
      return { surface: 'method', list: 'methods', value: target.method };
    case 'subscription':
    case 'listing':
    case 'protocol':
      return undefined;
  }
}

/** The same for every target: a subscription asks about each thing that it follows, and all of them must agree. */
export function aimsOf(target: Target): readonly Aim[] {
  if (target.kind === 'subscription')
    return [
      ...target.uris.map((value): Aim => ({ surface: 'subscription', list: 'resources', value })),
      ...(target.tools ?? []).map((value): Aim => ({ surface: 'task', list: 'tools', value })),
    ];
  const aim = aimOf(target);
  return aim === undefined ? [] : [aim];
}

/** Asked where it is only about who is asking. */
export const nothingInParticular: Aim = { surface: 'method', list: 'methods', value: '' };

export function questionOf(
  orders: Orders,
  server: ServerOrders,
  judged: Judged,
  facts: Facts,
  admits: Risk | undefined,
  { surface, list, value }: Aim,
): Question {
  const classes = list === 'tools' ? classified(server, value) : undefined;
  return {
    orders,
    server,
    caller: judged.principal.name,
    carried: judged.principal.roles,
    surface,
    list,
    value,
    classified: classes,
    risk: classes === undefined ? undefined : graver(classes.risk, admits),
    // A task goes on without the arguments it began with, which were judged then.
    args: surface === 'task' ? undefined : judged.args,
    facts,
    nowMs: undefined,
    paths: undefined,
    pathChars: 0,
    readings: undefined,
  };
}
