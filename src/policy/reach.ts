import type { Reach } from '../domain/caller.ts';
import type { Risk, ServerOrders } from '../domain/orders.ts';
import { toolOf, toolsOf } from '../domain/target-tools.ts';
import { aimsOf } from './aim.ts';
import type { Judged } from './decide.ts';
import { riskOf } from './risk.ts';

/**
 * Whether a credential ends short of what a message aims at, whatever the policy says. The conversation, the listings and
 * what a server says stay open: a listing shows what is within reach and nothing else.
 */
export function isOutOfReach(reach: Reach, { server, target }: Judged): boolean {
  if (reach.servers !== undefined && !reach.servers.some((it) => it.test(server))) return true;
  const { tools } = reach;
  if (tools === undefined || target.kind === 'upcall') return false;
  const meant = toolsOf(target);
  if (meant.some((tool) => !tools.some((it) => it.test(`${server}/${tool}`)))) return true;
  return aimsOf(target).length > meant.length;
}

/**
 * The class of tool that the credential would have to be good for as well. Asked about calls only: a listing shows a tool
 * for which its caller may ask its issuer for more.
 */
export function lackedBy(
  { risks }: Reach,
  server: ServerOrders,
  { target, args }: Judged,
  admits: Risk | undefined,
): Risk | undefined {
  if (risks === undefined || target.kind === 'upcall') return undefined;
  if (target.kind === 'subscription')
    for (const tool of toolsOf(target)) {
      const risk = riskOf(server, tool, undefined);
      if (!risks.includes(risk)) return risk;
    }
  // What a method of the server's own does, nobody can tell.
  if (target.kind === 'unknown') return risks.includes('destructive') ? undefined : 'destructive';
  const tool = toolOf(target);
  if (tool === undefined) return aimsOf(target).length === 0 || risks.includes('read') ? undefined : 'read';
  if (args === undefined && target.kind === 'tool') return undefined;
  const risk = riskOf(server, tool, admits);
  return risks.includes(risk) ? undefined : risk;
}
