import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalOutput } from './oracle.ts';
import { tapEntriesIn } from './tap-entry.ts';

/** Wider than any bound of the product: what is judged here is whether a line can be read in one way only. */
const bounds = { lineBytesMax: 64 * 1024 * 1024, depthMax: 520 };

export type Judged = { readonly children: number; readonly lines: number; readonly wrong: readonly string[] };

/** Judges every line that any child was written during a run of the tests; see `tap.ts`. */
export function judgeLines(dir: string): Judged {
  const wrong: string[] = [];
  let [children, lines] = [0, 0];
  for (const file of readdirSync(dir))
    for (const bytes of tapEntriesIn(readFileSync(join(dir, file))).values()) {
      children++;
      for (const byte of bytes) if (byte === 0x0a) lines++;
      wrong.push(...canonicalOutput(bytes, bounds));
    }
  return { children, lines, wrong };
}
