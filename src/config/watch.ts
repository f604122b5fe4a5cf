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
  let lastPrint = fingerprint(dir);
  let waiting: NodeJS.Timeout | undefined;

  const compare = () => {
    waiting = undefined;
    lastPrint = fingerprint(dir);
    const digest = digestNow(dir);
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
    if (waiting === undefined && fingerprint(dir) !== lastPrint) soon();
  }, pollMs);
  poll.unref();

  // Not deeper: a server may be writing to folders below this one all day.
  const watcher = watch([dir, join(dir, 'servers')], { ignoreInitial: true, depth: 0 });
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
function digestNow(dir: string): string {
  const { files, complaints } = readPolicies(dir);
  const broken = complaints
    .filter(({ severity }) => severity === 'error')
    .map(({ file, what }) => `${file} ${what}`);
  return broken.length === 0 ? digestOf(files) : `${digestOf(files)} ${broken.join('\n')}`;
}

/** A cheap hint that something may have changed; the digest decides. */
function fingerprint(dir: string): string {
  const folder = join(dir, 'servers');
  const paths = [dir, join(dir, 'mcpd.toml'), folder];
  try {
    for (const entry of readdirSync(folder)) if (entry.endsWith('.toml')) paths.push(join(folder, entry));
  } catch {
    // A folder that is gone shows in its own line below.
  }
  return paths
    .slice(0, serversMax + 16)
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
