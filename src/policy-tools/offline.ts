import type { Target } from '../domain/call.ts';
import type { Facts } from '../domain/decision.ts';
import type { JsonObject } from '../domain/message.ts';
import type { CaseText, Orders } from '../domain/orders.ts';
import type { Judged } from '../policy/decide.ts';

/** What can be asked about the world without a daemon: the disk and the clock. What servers offer is not known. */
export function offlineFacts(nowMs: number, realPath: Facts['realPath']): Facts {
  return { nowMs: () => nowMs, tool: () => undefined, realPath };
}

/** The same orders for a caller that has these roles besides those that mcpd.toml gives it. */
export function withRoles(orders: Orders, caller: string, roles: readonly string[]): Orders {
  if (roles.length === 0) return orders;
  const only = { text: caller, test: (name: string) => name === caller };
  const all = new Map(orders.roles);
  for (const role of roles) all.set(role, [...(all.get(role) ?? []), only]);
  return { ...orders, roles: all };
}

/** Roles that no `[roles]` knows: most likely typing errors, and then whatever is said about them is about nobody. */
export function unknownRoles(orders: Orders, roles: readonly string[]): readonly string[] {
  return roles.filter((role) => !orders.roles.has(role));
}

export type Aim = CaseText['target'];

/** What an example aims at, as the story would name it. */
export function targetOf(aim: Aim): Target {
  return aim.kind === 'method' ? { kind: 'unknown', method: aim.method } : aim;
}

/** The name of what is aimed at, for people. */
export function nameOf(aim: Aim): string {
  switch (aim.kind) {
    case 'tool':
    case 'prompt':
      return aim.name;
    case 'resource':
      return aim.uri;
    case 'upcall':
    case 'method':
      return aim.method;
  }
}

/**
 * A call as `decide` sees it. `args` undefined: no particular call, but whether there is one, as when something is listed.
 * Everything but tools and prompts has its whole parameters for arguments, as in the life of a call; those of a resource
 * are its address, which is known.
 */
export function judgedOf(server: string, caller: string, aim: Aim, args: JsonObject | undefined): Judged {
  const whole = aim.kind === 'resource' ? { ...args, uri: aim.uri } : args;
  return { server, principal: { name: caller }, target: targetOf(aim), args: whole };
}
