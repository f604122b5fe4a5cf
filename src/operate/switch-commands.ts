import type { Call } from '../domain/call.ts';
import { toolsOf } from '../domain/target-tools.ts';
import type { AdminPlane } from './admin-plane.ts';
import { nearest } from './nearest.ts';
import { errorOf, type Reply } from './reply.ts';
import { obey } from './standing.ts';
import { switchedOff, withSwitch, type SwitchTarget } from './switches.ts';
import { readToolName, refusePattern } from './tool-name.ts';

/** Throws a switch: in force for the next call when this returns, even when the disk cannot keep it. */
export function switchOff(
  plane: AdminPlane,
  command: string,
  target: SwitchTarget,
  how: { readonly by: string; readonly reason: string | undefined; readonly now: boolean },
): Reply {
  const before = plane.switches.current();
  const already = switchedOff(before, target) !== undefined;
  const off = Object.freeze({ at: plane.clock.wallMs(), by: how.by, reason: how.reason ?? '' });
  // Asked for again: what the first attempt could not write down gets its second chance.
  const saved = already ? plane.switches.retry() : plane.switches.impose(withSwitch(before, target, off));
  if (!already) obey(plane);
  // After the swap, so that a call which slips in between is either refused or found here.
  const stopped = how.now ? plane.inFlight.haltWhere(aimsAt(target), 'switched off by the operator') : 0;
  const fields = {
    command,
    ...named(plane, target),
    changed: !already,
    durable: saved.durable,
    stopped,
    ordersVersion: plane.orders.current().version,
  };
  if (saved.durable) return { ok: true, ...fields };
  return {
    ok: false,
    error: errorOf(
      'NOT_DURABLE',
      `NOT DURABLE: switched off now, but a restart would forget it: ${saved.why}`,
      'make room in the state directory, then type the same command again',
    ),
    ...fields,
  };
}

/** Takes a switch back, once that is on disk; otherwise everything stays as it was. */
export function switchOn(plane: AdminPlane, command: string, target: SwitchTarget): Reply {
  const before = plane.switches.current();
  const already = switchedOff(before, target) === undefined;
  const saved = already
    ? plane.switches.retry()
    : plane.switches.relax(withSwitch(before, target, undefined));
  if (!already && saved.durable) obey(plane);
  const fields = {
    command,
    ...named(plane, target),
    changed: !already && saved.durable,
    durable: saved.durable,
    ordersVersion: plane.orders.current().version,
  };
  if (saved.durable) return { ok: true, ...fields };
  return {
    ok: false,
    error: errorOf(
      'NOT_DURABLE',
      already
        ? `it is on, but the state file could not be written: ${saved.why}`
        : `nothing was switched on, because that could not be written down: ${saved.why}`,
      'make room in the state directory, then type the same command again',
    ),
    ...fields,
  };
}

/** `server/tool`. Throws `BAD_ARGUMENTS`. */
export function toolTarget(text: string): SwitchTarget {
  const { server } = readToolName(text);
  refusePattern(
    text,
    'a switch takes one tool',
    `to switch off everything: mcpd ctl disable-server ${server}`,
  );
  return { kind: 'tool', name: text };
}

/** A server or a caller by its exact name. Throws `BAD_ARGUMENTS` for a pattern. */
export function plainTarget(kind: 'server' | 'caller', name: string): SwitchTarget {
  refusePattern(name, `a switch takes one ${kind}`, 'to refuse every call: mcpd ctl lockdown');
  return { kind, name };
}

/** Which calls under way a switch is about. */
function aimsAt(target: SwitchTarget): (call: Call) => boolean {
  switch (target.kind) {
    case 'lockdown':
      return () => true;
    case 'server':
      return (call) => call.server === target.name;
    case 'caller':
      return (call) => call.principal.name === target.name;
    case 'tool':
      // As the decision has it: also what became a task of the tool, and a stream that follows one.
      return (call) => toolsOf(call.target).some((tool) => `${call.server}/${tool}` === target.name);
  }
}

/** Says what the switch is about, and whether there is such a thing now; a switch for a thing to come is welcome. */
function named(plane: AdminPlane, target: SwitchTarget): Record<string, unknown> {
  if (target.kind === 'lockdown') return { kind: 'lockdown' };
  const names = namesOf(plane, target);
  const known = names.has(target.name);
  return {
    kind: target.kind,
    name: target.name,
    known,
    nearest: known ? null : (nearest(target.name, names) ?? null),
  };
}

function namesOf(plane: AdminPlane, { kind }: SwitchTarget): ReadonlySet<string> {
  if (kind === 'caller') return new Set(plane.keys.names());
  if (kind === 'server') return new Set(plane.orders.current().servers.keys());
  const tools = new Set<string>();
  for (const { name, catalog } of plane.fleet.status()) {
    for (const tool of catalog?.tools.keys() ?? []) tools.add(`${name}/${tool}`);
  }
  return tools;
}
