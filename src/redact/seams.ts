import type { Work } from './drive.ts';
import { escapeEnd } from './escapes.ts';
import type { Hit } from './splice.ts';
import { bareEnd, stringEnd } from './tree.ts';

/** So much on either side of a seam is joined; a secret that is longer is found by its begin. */
const sideChars = 1024;
const blocksMax = 100_000;
const charsPerStep = 64 * 1024;

type Stretch = { readonly from: number; readonly to: number };

/** Whether there are text blocks that follow each other, or might be. */
export function hasSeams(text: string): boolean {
  const first = text.indexOf('"type":"text"');
  return first >= 0 && text.indexOf('"type":"text"', first + 1) >= 0;
}

/**
 * Finds what is split over the seams between text blocks that follow each other: a client shows them as one text, so half a
 * token in each is a whole one. `find` looks through one joined text.
 */
export function* acrossSeams(
  text: string,
  known: readonly Hit[],
  find: (joined: string) => Work<readonly Hit[]>,
): Work<readonly Hit[]> {
  if (!hasSeams(text)) return [];
  const found: Hit[] = [];
  const before = new Set(known.map(placeOf));
  let chars = 0;
  for (const chain of chainsIn(text)) {
    for (const pieces of groupsOf(text, chain)) {
      const joined = pieces.map(({ from, to }) => text.slice(from, to)).join('');
      chars += joined.length;
      if (chars > charsPerStep) {
        chars = 0;
        yield;
      }
      for (const hit of yield* find(joined)) found.push(...spread(hit, pieces, before));
    }
  }
  return found;
}

function placeOf({ name, from }: Hit): string {
  return `${name} ${from}`;
}

/**
 * One hit in a joined text → its parts in the pieces; nothing where it lies in one of them. Nothing either where the part in
 * the first piece is whole by itself: there the next block only happens to begin with letters. A key file goes on.
 */
function spread(hit: Hit, pieces: readonly Stretch[], before: ReadonlySet<string>): readonly Hit[] {
  const parts: Hit[] = [];
  let start = 0;
  for (const { from, to } of pieces) {
    const end = start + to - from;
    if (hit.from < end && hit.to > start)
      parts.push({
        ...hit,
        from: from + Math.max(0, hit.from - start),
        to: from + Math.min(end, hit.to) - start,
      });
    start = end;
  }
  const [first] = parts;
  if (first === undefined || parts.length === 1) return [];
  return before.has(placeOf(first)) && hit.name !== 'private-key' ? [] : parts;
}

/** The ends of long blocks, and short blocks whole, so that each group holds everything around its seams. */
function* groupsOf(text: string, chain: readonly Stretch[]): Generator<readonly Stretch[]> {
  let group: Stretch[] = [];
  for (const block of chain) {
    if (block.to - block.from <= 2 * sideChars) {
      group.push(block);
      continue;
    }
    group.push({ from: block.from, to: escapeEnd(text, block.from + sideChars) });
    if (group.length > 1) yield group;
    group = [{ from: escapeEnd(text, block.to - sideChars), to: block.to }];
  }
  if (group.length > 1) yield group;
}

/** The insides of text blocks, by runs of them that nothing interrupts. */
function chainsIn(text: string): readonly (readonly Stretch[])[] {
  const chains: Stretch[][] = [];
  let blocks = 0;
  for (let at = text.indexOf('"content":['); at >= 0; at = text.indexOf('"content":[', at + 1)) {
    let chain: Stretch[] = [];
    let place = at + '"content":['.length;
    while (text.charCodeAt(place) === 0x7b && blocks++ < blocksMax) {
      const block = readBlock(text, place);
      if (block.text !== undefined && block.isText) chain.push(block.text);
      else {
        chains.push(chain);
        chain = [];
      }
      place = block.to;
      if (text.charCodeAt(place) !== 0x2c) break;
      place++;
    }
    chains.push(chain);
    at = Math.max(at, place - 1);
  }
  return chains.filter(({ length }) => length > 1);
}

type Block = { readonly to: number; readonly text: Stretch | undefined; readonly isText: boolean };

function readBlock(text: string, from: number): Block {
  let inner: Stretch | undefined;
  let isText = false;
  let at = from + 1;
  while (text.charCodeAt(at) === 0x22) {
    const keyEnd = stringEnd(text, at);
    const key = text.slice(at, Math.min(keyEnd, at + 8));
    const to = valueEnd(text, keyEnd + 1);
    if (key === '"text"') inner = { from: keyEnd + 2, to: to - 1 };
    if (key === '"type"') isText = text.slice(keyEnd + 1, to) === '"text"';
    at = to;
    if (text.charCodeAt(at) !== 0x2c) break;
    at++;
  }
  return {
    to: at + 1,
    text: inner !== undefined && text[inner.from - 1] === '"' ? inner : undefined,
    isText,
  };
}

/** Where a value of canonical text ends. */
function valueEnd(text: string, from: number): number {
  let at = from;
  let depth = 0;
  do {
    const code = text.charCodeAt(at);
    if (code === 0x22) at = stringEnd(text, at);
    else if (code === 0x7b || code === 0x5b) {
      depth++;
      at++;
    } else if (code === 0x7d || code === 0x5d) {
      depth--;
      at++;
    } else if (code === 0x2c || code === 0x3a) at++;
    else at = bareEnd(text, at);
  } while (depth > 0);
  return at;
}
