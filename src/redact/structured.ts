import { readJson } from '../domain/read-json.ts';
import type { Work } from './drive.ts';
import type { Json } from '../domain/message.ts';
import { copyOf, removeAt, textOf, type Tree } from './tree.ts';

/** Whether structured content fits the output schema of its tool; undefined: the tool has none. */
export type Fits = (structured: Json) => boolean | undefined;

export type Settled =
  | { readonly kind: 'fits'; readonly content: Tree; readonly neutral: number; readonly removed: number }
  /** Whatever is put there, the schema forbids it. */
  | { readonly kind: 'misfit' };

/** Where something was replaced: the place among the values at each level. */
type Path = readonly number[];

const changesMax = 2_000;
const levelsMax = 12;

/**
 * Makes structured content fit its schema again after markers were put into it. First what a marker was put over becomes a
 * neutral value of its own type; then it is left out; then what holds it is, level by level.
 */
export function* settle(before: Tree, after: Tree, fits: Fits): Work<Settled> {
  const plain = (content: Tree, neutral = 0, removed = 0): Settled => ({
    kind: 'fits',
    content,
    neutral,
    removed,
  });
  if (fitsTree(after, fits) !== false) return plain(after);
  // A client that checks had no use for it as it came.
  if (fitsTree(before, fits) === false) return plain(after);
  yield;
  const paths: Path[] = [];
  if (!changes(before, after, [], paths)) return { kind: 'misfit' };
  for (const texts of [false, true]) {
    const content = copyOf(after) as Tree;
    const neutral = paths.filter((path) => neutralize(content, before, path, texts)).length;
    if (fitsTree(content, fits) === true) return plain(content, neutral);
    yield;
  }
  for (let level = 0; level < levelsMax; level++) {
    const left = new Map<string, Path>();
    for (const path of paths) {
      const shorter = path.slice(0, Math.max(1, path.length - level));
      left.set(shorter.join('.'), shorter);
    }
    const content = copyOf(after) as Tree;
    // From the back: what is removed moves what comes after it.
    for (const path of [...left.values()].sort(laterFirst)) remove(content, path);
    if (fitsTree(content, fits) === true) return plain(content, 0, left.size);
    yield;
    if ([...left.values()].every((path) => path.length === 1)) break;
  }
  return { kind: 'misfit' };
}

function fitsTree(tree: Tree, fits: Fits): boolean | undefined {
  return fits(readJson(textOf(tree)));
}

/** Collects where two trees of one form differ. False when there are too many. */
function changes(before: Tree, after: Tree, path: Path, found: Path[]): boolean {
  for (const [index, now] of after.values.entries()) {
    const was = before.values[index];
    const here = [...path, index];
    if (before.keys[index] !== after.keys[index]) found.push(here);
    else if (typeof was === 'object' && typeof now === 'object') {
      if (!changes(was, now, here, found)) return false;
    } else if (was !== now) found.push(here);
    if (found.length > changesMax) return false;
  }
  return true;
}

/** Puts a value of the type that was there; `texts`: an empty text for a text too. False where nothing was to be done. */
function neutralize(content: Tree, before: Tree, path: Path, texts: boolean): boolean {
  const index = path.at(-1) ?? 0;
  const was = at(before, path.slice(0, -1))?.values[index];
  const parent = at(content, path.slice(0, -1));
  const neutral =
    typeof was === 'string' ? neutralOf(was, texts) : was === undefined ? undefined : emptyOf(was);
  if (parent === undefined || neutral === undefined) return false;
  parent.values[index] = neutral;
  return true;
}

function neutralOf(raw: string, texts: boolean): string | undefined {
  if (raw.startsWith('"')) return texts ? '""' : undefined;
  return raw === 'true' || raw === 'false' ? 'false' : '0';
}

function emptyOf(tree: Tree): Tree {
  return { open: tree.open, keys: [], values: [] };
}

function remove(content: Tree, path: Path): void {
  const parent = at(content, path.slice(0, -1));
  if (parent !== undefined) removeAt(parent, path.at(-1) ?? 0);
}

function at(tree: Tree, path: Path): Tree | undefined {
  let found: Tree | string | undefined = tree;
  for (const index of path) found = typeof found === 'object' ? found.values[index] : undefined;
  return typeof found === 'object' ? found : undefined;
}

function laterFirst(a: Path, b: Path): number {
  for (let level = 0; level < Math.min(a.length, b.length); level++) {
    const difference = (b[level] ?? 0) - (a[level] ?? 0);
    if (difference !== 0) return difference;
  }
  return b.length - a.length;
}
