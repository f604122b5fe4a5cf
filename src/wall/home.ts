import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import { shellWord } from '../files/ours.ts';

/** The folder that a server has for itself, and the accounts that it sees. All absolute. */
export type Home = { readonly dir: string; readonly passwd: string; readonly group: string };

/**
 * The home of a server when it runs as that user: kept from run to run, so that what a package manager has fetched stays,
 * and shared with no other server, so that none can put something into another one's cache. Throws `CONFIG_INVALID`.
 */
export function openHome(
  stateDir: string,
  server: string,
  who: { readonly uid: number; readonly gid: number; readonly user: string },
): Home {
  const above = join(stateDir, 'homes', server);
  const dir = join(above, String(who.uid));
  for (const folder of [dirname(above), above]) claim(folder);
  try {
    mkdirSync(dir, { mode: 0o700 });
    if (process.getuid?.() !== who.uid) chownSync(dir, who.uid, who.gid);
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== 'EEXIST') throw reason;
    giveAway(dir, who);
  }
  const stat = lstatSync(dir);
  if (!stat.isDirectory() || stat.uid !== who.uid)
    throw new Fault('CONFIG_INVALID', {
      detail: `${dir} is not a folder of the user ${who.uid}`,
      hint: `chown -R ${who.uid}:${who.gid} ${dir}`,
    });
  chmodSync(dir, 0o700);
  return { dir, ...accounts(above, dir, who) };
}

/** What was made and not given to its user, because we were killed in between: ours still, and nothing in it. */
function giveAway(dir: string, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  const stat = lstatSync(dir);
  if (stat.uid === uid || stat.uid !== process.getuid?.() || !stat.isDirectory()) return;
  if (readdirSync(dir).length === 0) chownSync(dir, uid, gid);
}

/** A folder of the daemon's own: through a link, a home would be made, and given away, wherever that leads. */
function claim(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  const me = process.getuid?.() ?? stat.uid;
  if (stat.isDirectory() && stat.uid === me && (stat.mode & 0o022) === 0) return;
  throw new Fault('CONFIG_INVALID', {
    detail: `${folder} is not a folder of mcpd's own: a link, another user's, or open to writers`,
    hint: `see what it is and move it away: ls -ld ${shellWord(folder)}`,
  });
}

/** Who else has an account on this machine is nobody's business in there. */
function accounts(
  above: string,
  dir: string,
  { uid, gid, user }: { uid: number; gid: number; user: string },
): Omit<Home, 'dir'> {
  const [passwd, group] = [join(above, `passwd-${uid}`), join(above, `group-${uid}`)];
  const others = uid === 0 ? '' : 'root:x:0:0::/:/usr/sbin/nologin\n';
  const nobody = 'nobody:x:65534:65534::/:/usr/sbin/nologin\n';
  put(passwd, `${others}${user}:x:${uid}:${gid}::${dir}:/bin/sh\n${nobody}`);
  put(group, `${gid === 0 ? '' : 'root:x:0:\n'}${user}:x:${gid}:\nnogroup:x:65534:\n`);
  return { passwd, group };
}

/** Readable for whoever is inside. Put in the place of what lay there, and never written into it. */
function put(path: string, text: string): void {
  // At each start but the first: what needs no room starts on a full disk too.
  if (says(path, text)) return;
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, text, { mode: 0o644, flag: 'wx' });
  chmodSync(fresh, 0o644);
  renameSync(fresh, path);
}

function says(path: string, text: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true || (stat.mode & 0o777) !== 0o644) return false;
  return stat.size === Buffer.byteLength(text) && readFileSync(path, 'utf8') === text;
}
