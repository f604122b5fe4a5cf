import { chmodSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import { checkLength, look, removeIfSame, show } from '../control/place.ts';
import { Fault } from '../domain/faults.ts';
import { listen } from '../front/server.ts';

/** What a request over the socket may say of its origin: the one Host that `mcpd connect` sends, and no Origin at all. */
export const doorRules = { hosts: new Set(['localhost']), origins: new Set<string>() };

/**
 * Opens a front on a Unix socket that only its owner can use; gives what takes the socket away again. Throws
 * `CONFIG_INVALID` when something else lies there. Only for the holder of the control socket: that is the one daemon of the
 * state directory, so whatever socket lies here is a dead one's.
 */
export async function openDoor(server: Server, path: string): Promise<() => void> {
  const hidden = join(dirname(path), `.front.${process.pid}`);
  checkLength(Math.max(Buffer.byteLength(path), Buffer.byteLength(hidden)), path);
  clear(hidden);
  clear(path);
  // Bound under another name and linked, as the control socket is: closing a server makes the system remove the name that it
  // was bound to, whatever lies there by then.
  await listen(server, { path: hidden });
  chmodSync(hidden, 0o600);
  show({ path, hidden });
  const ours = look(path);
  return () => {
    if (ours !== undefined) removeIfSame(path, ours);
  };
}

function clear(path: string): void {
  const found = look(path);
  if (found === undefined) return;
  const me = process.getuid?.();
  if (!found.isSocket() || (me !== undefined && found.uid !== BigInt(me)))
    throw new Fault('CONFIG_INVALID', {
      detail: `${path} is in the way: it is no socket of ours`,
      hint: `see what it is and move it away: ls -l ${path}`,
    });
  unlinkSync(path);
}
