import { lstatSync, realpathSync } from 'node:fs';
import { dirname, sep } from 'node:path';
import { own } from '../files/ours.ts';
import { strangersAt, type Stranger } from './trust.ts';

/** Why a policy file or folder cannot be believed, and what to type. */
export type Unclean = { readonly what: string; readonly expected: string };

/**
 * Whoever can change a policy decides what mcpd runs. So a folder, and every folder and link on the way to it, belongs to
 * root or to us, and nobody else may write there. Links are followed: a deployment may switch one. Throws what the system
 * says where there is nothing.
 */
export function uncleanFolder(path: string): Unclean | undefined {
  return unclean(strangersAt(path));
}

/**
 * The same of a file, which besides has no second name, and is no link, except to a file of its own folder: so volumes are
 * mounted whose files change all at once. Throws what the system says where there is nothing.
 */
export function uncleanFile(path: string): Unclean | undefined {
  const stat = lstatSync(path);
  if (stat.isSymbolicLink()) {
    const real = realpathSync(path);
    if (!real.startsWith(`${realpathSync(dirname(path))}${sep}`))
      return { what: `a link to ${real}, outside of its folder`, expected: `a file: type ${own(path)}` };
  } else if (stat.nlink > 1 && stat.isFile() && stat.uid === process.getuid?.()) {
    // Root's are not looked at: some systems keep equal files of their packages once.
    return { what: 'it has a second name (a hard link)', expected: `a file of its own: type ${own(path)}` };
  }
  return unclean(strangersAt(path));
}

/** The first of those who could change what lies at a path. */
function unclean([found]: readonly Stranger[]): Unclean | undefined {
  if (found === undefined) return undefined;
  // What to type names the place, which may be a folder far above; of commands of servers, it says more.
  const [mend] = found.mend.split(', ');
  return { what: whats[found.who], expected: `others to be kept out: type ${mend ?? ''}` };
}

const whats = {
  owner: 'it is, or lies in a folder that is, of another user',
  anyone: 'anyone on this machine may write to it',
  group: 'others of a group may write to it',
} as const;
