/** One thing that a child sees, at an absolute path. What lies deeper comes on top. */
export type Mount =
  | { readonly kind: 'read'; readonly at: string; readonly from: string }
  | { readonly kind: 'write'; readonly at: string; readonly from: string }
  | { readonly kind: 'link'; readonly at: string; readonly to: string }
  /** An empty folder that nobody can write to: what is really there is hidden. */
  | { readonly kind: 'hide'; readonly at: string }
  /** A file in whose place there is nothing. */
  | { readonly kind: 'blank'; readonly at: string }
  /** A folder in memory. */
  | { readonly kind: 'scratch'; readonly at: string; readonly bytesMax: number };

/** What is shown to a child, by its real path: links that lead there are mounts of their own. */
export type Shown = { readonly real: string; readonly how: 'read' | 'write' };

/** What no child may see, by its real path. */
export type Hidden = { readonly real: string; readonly isFolder: boolean };

/**
 * Mounts for what is shown, with what must stay hidden covered wherever it lies inside. What is shown from inside of
 * something hidden was declared, and comes on top of the cover. `besides`: real paths that every child sees anyway.
 */
export function mountsFor(
  shown: readonly Shown[],
  hidden: readonly Hidden[],
  besides: readonly string[] = [],
): readonly Mount[] {
  const seen = [...shown.map(({ real }) => real), ...besides];
  const covers = hidden.filter((it) => seen.some((real) => it.real !== real && isWithin(it.real, real)));
  const wanted = [
    ...shown.map(({ real, how }): Mount => ({ kind: how, at: real, from: real })),
    ...covers.map(({ real, isFolder }): Mount => ({ kind: isFolder ? 'hide' : 'blank', at: real })),
  ];
  return [...heldInPlace(shown, wanted), ...wanted];
}

/**
 * The folders on the way from one that is to be written to what is mounted inside of it, each as a mount: nobody inside can
 * rename those, and come to what was covered by another path, or put a link in the place of what is shown next time.
 */
function heldInPlace(shown: readonly Shown[], wanted: readonly Mount[]): readonly Mount[] {
  const roots = shown.filter(({ how }) => how === 'write').map(({ real }) => real);
  const between = wanted.flatMap(({ at }) =>
    foldersAbove(at).filter((it) => roots.some((root) => it !== root && isWithin(it, root))),
  );
  const kept = new Set(wanted.map(({ at }) => at));
  return [...new Set(between)]
    .filter((it) => !kept.has(it) && !wanted.some(({ kind, at }) => kind === 'hide' && isWithin(it, at)))
    .map((at) => ({ kind: isRead(shown, at) ? 'read' : 'write', at, from: at }));
}

/** Whether the innermost of what is shown around a path is only to be read. */
function isRead(shown: readonly Shown[], path: string): boolean {
  const around = shown.filter(({ real }) => isWithin(path, real));
  const innermost = Math.max(...around.map(({ real }) => depth(real)));
  return around.every(({ real, how }) => depth(real) < innermost || how === 'read');
}

/**
 * In the order in which they must be made: from the root downwards, and each path once. Of two for one path the later in the
 * list counts, but what is to be written is not made unwritable by being read as well, and what is hidden stays hidden.
 */
export function inOrder(mounts: readonly Mount[]): readonly Mount[] {
  const at = new Map<string, Mount>();
  for (const mount of mounts) {
    const before = at.get(mount.at);
    if (before === undefined || rank(mount) >= rank(before)) at.set(mount.at, mount);
  }
  return [...at.values()].toSorted((a, b) => depth(a.at) - depth(b.at));
}

function rank({ kind }: Mount): number {
  return ['scratch', 'link', 'read', 'write', 'hide', 'blank'].indexOf(kind);
}

/** The folders above these that nothing provides, so that they have to be made; the uppermost first. */
export function foldersAbove(path: string): readonly string[] {
  const names = path.split('/').slice(1, -1);
  return names.map((_, at) => `/${names.slice(0, at + 1).join('/')}`);
}

/** By names, not by letters: /a/bc does not lie within /a/b. Both absolute and without `..`. */
export function isWithin(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

function depth(path: string): number {
  return path === '/' ? 0 : path.split('/').length;
}
