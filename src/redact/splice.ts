import { readJson } from '../domain/read-json.ts';
import { escapeEnd, wholeEscapes } from './escapes.ts';
import type { Span } from './shapes.ts';

export type Hit = Span & {
  readonly name: string;
  /** What stands in its place; undefined: `[redacted:NAME]`. */
  readonly mark?: Mark | undefined;
};

/** What stands in the place of a find. */
export type Mark = {
  /** Where two overlap, the one that shows less is taken: the higher. */
  readonly hides: number;
  /** Plain ASCII, and nothing that JSON would escape. */
  readonly text: (found: string) => string;
};
const hidesAll = 9;

/** Markers may make a text this much longer than it was; after that they shrink to a star. */
const growthCharsMax = 64 * 1024;

/** The text with every hit replaced by a marker. JSON stays JSON, whatever was hit. */
export function splice(text: string, hits: readonly Hit[], isJson: boolean): string {
  const parts: string[] = [];
  const keys = new Map<string, number>();
  let growth = 0;
  let at = 0;
  for (const hit of merged(text, outOfNumbers(text, hits, isJson), isJson)) {
    const marker = markerFor(text, hit, keys, growth);
    growth += marker.length - (hit.to - hit.from);
    parts.push(text.slice(at, hit.from), marker);
    at = hit.to;
  }
  parts.push(text.slice(at));
  return parts.join('');
}

/** A hit in a place where a JSON number stands is replaced whole, by a string. */
type Placed = Hit & { readonly bare?: boolean };

/** In order, cut where no escape is cut, and what overlaps made one. */
function merged(text: string, hits: readonly Placed[], isJson: boolean): Placed[] {
  const sound = hits
    .map((hit) => {
      if (hit.bare === true) return hit;
      if (!isJson) return { ...hit, ...wholeEscapes(text, hit) };
      const from = escapeEnd(text, hit.from);
      // An injected value that begins in the middle of an escape is not there: the text means something else.
      if (hit.name === 'secret' && from !== hit.from) return { ...hit, to: hit.from };
      return { ...hit, from, to: escapeEnd(text, hit.to) };
    })
    .filter((hit) => hit.from < hit.to)
    .sort((a, b) => a.from - b.from || Number(b.name === 'secret') - Number(a.name === 'secret'));
  const found: Placed[] = [];
  for (const hit of sound) {
    const last = found.at(-1);
    if (last === undefined || hit.from >= last.to) found.push(hit);
    else
      found[found.length - 1] = { ...strictest(last, hit), from: last.from, to: Math.max(last.to, hit.to) };
  }
  return found;
}

function strictest(a: Placed, b: Placed): Placed {
  return (b.mark?.hides ?? hidesAll) > (a.mark?.hides ?? hidesAll) ? b : a;
}

function markerFor(text: string, hit: Placed, keys: Map<string, number>, growth: number): string {
  const length = hit.to - hit.from;
  const plain = hit.mark?.text(text.slice(hit.from, hit.to)) ?? `[redacted:${hit.name}]`;
  if (hit.bare === true) return `"${plain}"`;
  // A text full of tiny passwords must not come out many times as long as it went in.
  if (growth > growthCharsMax && plain.length > length) return '*';
  if (!endsKey(text, hit.to)) return plain;
  // Two secrets as member names would become two members of one name, and readers differ on which one counts.
  const count = (keys.get(hit.name) ?? 0) + 1;
  keys.set(hit.name, count);
  if (count === 1) return plain;
  return plain.endsWith(']') ? `${plain.slice(0, -1)} ${count}]` : `${plain} ${count}`;
}

/** Whether the string that a hit stands in is a member name. Looks a little ahead only; long names are rare. */
function endsKey(text: string, from: number): boolean {
  for (let at = from; at < from + 64; at++) {
    const character = text[at];
    if (character === '\\') at++;
    else if (character === '"') return text[at + 1] === ':';
    else if (character === undefined) return false;
  }
  return false;
}

/** What could be read as JSON outside a string. */
const STRUCTURE = /^[-+.0-9eEtrufalsn,:[\]{}]+$/;
const NUMBER = /[-+.0-9eE]/;

/**
 * A secret of digits may stand in a JSON text as a number, where a marker without quotes would break the text. There the
 * whole number is taken. What is neither in a string nor a number is the text's own structure, and no secret.
 */
function outOfNumbers(text: string, hits: readonly Hit[], isJson: boolean): readonly Placed[] {
  const doubtful = hits.filter((hit) => STRUCTURE.test(text.slice(hit.from, hit.to)));
  if (doubtful.length === 0 || !(isJson || parses(text))) return hits;
  const outside = bareStretches(text);
  let stretch = 0;
  const placed: Placed[] = [];
  for (const hit of [...hits].sort((a, b) => a.from - b.from)) {
    while ((outside[stretch]?.to ?? Number.POSITIVE_INFINITY) <= hit.from) stretch++;
    const bare = outside[stretch];
    if (bare === undefined || bare.from > hit.from) {
      placed.push(hit);
      continue;
    }
    let { from, to } = hit;
    while (from > bare.from && NUMBER.test(text.charAt(from - 1))) from--;
    while (to < bare.to && NUMBER.test(text.charAt(to))) to++;
    if (/^-?[0-9]/.test(text.slice(from, to)) && ![...text.slice(from, to)].some((it) => !NUMBER.test(it)))
      placed.push({ ...hit, from, to, bare: true });
  }
  return placed;
}

/** The stretches of a JSON text that lie outside strings. */
function bareStretches(text: string): Span[] {
  const found: Span[] = [];
  let at = 0;
  for (;;) {
    const open = text.indexOf('"', at);
    if (open < 0) return [...found, { from: at, to: text.length }];
    found.push({ from: at, to: open });
    let close = open + 1;
    while (close < text.length && text[close] !== '"') close += text[close] === '\\' ? 2 : 1;
    at = close + 1;
  }
}

function parses(text: string): boolean {
  if (!/^\s*[[{]/.test(text)) return false;
  try {
    readJson(text);
    return true;
  } catch {
    // Not JSON: then there is no structure to keep.
    return false;
  }
}
