import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  readdirSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { quote } from './complaint.ts';
import type { Complaint } from './complaint.ts';
import { uncleanFile, uncleanFolder, type Unclean } from './hygiene.ts';
import { readToml } from './toml.ts';

/** One policy file as it was when it was read. Everything else is made from these bytes, so nothing can change in between. */
export type PolicyBytes = {
  /** As shown to a person: below the folder as it was given. */
  readonly file: string;
  /** For a server file; undefined for mcpd.toml. */
  readonly server: string | undefined;
  readonly bytes: Buffer;
};

/** A file that server files extend. */
export type BaseBytes = {
  /** As shown to a person. */
  readonly file: string;
  /** Absolute; by it a server file finds its base. */
  readonly path: string;
  readonly bytes: Buffer;
};

export const fileBytesMax = 1024 * 1024;
export const serversMax = 64;

/** Reads mcpd.toml, servers/*.toml and the bases that those extend, each once, and says what stands in the way. */
export function readPolicies(dir: string): {
  files: readonly PolicyBytes[];
  bases: readonly BaseBytes[];
  /** Absolute paths of the bases that server files name, whether they can be read or not. */
  named: readonly string[];
  complaints: readonly Complaint[];
} {
  const files: PolicyBytes[] = [];
  const complaints: Complaint[] = checkFolder(dir);
  if (complaints.length > 0) return { files, bases: [], named: [], complaints };

  const take = (file: string, server: string | undefined) => {
    const read = readBounded(file);
    if (Buffer.isBuffer(read)) files.push({ file, server, bytes: read });
    else complaints.push(read);
  };
  take(join(dir, 'mcpd.toml'), undefined);

  const folder = join(dir, 'servers');
  const unfit = checkFolder(folder);
  complaints.push(...unfit);
  if (unfit.length > 0) return { files, bases: [], named: [], complaints };

  const names = serverNames(folder, complaints);
  if (names.length === 0) {
    complaints.push(fault(folder, 'no server files', 'at least one file NAME.toml in this folder'));
  }
  if (names.length > serversMax) {
    complaints.push(fault(folder, `${String(names.length)} server files`, `at most ${String(serversMax)}`));
  }
  for (const name of names.slice(0, serversMax)) take(join(folder, `${name}.toml`), name);
  return { files, ...readBases(folder, files, complaints), complaints };
}

/** A base is read in the same breath as the files that extend it, so that it is watched and part of the digest. */
function readBases(
  folder: string,
  files: readonly PolicyBytes[],
  complaints: Complaint[],
): { readonly bases: readonly BaseBytes[]; readonly named: readonly string[] } {
  const named = new Map<string, string>();
  for (const { server, bytes } of files) {
    const written = server === undefined ? undefined : baseIn(bytes);
    if (written === undefined) continue;
    named.set(resolve(folder, written), isAbsolute(written) ? written : join(folder, written));
  }
  const bases: BaseBytes[] = [];
  for (const [path, file] of named) {
    const read = readBounded(file);
    if (Buffer.isBuffer(read)) bases.push({ file, path, bytes: read });
    else complaints.push(read);
  }
  return { bases, named: [...named.keys()] };
}

/** What a server file extends, as written; whatever else is wrong with the file is told by others. */
function baseIn(bytes: Buffer): string | undefined {
  // Most files extend nothing, and need not be parsed twice.
  if (!bytes.includes('extends')) return undefined;
  const read = readToml(bytes.toString('utf8').replace(/^\ufeff/, ''));
  if (!read.ok) return undefined;
  const { extends: table } = read.document.value as { extends?: { file?: unknown } };
  const file = table?.file;
  return typeof file === 'string' && file !== '' && !file.includes('\0') ? file : undefined;
}

/** The SHA-256 by which a base is pinned: 64 hexadecimal characters. */
export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Names this set of bytes: 12 hexadecimal characters of a SHA-256 over every name and content. */
export function digestOf(files: readonly PolicyBytes[], bases: readonly BaseBytes[]): string {
  const hash = createHash('sha256');
  for (const { server, bytes } of files) {
    // With its length in front, so that no content can pass for the beginning of the next file.
    hash.update(`${server ?? 'mcpd.toml'}\n${String(bytes.length)}\n`).update(bytes);
  }
  // Where a base lies says nothing: the file that extends it names the path, and is in here.
  for (const { bytes } of bases) hash.update(`base\n${String(bytes.length)}\n`).update(bytes);
  return hash.digest('hex').slice(0, 12);
}

/** Decodes UTF-8, or says on which line it breaks. A byte order mark, which some editors add, is dropped. */
export function decode({ file, bytes }: Pick<PolicyBytes, 'file' | 'bytes'>): string | Complaint {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { ...fault(file, 'not valid UTF-8', 'text saved as UTF-8'), line: brokenLine(bytes) };
  }
}

function brokenLine(bytes: Buffer): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const end = bytes.indexOf(0x0a, start);
    const piece = bytes.subarray(start, end < 0 ? bytes.length : end);
    if (piece.toString('utf8').includes('\ufffd')) return line;
    start = end < 0 ? bytes.length : end + 1;
  }
  return 1;
}

function serverNames(folder: string, complaints: Complaint[]): readonly string[] {
  const names: string[] = [];
  for (const entry of readdirSync(folder).sort()) {
    // Editors and mounted volumes keep their own files beside ours, with a dot in front.
    if (entry.startsWith('.')) continue;
    const name = entry.endsWith('.toml') ? entry.slice(0, -'.toml'.length) : undefined;
    if (name === undefined) {
      const ignored = fault(join(folder, entry), 'ignored', 'a name that ends in .toml');
      complaints.push({ ...ignored, severity: 'warning' });
    } else if (/^[a-z0-9-]{1,32}$/.test(name)) {
      names.push(name);
    } else {
      const expected = '1 to 32 of a-z, 0-9 and -: the file name is the name of the server';
      complaints.push(fault(join(folder, entry), `bad server name ${quote(name)}`, expected));
    }
  }
  return names;
}

function readBounded(file: string): Buffer | Complaint {
  let handle: number;
  try {
    // Without O_NONBLOCK a named pipe in this place would stop the daemon until somebody wrote to it.
    // Looked at before, and not followed now: where it is no link of its own folder, it is no link.
    const unclean = uncleanFile(file);
    if (unclean !== undefined) return about(file, unclean);
    handle = openSync(realpathSync(file), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (reason) {
    return unreadable(file, reason);
  }
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) return fault(file, 'not a regular file', 'a TOML file');
    if (stat.size > fileBytesMax) return fault(file, `${String(stat.size)} bytes`, 'at most 1 MiB');
    const bytes = Buffer.alloc(fileBytesMax + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(handle, bytes, length, bytes.length - length, null);
    }
    return length > fileBytesMax
      ? fault(file, 'it grew while it was read', 'at most 1 MiB')
      : bytes.subarray(0, length);
  } catch (reason) {
    return unreadable(file, reason);
  } finally {
    closeSync(handle);
  }
}

function checkFolder(folder: string): Complaint[] {
  try {
    const stat = statSync(folder);
    if (!stat.isDirectory()) return [fault(folder, 'not a folder', 'a folder')];
    readdirSync(folder);
    const unclean = uncleanFolder(folder);
    return unclean === undefined ? [] : [about(folder, unclean)];
  } catch (reason) {
    return [unreadable(folder, reason)];
  }
}

function about(path: string, { what, expected }: Unclean): Complaint {
  return fault(path, what, expected);
}

const causes: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'does not exist'],
  ['EACCES', 'may not be read'],
  ['ELOOP', 'its symbolic links go round in a circle'],
  ['ENOTDIR', 'not a folder'],
]);

function unreadable(path: string, reason: unknown): Complaint {
  const code = (reason as NodeJS.ErrnoException).code ?? 'unknown error';
  return fault(path, causes.get(code) ?? `cannot be read (${code})`, 'a file or folder the daemon can read');
}

function fault(file: string, what: string, expected: string): Complaint {
  return { severity: 'error', file, line: 1, column: 1, what, expected };
}
