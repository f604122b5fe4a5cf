import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalOutput } from './oracle.ts';

/** Wider than any bound of the product: what is judged here is whether a line can be read in one way only. */
const bounds = { lineBytesMax: 64 * 1024 * 1024, depthMax: 520 };

export type Judged = { readonly children: number; readonly lines: number; readonly wrong: readonly string[] };

/** Judges every line that any child was written during a run of the tests; see `tap.ts`. */
export function judgeLines(dir: string): Judged {
  const wrong: string[] = [];
  let lines = 0;
  const files = readdirSync(dir);
  for (const file of files) {
    const bytes = readFileSync(join(dir, file));
    for (const byte of bytes) if (byte === 0x0a) lines++;
    wrong.push(...canonicalOutput(bytes, bounds));
  }
  return { children: files.length, lines, wrong };
}
