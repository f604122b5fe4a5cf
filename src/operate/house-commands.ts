import { preview } from '../policy/preview.ts';
import type { AdminPlane } from './admin-plane.ts';
import type { Args } from './args.ts';
import { nearest } from './nearest.ts';
import { packagesOf } from './package-commands.ts';
import { errorOf, Refused, type Reply } from './reply.ts';
import { report } from './status.ts';

/** `status`: health, and what is out of the ordinary. */
export function status(plane: AdminPlane): Reply {
  return {
    ok: true,
    command: 'status',
    ...report(plane.health()),
    grants: plane.grants.live(plane.clock.wallMs()).length,
    quarantined: plane.pins.heldBack(),
    packages: packagesOf(plane),
    breakers: plane.breakers().map(({ server, tool, state, untilMs }) => ({
      server,
      tool,
      state,
      until: new Date(untilMs).toISOString(),
    })),
  };
}

export async function restart(plane: AdminPlane, args: Args): Promise<Reply> {
  const server = args.need('server');
  const names = plane.fleet.status().map(({ name }) => name);
  if (!names.includes(server)) {
    const near = nearest(server, names);
    throw new Refused(
      'NOT_FOUND',
      `there is no server ${server}`,
      near === undefined ? 'mcpd ctl status' : `did you mean ${near}?`,
    );
  }
  await plane.fleet.restart(server);
  const state = plane.fleet.status().find(({ name }) => name === server)?.state ?? 'stopped';
  return { ok: true, command: 'restart', server, state };
}

export async function reload(plane: AdminPlane): Promise<Reply> {
  const { ok, changed, version, complaints, needsRestart } = await plane.policies.reload();
  const fields = { command: 'reload', changed, ordersVersion: version, complaints, needsRestart };
  if (ok) return { ok: true, ...fields };
  const says = changed
    ? 'the new policy is in force, but not all of it was done'
    : 'the old policy stays in force';
  return { ok: false, error: errorOf('RELOAD_REFUSED', says, 'mcpd check shows every complaint'), ...fields };
}

export function reloadKeys(plane: AdminPlane): Reply {
  plane.keys.reload();
  return { ok: true, command: 'reload-keys', keys: plane.keys.names().length };
}

/** Nothing is kept that would have to be read again; this puts the change on the journal, and finds a file that is damaged. */
export function reloadOperators(plane: AdminPlane): Reply {
  return { ok: true, command: 'reload-operators', operators: plane.operators.count() };
}

/** What a caller without a rule of its own finds at each server; the names that the switches take. */
export function tools(plane: AdminPlane): Reply {
  const orders = plane.orders.current();
  const servers = plane.fleet.status().map(({ name, catalog }) => ({
    name,
    ...(catalog === undefined
      ? { allowed: null, gated: null, hidden: null }
      : preview(orders, name, { name: 'a caller with a key' }, catalog, plane.facts)),
  }));
  return { ok: true, command: 'tools', servers };
}
