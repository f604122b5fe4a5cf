import { randomBytes } from 'node:crypto';
import type { Grant } from '../domain/orders.ts';
import type { AdminPlane } from './admin-plane.ts';
import type { Args } from './args.ts';
import { readSpan, spanText } from './duration.ts';
import { grantsMax } from './grants.ts';
import { nearest } from './nearest.ts';
import { errorOf, Refused, type Reply } from './reply.ts';
import { obey } from './standing.ts';
import { readToolName, refusePattern } from './tool-name.ts';

/** What is to hold for longer belongs into the policy, where its reason stands beside it. */
const grantMsMax = 90 * 86_400_000;

/** `grant CALLER SERVER/TOOL --for 2h`: a rule that allows, until then. What denies or asks stays stronger. */
export function grant(plane: AdminPlane, args: Args, by: string): Reply {
  const caller = args.need('caller');
  refusePattern(caller, 'a grant is for one caller', 'mcpd key list shows them');
  const { server, tool } = readToolName(args.need('tool'));
  refusePattern(tool, 'a grant is for one tool', 'for several tools write a rule');
  const servers = plane.orders.current().servers;
  if (!servers.has(server)) throw noServer(server, servers.keys());
  const forMs = readSpan(args.need('for'), grantMsMax);
  const at = plane.clock.wallMs();
  const made: Grant = Object.freeze({
    id: newGrantId(),
    caller,
    server,
    tool,
    at,
    untilMs: at + forMs,
    by,
    reason: args.text('reason') ?? '',
  });
  const before = plane.grants
    .live(at)
    .find((it) => it.caller === caller && it.server === server && it.tool === tool);
  const saved = plane.grants.give(made, at);
  if (saved === 'full')
    throw new Refused(
      'TOO_MANY',
      `there are ${grantsMax} grants already`,
      'mcpd ctl grants; then revoke some',
    );
  if (!saved.durable)
    throw new Refused(
      'NOT_DURABLE',
      `nothing was granted, because that could not be written down: ${saved.why}`,
      'make room in the state directory, then type the same command again',
    );
  obey(plane);
  return {
    ok: true,
    command: 'grant',
    changed: true,
    grant: rowOf(made, at),
    replaced: before?.id ?? null,
    ...knownIn(plane, made),
    ordersVersion: plane.orders.current().version,
  };
}

/** `grants`: those that have not run out, the first to do so first. */
export function grants(plane: AdminPlane): Reply {
  const now = plane.clock.wallMs();
  const live = [...plane.grants.live(now)].sort((a, b) => a.untilMs - b.untilMs);
  return { ok: true, command: 'grants', grants: live.map((it) => rowOf(it, now)) };
}

/** `revoke-grant ID`, or `revoke-grant CALLER SERVER/TOOL`: out of force for the next call. */
export function revokeGrant(plane: AdminPlane, args: Args): Reply {
  const now = plane.clock.wallMs();
  const which = args.need('grant');
  const named = args.text('tool');
  const found = findGrant(plane.grants.live(now), which, named);
  const saved = found === undefined ? plane.grants.retry() : plane.grants.take(found, now);
  if (found !== undefined) obey(plane);
  const fields = {
    command: 'revoke-grant',
    changed: found !== undefined,
    grant: found === undefined ? null : rowOf(found, now),
    durable: saved.durable,
    ordersVersion: plane.orders.current().version,
  };
  if (saved.durable) return { ok: true, ...fields };
  return {
    ok: false,
    error: errorOf(
      'NOT_DURABLE',
      `NOT DURABLE: revoked now, but a restart would bring it back: ${saved.why}`,
      'make room in the state directory, then type the same command again',
    ),
    ...fields,
  };
}

function findGrant(live: readonly Grant[], which: string, named: string | undefined): Grant | undefined {
  if (named === undefined) return live.find(({ id }) => id === which.trim().toLowerCase());
  const { server, tool } = readToolName(named);
  return live.find((it) => it.caller === which && it.server === server && it.tool === tool);
}

/** A misspelt name is granted something and gets nothing; its operator should see that at once. */
function knownIn(plane: AdminPlane, { caller, server, tool }: Grant): Record<string, unknown> {
  const callers = plane.keys.names();
  const catalog = plane.fleet.status().find(({ name }) => name === server)?.catalog;
  const tools = [...(catalog?.tools.keys() ?? [])];
  return {
    callerKnown: callers.includes(caller),
    nearestCaller: callers.includes(caller) ? null : (nearest(caller, callers) ?? null),
    toolKnown: catalog === undefined ? null : tools.includes(tool),
    nearestTool: tools.includes(tool) ? null : (nearest(tool, tools) ?? null),
  };
}

function rowOf(it: Grant, nowMs: number): Record<string, unknown> {
  const { id, caller, server, tool, at, untilMs, by, reason } = it;
  return {
    id,
    caller,
    server,
    tool,
    at: new Date(at).toISOString(),
    until: new Date(untilMs).toISOString(),
    leftMs: Math.max(0, untilMs - nowMs),
    for: spanText(untilMs - at),
    by,
    reason,
  };
}

function noServer(server: string, names: Iterable<string>): Refused {
  const near = nearest(server, names);
  return new Refused(
    'NOT_FOUND',
    `there is no server ${server}`,
    near === undefined ? 'mcpd ctl status' : `did you mean ${near}?`,
  );
}

/** 40 random bits, with a letter in front that no question's id begins with. */
function newGrantId(): string {
  return `g${randomBytes(5).toString('hex')}`;
}
