import { isUtf8 } from 'node:buffer';
import type { Work } from './drive.ts';
import { isBase64 } from './inspect-tree.ts';
import type { Hit, Mark } from './splice.ts';
import { stringEnd } from './tree.ts';

const begin = '"blob":"';

/** Whether a message holds files, or may. */
export function hasFiles(text: string): boolean {
  return text.includes(begin);
}

/**
 * Files in base64 that are text: looked through as the text they are, so that what is found is taken out of the file and it
 * stays a file. In the same text, where there is nothing.
 */
export function* cleanBlobs(text: string, clean: (file: string) => Work<string>): Work<string> {
  const parts: string[] = [];
  let kept = 0;
  // Only as a member name can this stand in JSON: inside a string its quotes are escaped.
  for (let at = text.indexOf(begin); at >= 0; at = text.indexOf(begin, at + 1)) {
    const from = at + begin.length;
    const to = stringEnd(text, from - 1) - 1;
    const written = text.slice(from, to);
    at = to;
    if (!isBase64(written)) continue;
    const bytes = Buffer.from(written, 'base64');
    if (!isUtf8(bytes)) continue;
    const before = bytes.toString('utf8');
    const after = yield* clean(before);
    if (after === before) continue;
    parts.push(text.slice(kept, from), Buffer.from(after, 'utf8').toString('base64'));
    kept = to;
  }
  return parts.length === 0 ? text : parts.join('') + text.slice(kept);
}

const zeros: Mark = { hides: 9, text: (found) => 'A'.repeat(found.length) };

/** Files that are no text: what is found in them is overwritten with zero bytes, because a marker would be no base64. */
export function insideFiles(text: string, hits: readonly Hit[]): readonly Hit[] {
  if (hits.length === 0 || !/"(?:blob|data)":"/.test(text)) return hits;
  const sorted = [...hits].sort((a, b) => a.from - b.from);
  const file = /"(?:blob|data)":"/g;
  let from = -1;
  let to = -1;
  return sorted.map((hit) => {
    while (to < hit.from) {
      const next = file.exec(text);
      if (next === null) {
        from = Number.POSITIVE_INFINITY;
        to = from;
        break;
      }
      from = file.lastIndex;
      to = stringEnd(text, from - 1) - 1;
      file.lastIndex = to;
      if (!isBase64(text.slice(from, to))) from = Number.POSITIVE_INFINITY;
    }
    return hit.from >= from && hit.to <= to ? { ...hit, mark: zeros } : hit;
  });
}
