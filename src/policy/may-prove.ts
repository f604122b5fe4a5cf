import type { Proof } from '../domain/care.ts';
import type { Facts } from '../domain/decision.ts';
import type { Orders } from '../domain/orders.ts';
import { riskOf } from './risk.ts';

/**
 * Whether mcpd itself may call the tool that a server's file names as proof of the server's credential: undefined where it may,
 * else why not. That the owner named it is the leave; what holds for callers at all times holds for mcpd as well. Only what the
 * owner has classed as reading is called without anybody asking for it.
 */
export function mayNotProve(orders: Orders, name: string, proof: Proof, facts: Facts): string | undefined {
  const server = orders.servers.get(name);
  const { switches } = orders;
  const named = server?.spec.care.health.proof;
  if (server === undefined || named?.tool !== proof.tool) return 'the file of the server no longer names it';
  if (switches.lockdown !== undefined) return 'lockdown';
  if (switches.servers.has(name)) return 'the server is switched off';
  if (switches.tools.has(`${name}/${proof.tool}`)) return 'the tool is switched off';
  const known = facts.tool(name, proof.tool);
  if (known?.quarantined !== undefined) return 'the tool is in quarantine: mcpd ctl pins';
  const risk = riskOf(server, proof.tool, known?.admits);
  return risk === 'read' ? undefined : `the tool is classed "${risk}", and only one classed "read" is called`;
}
