import type { JsonText } from '../domain/message.ts';
import { elements, members } from '../protocol/codec.ts';

/** One field that is not what it was. JSON texts; null where there was, or is, no such field. */
export type Change = { readonly at: string; readonly was: string | null; readonly is: string | null };

export type DifferenceBounds = {
  readonly changesMax: number;
  /** Characters of one text; what is cut is marked. */
  readonly charsMax: number;
};

const pathCharsMax = 300;
/** Above this the fields of a definition are not gone into one by one. */
const depthMax = 32;

/** What changed between two definitions, field by field. `undefined`: there was none. The order of members is no change. */
export function differences(
  was: JsonText | undefined,
  is: JsonText | undefined,
  bounds: DifferenceBounds,
): { readonly changes: readonly Change[]; readonly more: number } {
  const changes: Change[] = [];
  let more = 0;
  const add = (at: string, before: string | undefined, now: string | undefined) => {
    if (changes.length >= bounds.changesMax) more++;
    else changes.push({ at, ...excerpts(before, now, bounds.charsMax) });
  };
  const compare = (before: JsonText | undefined, now: JsonText | undefined, at: string, depth: number) => {
    if (before === now) return;
    const [a, b] = [before?.charAt(0), now?.charAt(0)];
    const kind = a ?? b;
    // What is new, or gone, is shown in parts only at the top: there its fields have names that everybody knows.
    const inParts = depth < depthMax && (a === b || depth === 0) && (kind === '{' || kind === '[');
    if (!inParts) return add(at, before, now);
    const left = partsOf(before);
    const right = partsOf(now);
    for (const name of new Set([...left.keys(), ...right.keys()])) {
      const below = at === '' ? name : `${at}.${name}`;
      compare(left.get(name), right.get(name), below.slice(0, pathCharsMax), depth + 1);
    }
  };
  compare(was, is, '', 0);
  return { changes, more };
}

function partsOf(text: JsonText | undefined): ReadonlyMap<string, JsonText> {
  if (text === undefined) return new Map();
  if (text.startsWith('{')) return new Map(members(text));
  return new Map(elements(text).map((it, at) => [String(at), it]));
}

/** Both texts as far as there is room, from shortly before the first character in which they differ. */
function excerpts(
  was: string | undefined,
  is: string | undefined,
  charsMax: number,
): { readonly was: string | null; readonly is: string | null } {
  let same = 0;
  if (was !== undefined && is !== undefined)
    while (same < was.length && was.charCodeAt(same) === is.charCodeAt(same)) same++;
  const fits = (text: string | undefined) => text === undefined || text.length <= charsMax;
  const from = fits(was) && fits(is) ? 0 : Math.max(0, same - 20);
  return { was: excerpt(was, from, charsMax), is: excerpt(is, from, charsMax) };
}

function excerpt(text: string | undefined, from: number, charsMax: number): string | null {
  if (text === undefined) return null;
  const part = text.slice(from, from + charsMax);
  if (part.length === text.length) return part;
  return `${part} …[CUT: characters ${from + 1} to ${from + part.length} of ${text.length}]`;
}
