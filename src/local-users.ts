import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { Fault } from './domain/faults.ts';

/**
 * User name or id → caller, as user id → caller. Names are looked up among the users of this machine. Throws
 * `CONFIG_INVALID` for a name that is not there, and for two names of one user.
 */
export function callersByUid(
  users: readonly (readonly [user: string, caller: string])[],
): ReadonlyMap<number, string> {
  const byUid = new Map<number, string>();
  for (const [user, caller] of users) {
    const uid = /^\d+$/.test(user) ? Number(user) : uidOf(user);
    if (uid === undefined)
      throw new Fault('CONFIG_INVALID', {
        detail: `[listen.socket.users]: there is no user ${user} in /etc/passwd`,
        hint: `write the user id, as this shows it: id -u ${user}`,
      });
    if (byUid.has(uid))
      throw new Fault('CONFIG_INVALID', {
        detail: `[listen.socket.users]: user ${uid} stands there twice`,
        hint: 'keep one of the two lines',
      });
    byUid.set(uid, caller);
  }
  return byUid;
}

function uidOf(name: string): number | undefined {
  const me = userInfo();
  if (me.username === name) return me.uid;
  const line = passwd()
    .split('\n')
    .find((it) => it.startsWith(`${name}:`));
  const uid = line?.split(':')[2];
  return uid !== undefined && /^\d+$/.test(uid) ? Number(uid) : undefined;
}

function passwd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return '';
  }
}
