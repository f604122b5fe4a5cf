import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readJson } from '../domain/read-json.ts';
import { readSmall } from './small-file.ts';

/** One package as it is installed, and all that came with it. */
export type Installed = {
  readonly name: string;
  readonly version: string;
  /** What npm calls integrity; null for what came without: a folder, a repository. */
  readonly integrity: string | null;
  /** SHA-256 over path, version and integrity of every package in the folder, 64 hex digits; null where nobody can look. */
  readonly tree: string | null;
};

export type Look =
  | { readonly kind: 'found'; readonly installed: Installed }
  | { readonly kind: 'absent' | 'unreadable'; readonly why: string };

const lockBytesMax = 16 * 1024 * 1024;
const packageBytesMax = 1024 * 1024;
const packagesMax = 50_000;

/** npm keeps what `npx` fetched under a name of its own for each set of packages (libnpmexec; measured with npm 11.19). */
export function folderOf(cache: string, specs: readonly string[]): string {
  const all = [...specs].sort((a, b) => a.localeCompare(b, 'en')).join('\n');
  return join(cache, '_npx', createHash('sha512').update(all).digest('hex').slice(0, 16));
}

/** Looks at what npm says it has installed in such a folder. Never rejects. */
export async function lookInto(folder: string, name: string): Promise<Look> {
  try {
    // The first is what npm found in the folders, the second what it meant to put there.
    const paths = [join(folder, 'node_modules', '.package-lock.json'), join(folder, 'package-lock.json')];
    for (const path of paths) {
      const text = await readSmall(path, lockBytesMax);
      if (text !== undefined) return await found(folder, name, packagesIn(text, path));
    }
    return { kind: 'absent', why: `nothing is installed in ${folder}` };
  } catch (reason) {
    return { kind: 'unreadable', why: reason instanceof Error ? reason.message : String(reason) };
  }
}

type Row = { readonly version: string; readonly integrity: string | null; readonly from: string };

async function found(folder: string, name: string, rows: ReadonlyMap<string, Row>): Promise<Look> {
  const row = rows.get(`node_modules/${name}`);
  if (row === undefined) return { kind: 'absent', why: `${name} is not installed in ${folder}` };
  const path = join(folder, 'node_modules', name, 'package.json');
  const text = await readSmall(path, packageBytesMax);
  const is = text === undefined ? undefined : objectIn(text, path)['version'];
  if (is !== row.version)
    throw new Error(`${path} is not of version ${row.version}, which npm says it has installed`);
  const { version, integrity } = row;
  return { kind: 'found', installed: { name, version, integrity, tree: treeOf(rows) } };
}

/** Order in the file does not count. */
function treeOf(rows: ReadonlyMap<string, Row>): string {
  const lines = [...rows].map(([path, { version, integrity, from }]) =>
    JSON.stringify([path, version, integrity ?? from]),
  );
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}

/** Path → package. What is no lock file of npm 7 or later is refused whole. */
function packagesIn(text: string, path: string): ReadonlyMap<string, Row> {
  const packages = objectIn(text, path)['packages'];
  if (!isObject(packages)) throw new Error(`${path} is no lock file of npm`);
  const rows = new Map<string, Row>();
  for (const [at, row] of Object.entries(packages)) {
    // The folder itself.
    if (at === '') continue;
    if (!isObject(row) || rows.size >= packagesMax) throw new Error(`${path} is no lock file of npm`);
    const { version, integrity, resolved } = row;
    rows.set(at, {
      version: textIn(version, /^\d[\w.+!-]{0,127}$/) ?? '',
      integrity: textIn(integrity, /^[A-Za-z0-9+/=\- ]{1,1024}$/) ?? null,
      from: textIn(resolved, /^.{0,4096}$/s) ?? '',
    });
  }
  return rows;
}

function textIn(value: unknown, shape: RegExp): string | undefined {
  return typeof value === 'string' && shape.test(value) ? value : undefined;
}

function objectIn(text: string, path: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = readJson(text);
  } catch {
    throw new Error(`${path} is not JSON`);
  }
  if (!isObject(value)) throw new Error(`${path} is not an object`);
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
