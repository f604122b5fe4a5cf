import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { quote } from './complaint.ts';
import type { Here } from './here.ts';
import type { Path } from './toml.ts';

/**
 * A folder that arguments must lie in, as an absolute real path: arguments are compared by theirs, and a folder reached over
 * a link would otherwise hold nothing.
 */
export function realFolder(written: string, at: Path, { folder, complaints }: Here): string {
  if (written.startsWith('~'))
    complaints.about(at, `${quote(written)} begins with ~, which only a shell understands`, 'the whole path');
  const path = resolve(folder, written);
  if (!existsSync(path))
    complaints.about(
      at,
      `no folder at ${path}`,
      'an existing folder, or hardly a path lies in it',
      'warning',
    );
  return realOf(path);
}

/** What is not there yet is counted from the deepest folder that is. */
function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const above = dirname(path);
    return above === path ? path : join(realOf(above), basename(path));
  }
}
