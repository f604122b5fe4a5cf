import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isWithin, type Mount } from './mounts.ts';

/** A link on the way to something: where it really is, and what it says. */
export type Link = Mount & { readonly kind: 'link' };

const linksMax = 40;

/** The links that a path leads over, so that it can be written inside as it is outside. */
export function linksOn(path: string): readonly Link[] {
  const links: Link[] = [];
  let [at, rest] = ['/', path.split('/').filter((it) => it !== '')];
  for (let name = rest.shift(); name !== undefined && links.length < linksMax; name = rest.shift()) {
    const next = join(at, name);
    if (lstatSync(next, { throwIfNoEntry: false })?.isSymbolicLink() !== true) {
      at = next;
      continue;
    }
    const to = readlinkSync(next);
    links.push({ kind: 'link', at: next, to });
    rest = [
      ...resolve(dirname(next), to)
        .split('/')
        .filter((it) => it !== ''),
      ...rest,
    ];
    at = '/';
  }
  return links;
}

/**
 * The first link on the way to a path that lies where the server itself may write: whatever it leads to, the server has
 * chosen, and at its next start would be shown (CWE-59). `writable`: real paths.
 */
export function turnedAt(path: string, writable: readonly string[]): string | undefined {
  return linksOn(path).find(({ at }) => writable.some((it) => isWithin(at, it)))?.at;
}
