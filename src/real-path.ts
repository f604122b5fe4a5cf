import { lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { posix } from 'node:path';

const bytesMax = 4096;
/** What Linux allows on the way to one file. */
const linksMax = 40;

/**
 * Where a path leads: the real path of the deepest part that exists, with the rest appended, which nobody has made yet.
 * Undefined when it cannot be told, or when it depends on who follows it: no absolute path, a NUL, a link that leads
 * nowhere or round in a circle, a folder that may not be read, a `..` behind a link, anything in `/proc`.
 *
 * It is true when it is asked. Whoever may change links in an allowed folder can change them before the server opens the
 * path; only the server's own checks, or its sandbox, help against that.
 */
export function realPath(path: string): string | undefined {
  if (!isUsable(path)) return undefined;
  const real = follow(path);
  if (real === undefined || !/\/\.\.(\/|$)/.test(path)) return real;
  // The kernel steps back from where a link leads, `path.normalize` from where it stands; servers do the one or the other.
  return follow(posix.normalize(path)) === real ? real : undefined;
}

function isUsable(path: string): boolean {
  return (
    path.startsWith('/') && !path.includes('\0') && path.isWellFormed() && Buffer.byteLength(path) <= bytesMax
  );
}

/** As the kernel does it, name by name. */
function follow(path: string): string | undefined {
  const walk: Walk = { at: '/', links: 0, names: namesOf(path), ofLinks: 0, missing: [] };
  while (walk.names.length > 0) if (!step(walk)) return undefined;
  return spelled(walk);
}

type Walk = {
  /** What is behind us: real, and there. */
  at: string;
  links: number;
  /** What is ahead of us, the next one last. */
  names: string[];
  /** How many of these a link brought along. */
  ofLinks: number;
  /** Behind us, and not there. */
  missing: string[];
};

function namesOf(path: string): string[] {
  return path
    .split('/')
    .filter((it) => it !== '' && it !== '.')
    .reverse();
}

function step(walk: Walk): boolean {
  const name = walk.names.pop() as string;
  const isOfLink = walk.ofLinks > 0;
  if (isOfLink) walk.ofLinks--;
  if (name === '..') {
    if (walk.missing.pop() === undefined) walk.at = posix.dirname(walk.at);
    return true;
  }
  if (walk.missing.length > 0) {
    walk.missing.push(name);
    return true;
  }
  const next = posix.join(walk.at, name);
  // `/proc/self` is another process for whoever follows it: what it means for the server cannot be told from here.
  if (next === '/proc') return false;
  try {
    const stats = lstatSync(next, { throwIfNoEntry: false });
    if (stats === undefined) {
      walk.missing.push(name);
      // A link that leads nowhere yet: whoever writes there makes a file in a place that nobody has looked at.
      return !isOfLink;
    }
    if (!stats.isSymbolicLink()) {
      walk.at = next;
      return walk.names.length === 0 || stats.isDirectory();
    }
    if (++walk.links > linksMax) return false;
    return through(walk, readlinkSync(next));
  } catch {
    // A loop, a folder that may not be read, a name that is too long: it cannot be told.
    return false;
  }
}

function through(walk: Walk, target: string): boolean {
  if (target.startsWith('/')) walk.at = '/';
  const names = namesOf(target);
  walk.names.push(...names);
  walk.ofLinks += names.length;
  return Buffer.byteLength(target) <= bytesMax;
}

/** In the spelling of the file system, which may not mind upper and lower case. */
function spelled({ at, missing }: Walk): string | undefined {
  try {
    return posix.join(realpathSync.native(at), ...missing);
  } catch {
    // It has gone since.
    return undefined;
  }
}
