import { dirname } from 'node:path';
import type { ServerFile } from '../domain/orders.ts';
import { readJson } from '../domain/read-json.ts';

/**
 * A copy of a server's file for comparing its terms with those of a file elsewhere: places in or beside its own folder are
 * counted from there, so that a copy of a folder is no change of what it says.
 */
export function portable(file: ServerFile, roots: readonly string[]): ServerFile {
  let text = JSON.stringify(file);
  for (const root of roots) {
    text = from(text, root, '.');
    if (dirname(dirname(root)) !== dirname(root)) text = from(text, dirname(root), '..');
  }
  // What comes back is what went in, but for absent members, which stay absent, and infinities, which nobody compares with.
  return readJson(text) as unknown as ServerFile;
}

function from(text: string, root: string, here: string): string {
  const quoted = JSON.stringify(root).slice(0, -1);
  return text.replaceAll(`${quoted}/`, `"${here}/`).replaceAll(`${quoted}"`, `"${here}"`);
}
