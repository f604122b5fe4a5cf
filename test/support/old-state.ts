/** The state files of an mcpd that had no database, as it wrote them. */
import type { Grant, SwitchedOff, Switches } from '../../src/domain/orders.ts';
import { Fault } from '../../src/domain/faults.ts';
import { lockBytesMax, type Lock } from '../../src/pins/lock.ts';

const version = 1;

/** `switches.json`. */
export function writeSwitches({ changes, switches }: { changes: number; switches: Switches }): string {
  const rows = (map: ReadonlyMap<string, SwitchedOff>) =>
    [...map].map(([name, { at, by, reason }]) => ({ name, at, by, reason }));
  const { lockdown } = switches;
  const state = {
    version,
    changes,
    lockdown: lockdown === undefined ? null : { at: lockdown.at, by: lockdown.by, reason: lockdown.reason },
    servers: rows(switches.servers),
    tools: rows(switches.tools),
    callers: rows(switches.callers),
  };
  return `${JSON.stringify(state, undefined, 1)}\n`;
}

/** `grants.json`. */
export function writeGrants(state: { changes: number; grants: readonly Grant[] }): string {
  return `${JSON.stringify({ version, ...state }, undefined, 1)}\n`;
}

/** `pins.json`. */
export function writeLock(lock: Lock): string {
  const servers = [...lock].map(([name, { sealed, tools }]) => {
    const rows = [...tools].map(([tool, pin]) => `\n  ${JSON.stringify({ name: tool, ...pin })}`);
    return `\n {"name":${JSON.stringify(name)},"sealed":${String(sealed)},"tools":[${rows.join(',')}]}`;
  });
  const text = `{"version":${version},"servers":[${servers.join(',')}]}\n`;
  if (Buffer.byteLength(text) > lockBytesMax)
    throw new Fault('TOO_LARGE', { detail: `the pins need more than ${lockBytesMax} bytes` });
  return text;
}
