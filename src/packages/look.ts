import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { FetchedPackage, ServerSpec } from '../domain/orders.ts';
import { folderOf, lookInto, type Look } from './npx-tree.ts';
import { shadowOf } from './shadow.ts';

/** Where packages lie on this machine. */
export type House = {
  /** The home folder that a server's children are given. */
  readonly homeOf: (spec: ServerSpec) => string | undefined;
  /** Where npm installs for everybody; absolute. */
  readonly globals: readonly string[];
};

const askedCharsMax = 512;

/** Whether mcpd can see what was installed, or knows only what was asked for. */
export function looksInside({ by }: FetchedPackage): boolean {
  return by === 'npx' || by === 'npm exec';
}

/** What is known of the package that a server runs. Never rejects. */
export async function lookAt(spec: ServerSpec, fetched: FetchedPackage, house: House): Promise<Look> {
  const { name, version, by } = fetched;
  const asked = askedOf(fetched);
  if (!looksInside(fetched)) {
    if (name !== undefined && version !== undefined)
      return { kind: 'found', installed: { name, version, integrity: null, tree: null } };
    return unreadable(`its file leaves the version open, and mcpd cannot look at what ${by} has installed`);
  }
  if (name === undefined) return unreadable(`the name of the package cannot be told from ${asked}`);
  const shadow = await shadowAt(spec, fetched, house);
  if (shadow !== undefined) return unreadable(`${shadow} may decide what is started instead of ${asked}`);
  return lookInto(treeFolder(spec, fetched, house), name);
}

/** See `shadowOf`. Of a package that is pinned more is wanted than of one that is only looked at. */
export function shadowAt(
  spec: ServerSpec,
  { name = '', specs, pin }: FetchedPackage,
  { homeOf, globals }: House,
): Promise<string | undefined> {
  const text = specs[0] ?? '';
  return shadowOf({ cwd: spec.cwd, name, text, home: homeOf(spec), globals, strict: pin !== undefined });
}

/** npm's own folder for what was fetched. */
export function cacheFolder(spec: ServerSpec, { cache }: FetchedPackage, { homeOf }: House): string {
  return cache ?? join(homeOf(spec) ?? '/', '.npm');
}

export function treeFolder(spec: ServerSpec, fetched: FetchedPackage, house: House): string {
  return folderOf(cacheFolder(spec, fetched, house), fetched.specs);
}

/** The packages as they are asked for, or a digest of that, where it is long. */
export function askedOf({ specs }: FetchedPackage): string {
  const text = specs.join(' ');
  if (text.length <= askedCharsMax) return text;
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function unreadable(why: string): Look {
  return { kind: 'unreadable', why };
}
