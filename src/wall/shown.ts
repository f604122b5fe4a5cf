import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import type { ServerSpec } from '../domain/orders.ts';
import { shellWord } from '../files/ours.ts';
import { linksOn, turnedAt } from './links.ts';
import { foldersAbove, isWithin, type Hidden, type Mount, type Shown } from './mounts.ts';
import { realOf } from './program.ts';

/** Where mcpd keeps what no child may see. Absolute. */
export type Own = { readonly stateDir: string; readonly policies: string; readonly home: string };

/** What one server sees besides the machine's own programs, what is hidden inside of that, and what its owner should know. */
export type View = {
  readonly shown: readonly Shown[];
  readonly hidden: readonly Hidden[];
  /** Links on the way to all that, and folders that must be there and are empty. */
  readonly around: readonly Mount[];
  /** The paths as they were written, which must all work: `w` or `r`, and the path. */
  readonly wanted: readonly string[];
  readonly notes: readonly string[];
};

/**
 * What is declared, the working folder and the program. Throws `CONFIG_INVALID` where what is declared would hand out what
 * guards the server itself.
 */
export function viewOf(spec: ServerSpec, program: readonly string[], own: Own): View {
  const { wall, cwd } = spec;
  const [state, policies] = [realOf(own.stateDir), realOf(own.policies)];
  const servers = join(policies, 'servers');
  const there = (paths: readonly string[]) => paths.filter((it) => existsSync(it));
  const show =
    (how: Shown['how']) =>
    (at: string): Written => ({ at, real: realOf(at), how });
  const declared = [...there(wall.read).map(show('read')), ...there(wall.write).map(show('write'))];
  const writable = declared.filter(({ how }) => how === 'write').map(({ real }) => real);
  for (const it of declared) guard(spec.name, it, state, policies, servers);
  for (const it of [...declared, show('read')(cwd)]) stayPut(spec.name, it, writable);
  const isDeclared = (real: string) => declared.some((it) => it.real === real);
  const realCwd = realOf(cwd);
  // Without a word about it the working folder is the folder of the server's file, which is the policy of all servers.
  const isBare =
    !isDeclared(realCwd) && (realCwd === policies || isWithin(realCwd, servers) || isWithin(realCwd, state));
  const implied = [...program, ...(isBare ? [] : [cwd])].map(show('read'));
  const shown = [...implied.filter(({ real }) => !isWithin(real, state)), ...declared];
  const missing = [...wall.read, ...wall.write].filter((it) => !existsSync(it));
  const empty: readonly Mount[] = isBare ? [{ kind: 'hide', at: realCwd }] : [];
  return {
    shown,
    hidden: hiddenPaths(state, policies, own.home).filter(({ real }) => !isDeclared(real)),
    around: [...[...shown.map(({ at }) => at), spec.command, cwd].flatMap(linksOn), ...empty],
    wanted: shown.map(({ at, how }) => `${how === 'write' ? 'w' : 'r'}${at}`),
    notes: [
      ...missing.map((it) => `${it} is declared, and not there`),
      ...[spec.command].flatMap((it) => {
        const link = turnedAt(it, writable);
        return link === undefined
          ? []
          : [`${link} is a link that the server may change, so where it leads must be declared under read`];
      }),
    ],
  };
}

type Written = Shown & { readonly at: string };

/**
 * State is for nobody. Who may write above a folder can put another in its place, whatever covers it meanwhile: so policies
 * and state must not lie in what is to be written.
 */
function guard(
  server: string,
  { at, real, how }: Written,
  state: string,
  policies: string,
  servers: string,
): void {
  const refuse = (what: string): never => {
    throw new Fault('CONFIG_INVALID', {
      detail: `${server}: ${at} ${what}`,
      hint: `name a narrower path under ${how} in servers/${server}.toml`,
    });
  };
  if (isWithin(real, state)) refuse("lies in mcpd's own state");
  // Over a link; the file with the policy says so of what is written there itself.
  if (ofTheMachine.test(real)) refuse(`leads to ${real}, which belongs to the machine`);
  // The same folder mounted at a second place has another path, and no cover.
  if (isAlias(real, state)) refuse("is, or holds, mcpd's own state under another name");
  if (isAlias(real, policies)) refuse('is, or holds, the policies under another name');
  if (how === 'read') return;
  if (isWithin(state, real)) refuse("holds mcpd's own state, and may not be written");
  if (isWithin(policies, real) || isWithin(real, servers))
    refuse('holds the policies, and may not be written');
}

/** Through whoever may see these, the whole machine can be reached: sockets, devices, other processes. */
const ofTheMachine = /^\/$|^\/(proc|sys|dev)(\/|$)|^\/(run|boot|etc)$/;

/** Whether a folder is another one, or holds it, by a name that does not show it: a mount of a part of a disk for example. */
function isAlias(folder: string, other: string): boolean {
  return (
    isAmong(folder, [other, ...foldersAbove(other)]) || isAmong(other, [folder, ...foldersAbove(folder)])
  );
}

/** Whether one of these paths is that folder, and none of them says so. */
function isAmong(folder: string, paths: readonly string[]): boolean {
  const wanted = statSync(folder, { throwIfNoEntry: false });
  if (wanted?.isDirectory() !== true || paths.includes(folder)) return false;
  return paths.some((it) => {
    const stat = statSync(it, { throwIfNoEntry: false });
    return stat?.ino === wanted.ino && stat.dev === wanted.dev;
  });
}

/** What a server may see is its owner's to say. Throws where the server can have turned the way to it. */
function stayPut(server: string, { at, how }: Written, writable: readonly string[]): void {
  const link = turnedAt(at, writable);
  if (link === undefined) return;
  throw new Fault('CONFIG_INVALID', {
    detail: `${server}: ${at} leads over ${link}, a link that the server itself may change`,
    hint: `name where it should lead under ${how} in servers/${server}.toml; see: ls -l ${shellWord(link)}`,
  });
}

/** What keeps secrets in a home, unless the owner names it. */
const keepers = [
  ...[
    '.ssh',
    '.gnupg',
    '.pm2',
    '.aws',
    '.azure',
    '.kube',
    '.docker',
    '.netrc',
    '.npmrc',
    '.pypirc',
    '.git-credentials',
  ],
  ...[
    '.config/mcpd',
    '.config/gcloud',
    '.config/gh',
    '.config/op',
    '.password-store',
    '.local/share/keyrings',
    'Library/Keychains',
  ],
];

function hiddenPaths(state: string, policies: string, home: string): readonly Hidden[] {
  const sockets = ['/run', '/var/run'];
  const all = [state, policies, ...sockets, ...keepers.map((name) => join(realOf(home), name))];
  return all.flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ real: realOf(path), isFolder: stat.isDirectory() }];
  });
}
