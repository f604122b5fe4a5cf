import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { watch } from 'chokidar';
import { digestOf, readPolicies, serversMax } from './read.ts';

export type WatchOptions = {
  readonly dir: string;
  /** The digest that is in force; the first change is a change from this. */
  readonly digest: string;
  /** Called when the bytes differ from the last time, and only then. */
  readonly changed: () => void;
  /** Called when the operating system cannot watch; the poll goes on. */
  readonly failed?: (reason: unknown) => void;
  /** One save is often several events. */
  readonly debounceMs?: number;
  readonly pollMs?: number;
};

/** A watch that can be ended. */
export type Watch = { readonly close: () => Promise<void> };

/**
 * Watches the policy files. Events say where to look; a slow poll finds what they miss, such as a link in a parent folder
 * that now points elsewhere, or a network volume without events. The digest decides whether anything changed.
 */
export function watchPolicies(options: WatchOptions): Watch {
  const { dir, changed, failed, debounceMs = 150, pollMs = 5_000 } = options;
  let last = options.digest;
  let bases = read(dir).bases;
  let lastPrint = fingerprint(dir, bases);
  let waiting: NodeJS.Timeout | undefined;

  const compare = () => {
    waiting = undefined;
    const now = read(dir);
    lastPrint = fingerprint(dir, now.bases);
    watcher.unwatch(bases.filter((base) => !now.bases.includes(base)));
    watcher.add(now.bases.filter((base) => !bases.includes(base)));
    ({ bases } = now);
    const { digest } = now;
    if (digest === last) return;
    last = digest;
    changed();
  };
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(compare, debounceMs);
    waiting.unref();
  };
  const poll = setInterval(() => {
    if (waiting === undefined && fingerprint(dir, bases) !== lastPrint) soon();
  }, pollMs);
  poll.unref();

  // Not deeper: a server may be writing to folders below this one all day.
  const watcher = watch([dir, join(dir, 'servers'), ...bases], { ignoreInitial: true, depth: 0 });
  watcher.on('all', soon);
  watcher.on('error', (reason) => failed?.(reason));
  // Something may have changed between the read that gave the first digest and now.
  soon();
  return {
    close: async () => {
      clearInterval(poll);
      clearTimeout(waiting);
      await watcher.close();
      clearTimeout(waiting);
    },
  };
}

/** Files that cannot be read belong to the digest: one that appears, or is put right, is a change. */
function read(dir: string): { readonly digest: string; readonly bases: readonly string[] } {
  const { files, bases, named, complaints } = readPolicies(dir);
  const broken = complaints
    .filter(({ severity }) => severity === 'error')
    .map(({ file, what }) => `${file} ${what}`);
  const digest = digestOf(files, bases);
  return { digest: broken.length === 0 ? digest : `${digest} ${broken.join('\n')}`, bases: named };
}

/** A cheap hint that something may have changed; the digest decides. */
function fingerprint(dir: string, bases: readonly string[]): string {
  const folder = join(dir, 'servers');
  const paths = [dir, join(dir, 'mcpd.toml'), folder, ...bases];
  try {
    for (const entry of readdirSync(folder)) if (entry.endsWith('.toml')) paths.push(join(folder, entry));
  } catch {
    // A folder that is gone shows in its own line below.
  }
  return paths
    .slice(0, 2 * serversMax + 16)
    .map(look)
    .join('\n');
}

function look(path: string): string {
  try {
    const { ino, size, mtimeMs, mode } = statSync(path);
    return [ino, size, mtimeMs, mode].join(' ');
  } catch (reason) {
    return (reason as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}
