import { closeSync, constants, existsSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { ServerSpec } from '../domain/orders.ts';
import { turnedAt } from './links.ts';
import { isWithin } from './mounts.ts';

/** Folders that are there for every program; see `system.ts`. */
const system = /^\/(usr|bin|sbin|lib|lib32|lib64|libx32|nix\/store)(\/|$)/;

/** Programs whose first argument that is a file is the program proper. */
const interpreters =
  /^(node|bun|deno|tsx|ts-node|python[\d.]*|pypy[\d.]*|uv|ruby|perl|php|lua|java|sh|bash|dash|zsh|pwsh|dotnet)$/;

/**
 * The files and folders without which the program of a server cannot run: its package, its interpreter, its virtual
 * environment. Of a program that lies loose in a home or a temporary folder, the file alone: the folder holds other things.
 */
export function programPaths(spec: ServerSpec, execPath: string, home: string): readonly string[] {
  const found = new Set<string>();
  const seen = new Set<string>();
  // A link, a first line or a `node_modules` that the server can put there would show it whatever it wants at its next start.
  const writable = spec.wall.write.map(realOf);
  const isIts = (path: string) => writable.some((it) => isWithin(path, it));
  const visit = (path: string, depth: number): void => {
    if (seen.has(path) || depth > 4 || !isFile(path)) return;
    seen.add(path);
    for (const it of around(path, home)) found.add(it);
    const real = realOf(path);
    if (real !== path && turnedAt(path, writable) === undefined) visit(real, depth + 1);
    if (isIts(real)) return;
    for (const interpreter of interpreterOf(real)) visit(interpreter, depth + 1);
  };
  // Its PATH begins there, so that a program in JavaScript runs on the daemon's own node.
  visit(execPath, 0);
  visit(spec.command, 0);
  const script = interpreters.test(basename(spec.command)) ? scriptOf(spec) : undefined;
  if (script !== undefined) visit(script, 0);
  return [...found].filter(
    (path) => !system.test(path) && !isIts(path) && turnedAt(path, writable) === undefined,
  );
}

function scriptOf({ args, cwd }: ServerSpec): string | undefined {
  return args
    .filter((arg) => !arg.startsWith('-') && arg.length < 4096)
    .map((arg) => resolve(cwd, arg))
    .find(isFile);
}

/** What belongs to one file of a program. */
function around(path: string, home: string): readonly string[] {
  if (system.test(path)) return [];
  const folder = dirname(path);
  const modules = /^(.*?\/node_modules)\//.exec(path)?.[1];
  if (modules !== undefined) return [modules];
  if (existsSync(join(dirname(folder), 'pyvenv.cfg'))) return [dirname(folder)];
  if (basename(folder) === 'bin') {
    const beside = ['lib', 'lib64'].map((name) => join(dirname(folder), name)).filter((it) => existsSync(it));
    return isBroad(folder, home) ? [path] : [folder, ...beside];
  }
  const parts = packageOf(folder, home);
  return parts ?? [isBroad(folder, home) ? path : folder];
}

/** The package that a script belongs to, and the folders where its modules are looked for. */
function packageOf(folder: string, home: string): readonly string[] | undefined {
  const above = ancestors(folder);
  const root = above.find((it) => markers.some((name) => existsSync(join(it, name))));
  if (root === undefined || isBroad(root, home)) return undefined;
  const modules = ancestors(root).map((it) => join(it, 'node_modules'));
  return [root, ...modules.filter((it) => existsSync(it))];
}

const markers = [
  'package.json',
  'pyproject.toml',
  'deno.json',
  'deno.jsonc',
  'setup.py',
  'Gemfile',
  'composer.json',
];

/** The folder itself first; never the root. */
function ancestors(folder: string): readonly string[] {
  const all: string[] = [];
  for (let at = folder; at !== dirname(at); at = dirname(at)) all.push(at);
  return all;
}

/** Whether a folder holds more than one program: a home, what lies above homes, and the folders that everybody uses. */
export function isBroad(folder: string, home: string): boolean {
  const names = folder.split('/').filter((it) => it !== '');
  if (names.length < 2) return true;
  if (folder === home || home.startsWith(`${folder}/`)) return true;
  return /^\/(home|Users)\/[^/]+$|^\/var\/(tmp|lib|log|run|cache|spool)$|^\/usr\/local$|^\/private\/[^/]+$/.test(
    folder,
  );
}

/** What `#!` names, and what that looks up along PATH is found there. */
function interpreterOf(path: string): readonly string[] {
  const line = firstLine(path);
  const named = /^#!\s*(\S+)/.exec(line)?.[1];
  return named !== undefined && isAbsolute(named) ? [named] : [];
}

function firstLine(path: string): string {
  let file: number | undefined;
  try {
    // It was a file a moment ago; a named pipe in its place would stop the daemon where it stands.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const start = Buffer.alloc(256);
    const read = readSync(file, start, 0, start.length, 0);
    return start.toString('latin1', 0, read).split('\n')[0] ?? '';
  } catch {
    // Not readable for us: then what it needs cannot be told, and the server says so itself.
    return '';
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

export function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
