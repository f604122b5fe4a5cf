import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { strangersAt, usersNow, type Stranger } from './trust.ts';

export type Resolved =
  | { readonly ok: true; readonly command: string; readonly strangers: readonly Stranger[] }
  | { readonly ok: false; readonly what: string; readonly expected: string };

/** Where a bare name is looked up. Fixed, so that no variable of the daemon's environment chooses the program. */
export function searchPath(execPath: string): readonly string[] {
  return [dirname(execPath), '/usr/local/bin', '/usr/bin', '/bin'];
}

/**
 * Turns what a server file names into the absolute path of an existing program: an absolute path as it is, a path with a
 * slash from the file's own folder, a bare name from the fixed search path. The working folder of the child plays no part.
 * `strangers` are those who may be harmless; others are refused.
 */
export function resolveCommand(
  written: string,
  folder: string,
  execPath: string,
  users = usersNow(),
): Resolved {
  const checked = (path: string) => check(path, execPath, users);
  if (written.includes('/')) {
    const path = isAbsolute(written) ? resolve(written) : resolve(folder, written);
    return (
      checked(path) ?? no(`no program at ${path}`, 'an existing program: install it, or correct the path')
    );
  }
  const places = searchPath(execPath);
  for (const place of places) {
    const found = checked(join(place, written));
    if (found !== undefined) return found;
    // It is not here yet. Whoever may write here could put a program before the one that is meant.
    const open = openFolder(place);
    if (open !== undefined) return no(open.what, `others to be kept out: type ${open.mend}`);
  }
  return no(
    `no program "${written}" in ${places.join(':')}`,
    'a program that is installed there, or its absolute path',
  );
}

/** Undefined when there is nothing at that path. */
function check(path: string, execPath: string, users: ReturnType<typeof usersNow>): Resolved | undefined {
  try {
    const target = realpathSync(path);
    const stat = statSync(target);
    if (!stat.isFile()) return no(`${path} is not a program`, 'an executable file');
    accessSync(target, constants.X_OK);
    // Whoever may write to the program, or put another in its place, decides what runs with this server's secrets.
    const strangers = strangersAt(path, users);
    // Whoever owns the `node` that mcpd itself runs on owns mcpd: to refuse it to a child would help nobody.
    const own = target === execPath;
    const worst = strangers.find(({ who }) => who === 'anyone' || (who === 'owner' && !own));
    if (worst !== undefined) return no(worst.what, `others to be kept out: type ${worst.mend}`);
    // The folder is resolved but the program keeps its name: a Python environment and programs such as busybox look at the
    // name they were started by, and behind the link they would be something else.
    return { ok: true, command: join(realpathSync(dirname(path)), basename(path)), strangers };
  } catch (reason) {
    const { code } = reason as NodeJS.ErrnoException;
    return code === 'EACCES' ? no(`${path} may not be executed`, 'an executable file') : undefined;
  }
}

function openFolder(place: string): Stranger | undefined {
  try {
    return strangersAt(place).find(({ who }) => who === 'anyone');
  } catch {
    // No such folder, so nobody puts anything into it without making it, in a folder that is somebody's.
    return undefined;
  }
}

function no(what: string, expected: string): Resolved {
  return { ok: false, what, expected };
}
