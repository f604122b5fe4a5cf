import { lstat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readJson } from '../domain/read-json.ts';
import { readSmall } from './small-file.ts';

export type Wanted = {
  readonly cwd: string;
  readonly name: string;
  /** The package as it is asked for: `server@1.2.3`. */
  readonly text: string;
  readonly home: string | undefined;
  /** Where npm installs for everybody; absolute. */
  readonly globals: readonly string[];
  /** Whether any packages in the project are too many: one may lie deep in another, where it is not looked for. */
  readonly strict: boolean;
};

/**
 * What npx would run or obey in place of the package it was asked for: it looks into the working folder and all folders
 * above it, and at what is installed for everybody, before it looks at what it fetched. Whoever can write there, the child
 * itself for one, would decide what is started next. Undefined where there is nothing.
 */
export async function shadowOf({
  cwd,
  name,
  text,
  home,
  globals,
  strict,
}: Wanted): Promise<string | undefined> {
  const above = foldersFrom(cwd);
  const root = await projectOf(above);
  const places = [
    ...above.flatMap((folder) => [
      join(folder, 'node_modules', name),
      join(folder, 'node_modules', '.bin', text),
    ]),
    ...(strict ? [join(root, 'node_modules')] : []),
    ...globals.map((folder) => join(folder, name)),
    // It can name a shell, and code that is loaded first. The one in the home folder is the owner's own.
    ...(root === home ? [] : [join(root, '.npmrc')]),
  ];
  for (const place of places) if (await isThere(place)) return place;
  const manifest = join(root, 'package.json');
  return (await isNeutral(manifest, name, text)) ? undefined : manifest;
}

function foldersFrom(cwd: string): readonly string[] {
  const above = dirname(cwd);
  return above === cwd ? [cwd] : [cwd, ...foldersFrom(above)];
}

/** What npm takes for the project: the nearest folder with a manifest or with packages, or else the working folder. */
async function projectOf(above: readonly string[]): Promise<string> {
  for (const folder of above)
    if ((await isThere(join(folder, 'package.json'))) || (await isThere(join(folder, 'node_modules'))))
      return folder;
  return above[0] ?? '/';
}

/** A project may be the package, hold it in a workspace, or offer a program by the very text that is asked for. */
async function isNeutral(manifest: string, name: string, text: string): Promise<boolean> {
  try {
    const written = await readSmall(manifest, 1024 * 1024);
    if (written === undefined) return true;
    const project = readJson(written) as { name?: unknown; bin?: unknown; workspaces?: unknown } | null;
    const { bin, workspaces } = project ?? {};
    const offers = typeof bin === 'object' && bin !== null && Object.hasOwn(bin, text);
    return project?.name !== name && workspaces === undefined && !offers;
  } catch {
    return false;
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    // What cannot be looked at could be anything.
    ({ code }: NodeJS.ErrnoException) => code !== 'ENOENT' && code !== 'ENOTDIR',
  );
}
