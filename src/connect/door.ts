import { chmodSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import { checkLength, look, removeIfSame, show } from '../control/place.ts';
import { Fault } from '../domain/faults.ts';
import { listen } from '../front/server.ts';

/** What a request over the socket may say of its origin: the one Host that `mcpd connect` sends, and no Origin at all. */
export const doorRules = { hosts: new Set(['localhost']), origins: new Set<string>() };

/**
 * Opens a front on a Unix socket that nobody can use but whom `mode` lets; gives what takes the socket away again. Throws
 * `CONFIG_INVALID` when something else lies there, or others may write to the folder. Only for the holder of the control
 * socket: that is the one daemon of the state directory, so whatever socket lies here is a dead one's.
 */
export async function openDoor(server: Server, path: string, mode = 0o600): Promise<() => void> {
  const hidden = join(dirname(path), `.front.${process.pid}`);
  checkLength(Math.max(Buffer.byteLength(path), Buffer.byteLength(hidden)), path);
  mustBeSafe(dirname(path));
  clear(hidden);
  clear(path);
  // Bound under another name and linked, as the control socket is: closing a server makes the system remove the name that it
  // was bound to, whatever lies there by then.
  await listen(server, { path: hidden });
  chmodSync(hidden, mode);
  show({ path, hidden });
  const ours = look(path);
  return () => {
    if (ours !== undefined) removeIfSame(path, ours);
  };
}

/** Whoever may write to the folder could put a socket of their own there, and read the keys that clients send to it. */
function mustBeSafe(folder: string): void {
  const found = look(folder);
  const me = process.getuid?.();
  const isOurs = me === undefined || found?.uid === BigInt(me) || found?.uid === 0n;
  if (found?.isDirectory() === true && isOurs && (found.mode & 0o022n) === 0n) return;
  throw new Fault('CONFIG_INVALID', {
    detail: `${folder} is no folder that only mcpd, or root, can write to`,
    hint: `make one for the socket: install -d -m 755 -o "$(id -un)" ${folder}`,
  });
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
