import type { Ran, RunOnce } from '../domain/wall.ts';

/** Whether this machine can build one kind of wall; where it cannot, why, and what to type. */
export type Ability =
  { readonly ok: true } | { readonly ok: false; readonly why: string; readonly mend: string };

/** What this machine has to build walls with. */
export type Host = {
  readonly platform: string;
  /** Of the daemon. */
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly home: string;
  /** bubblewrap, or sandbox-exec. */
  readonly builder: string | undefined;
  /** A wall with the daemon's own user inside. */
  readonly plain: Ability;
  /** A wall with another user inside: only root can. */
  readonly ownUser: Ability;
  readonly prlimit: string | undefined;
  readonly setpriv: string | undefined;
  readonly unshare: string | undefined;
  /** Whether processes are counted for each wall alone: Linux 5.14. */
  readonly countsInside: boolean;
};

export type Found = (names: readonly string[]) => string | undefined;

/** How long the machine may think about a wall around nothing. */
const withinMs = 10_000;

/** Builds a wall around a program that does nothing, to see whether it can be done here: many containers forbid it. */
export async function lookAtHost(parts: {
  readonly platform: string;
  readonly release: string;
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
  readonly home: string;
  /** The first of these paths that is a program which nobody but root can change. */
  readonly found: Found;
  readonly run: RunOnce;
}): Promise<Host> {
  const { platform, release, uid, gid, user, home, found, run } = parts;
  const who = { platform, uid, gid, user, home };
  const tool = (name: string) =>
    platform === 'linux' ? found([`/usr/bin/${name}`, `/bin/${name}`]) : undefined;
  const tools = { prlimit: tool('prlimit'), setpriv: tool('setpriv'), unshare: tool('unshare') };
  if (platform === 'darwin')
    return { ...who, ...tools, ...(await lookAtMac(found, run)), countsInside: false };
  if (platform !== 'linux') {
    const no = cannot(`there is no wall for ${platform}`, 'run mcpd on Linux');
    return { ...who, ...tools, builder: undefined, plain: no, ownUser: no, countsInside: false };
  }
  const builder = found(['/usr/bin/bwrap', '/usr/local/bin/bwrap', '/bin/bwrap']);
  const countsInside = atLeast(release, 5, 14);
  if (builder === undefined) {
    const no = cannot('bubblewrap is not installed', 'apt install bubblewrap');
    return { ...who, ...tools, builder, plain: no, ownUser: no, countsInside };
  }
  const plain = judge(
    await run(
      builder,
      [...nothing, '--unshare-user', '--remount-ro', '/proc', '--', '/usr/bin/env', 'true'],
      withinMs,
    ),
  );
  const ownUser =
    uid === 0
      ? await lookAtRoot(builder, tools, run)
      : cannot('mcpd does not run as root', 'run mcpd as root');
  return { ...who, ...tools, builder, plain, ownUser, countsInside };
}

/** A wall around nothing. */
const nothing: readonly string[] = [
  ...[
    '--unshare-pid',
    '--unshare-ipc',
    '--unshare-uts',
    '--unshare-net',
    '--die-with-parent',
    '--new-session',
  ],
  ...['--cap-drop', 'ALL', '--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev'],
  ...['--perms', '1777', '--size', '4096', '--tmpfs', '/tmp'],
];

async function lookAtRoot(
  builder: string,
  { setpriv, unshare }: { readonly setpriv: string | undefined; readonly unshare: string | undefined },
  run: RunOnce,
): Promise<Ability> {
  if (setpriv === undefined || unshare === undefined)
    return cannot('setpriv and unshare are not installed', 'apt install util-linux');
  const inside = [
    setpriv,
    ...asUser(61_184),
    '--',
    unshare,
    '--user',
    '--map-current-user',
    '--',
    '/usr/bin/env',
    'true',
  ];
  return judge(await run(builder, [...nothing, ...mayBecome, '--', ...inside], withinMs));
}

/** What is needed to become another user, and lost with that. */
export const mayBecome: readonly string[] = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((it) => [
  '--cap-add',
  it,
]);

/** For setpriv: that user and nothing else, for ever. */
export function asUser(uid: number): readonly string[] {
  return [
    ...[`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'],
    ...['--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--no-new-privs'],
  ];
}

async function lookAtMac(found: Found, run: RunOnce): Promise<Pick<Host, 'builder' | 'plain' | 'ownUser'>> {
  const builder = found(['/usr/bin/sandbox-exec']);
  const ownUser = cannot('another user inside is for Linux', 'run mcpd on Linux');
  if (builder === undefined)
    return { builder, plain: cannot('there is no /usr/bin/sandbox-exec', 'run mcpd on Linux'), ownUser };
  return {
    builder,
    plain: judge(await run(builder, ['-p', '(version 1)(allow default)', '/usr/bin/true'], withinMs)),
    ownUser,
  };
}

function judge({ code, err }: Ran): Ability {
  if (code === 0) return { ok: true };
  const said = err.trim().split('\n')[0]?.slice(0, 300) ?? '';
  const [, mend] = mends.find(([pattern]) => pattern.test(said)) ?? [
    undefined,
    'see docs/sandbox.md, "When there is no wall"',
  ];
  return cannot(`the wall cannot be built: ${said === '' ? 'no answer in time' : said}`, mend);
}

/** What bubblewrap says, and what helps. */
const mends: readonly (readonly [RegExp, string])[] = [
  [
    /uid map|setting up uid/i,
    'on Ubuntu: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or give bwrap a profile',
  ],
  [
    /No permissions to creat|Creating new namespace failed/i,
    'allow user namespaces: sysctl kernel.unprivileged_userns_clone=1; in a container: --security-opt seccomp=unconfined --cap-add SYS_ADMIN',
  ],
  [/mount proc|Can't mount proc/i, 'in a container: --security-opt systempaths=unconfined'],
  [/Unknown option/i, 'install bubblewrap 0.8 or newer'],
];

function cannot(why: string, mend: string): Ability {
  return { ok: false, why, mend };
}

function atLeast(release: string, major: number, minor: number): boolean {
  const [a = 0, b = 0] = release.split('.').map(Number);
  return a > major || (a === major && b >= minor);
}
