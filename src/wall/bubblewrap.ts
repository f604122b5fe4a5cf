import type { WallSpec } from '../domain/wall.ts';
import { asUser, mayBecome, type Host } from './host.ts';
import { limited } from './limits.ts';
import { foldersAbove, inOrder, isWithin, type Mount } from './mounts.ts';

/** Whose a walled child is: a user of its own, or the daemon's. */
export type Inside = { readonly kind: 'own'; readonly uid: number } | { readonly kind: 'daemon' };

/** A command line that builds a wall around a program. All paths absolute. */
export function bubblewrapped(parts: {
  readonly host: Host;
  readonly inside: Inside;
  readonly wall: WallSpec;
  readonly mounts: readonly Mount[];
  readonly cwd: string;
  readonly program: readonly string[];
}): readonly string[] {
  const { host, inside, wall, mounts, cwd, program } = parts;
  const own = inside.kind === 'own';
  return [
    host.builder ?? '',
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try', '--hostname', 'mcpd'],
    ...(wall.network ? [] : ['--unshare-net']),
    // A wall that root builds needs no user namespace, and without one what only root may reach can be shown inside.
    ...(own ? [] : ['--unshare-user']),
    // When the daemon is gone, so are they all.
    ...['--die-with-parent', '--new-session', '--cap-drop', 'ALL', ...(own ? mayBecome : [])],
    ...['--proc', '/proc', '--dev', '/dev'],
    ...laidOut(mounts),
    // Last, because no folder can be made in them any more. With the user id of root, everything below /proc/sys could be
    // written without a single capability, and one line in core_pattern is a program that the kernel starts outside.
    ...['/', '/dev', ...(host.uid === 0 && !own ? ['/proc'] : [])].flatMap((at) => ['--remount-ro', at]),
    ...mounts.filter(({ kind }) => kind === 'hide').flatMap(({ at }) => ['--remount-ro', at]),
    ...['--chdir', cwd, '--'],
    ...becoming(host, inside),
    ...limited(host, wall.resources, host.countsInside && (own || host.uid !== 0), program),
  ];
}

/** Inside, as root: sheds what built the wall, and counts processes for this child alone. */
function becoming({ setpriv, unshare }: Host, inside: Inside): readonly string[] {
  if (inside.kind === 'daemon' || setpriv === undefined || unshare === undefined) return [];
  return [setpriv, ...asUser(inside.uid), '--', unshare, '--user', '--map-current-user', '--'];
}

function laidOut(mounts: readonly Mount[]): readonly string[] {
  const made = new Set<string>(['/', '/dev', '/proc']);
  const all = inOrder(mounts);
  // A link that lies in what is shown is there already.
  const ordered = all.filter((it) => it.kind !== 'link' || !isInside(it.at, all));
  return ordered.flatMap((mount) => {
    // What bubblewrap makes by itself on the way is for its own user only, and another one could not pass.
    const above = foldersAbove(mount.at).filter((it) => !made.has(it) && !isInside(it, ordered));
    for (const it of [...above, mount.at]) made.add(it);
    return [...above.flatMap((it) => ['--perms', '0755', '--dir', it]), ...option(mount)];
  });
}

/** Whether a folder comes from the machine, so that it is there already. */
function isInside(path: string, mounts: readonly Mount[]): boolean {
  return mounts.some(({ kind, at }) => (kind === 'read' || kind === 'write') && isWithin(path, at));
}

function option(mount: Mount): readonly string[] {
  switch (mount.kind) {
    case 'read':
      return ['--ro-bind', mount.from, mount.at];
    case 'write':
      return ['--bind', mount.from, mount.at];
    case 'link':
      return ['--symlink', mount.to, mount.at];
    case 'hide':
      return ['--perms', '0555', '--size', '4096', '--tmpfs', mount.at];
    case 'blank':
      return ['--ro-bind', '/dev/null', mount.at];
    case 'scratch':
      return ['--perms', '1777', '--size', String(mount.bytesMax), '--tmpfs', mount.at];
  }
}
