import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, join, parse, resolve, sep } from 'node:path';

/** Whom we may believe about files: root, and the user mcpd runs as. */
export type Users = { readonly me: number | undefined; readonly group: number | undefined };
export const usersNow = (): Users => ({ me: process.getuid?.(), group: process.getgid?.() });

/** Somebody who could change what lies at a path, and the command that keeps them out. */
export type Stranger = {
  /** `anyone`, `owner`: refused; `group`: it may be a group of one. */
  readonly who: 'anyone' | 'owner' | 'group';
  readonly what: string;
  readonly mend: string;
};

/** As many as the kernel follows. */
const linksMax = 40;

/**
 * Who else can decide what lies at a path: its owner, or the owner of any folder or link on the way there, or whoever may write
 * to one of them. Empty where only root and we can. Throws what the system says where there is nothing. Access control lists
 * are not looked at.
 */
export function strangersAt(path: string, users = usersNow()): readonly Stranger[] {
  const found = new Map<string, Stranger>();
  let links = 0;
  let rest = resolve(path).split(sep).filter(Boolean);
  let at = parse(resolve(path)).root;
  note(found, at, lstatSync(at), users, false);
  while (rest.length > 0) {
    const [name, ...more] = rest as [string, ...string[]];
    const next = join(at, name);
    const stat = lstatSync(next);
    note(found, next, stat, users, more.length === 0);
    if (!stat.isSymbolicLink()) {
      [at, rest] = [next, more];
      continue;
    }
    if (++links > linksMax) throw Object.assign(new Error(`too many links at ${path}`), { code: 'ELOOP' });
    const target = resolve(dirname(next), readlinkSync(next));
    rest = [...target.split(sep).filter(Boolean), ...more];
    at = parse(target).root;
  }
  return [...found.values()];
}

function note(found: Map<string, Stranger>, path: string, stat: Stats, users: Users, last: boolean): void {
  const stranger = strangerOf(path, stat, users, last);
  if (stranger !== undefined) found.set(path, stranger);
}

function strangerOf(path: string, stat: Stats, { me, group }: Users, last: boolean): Stranger | undefined {
  // The mode of a link means nothing, and in a folder such as /tmp the sticky bit keeps others from replacing a file.
  const counts = !stat.isSymbolicLink() && !(stat.isDirectory() && (stat.mode & 0o1000) !== 0);
  if (counts && (stat.mode & 0o002) !== 0)
    return {
      who: 'anyone',
      what: `anyone on this machine may change ${path}`,
      mend: `chmod o-w ${shellWord(path)}`,
    };
  // Whoever owns a file or a folder may do with it as they like, whatever its mode says.
  if (me !== undefined && stat.uid !== 0 && stat.uid !== me) {
    const what = `${path} belongs to user ${stat.uid}, who can put another program there`;
    const recursive = last ? '' : ', or use a program that is kept elsewhere';
    return { who: 'owner', what, mend: `chown -h ${me === 0 ? 'root' : me} ${shellWord(path)}${recursive}` };
  }
  if (counts && (stat.mode & 0o020) !== 0 && stat.gid !== 0 && stat.gid !== group)
    return {
      who: 'group',
      what: `everybody in group ${stat.gid} may change ${path}`,
      mend: `chmod g-w ${shellWord(path)}`,
    };
  return undefined;
}

/** A path as a shell takes it. */
export function shellWord(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
