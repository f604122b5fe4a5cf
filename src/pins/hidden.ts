import type { Json, JsonText } from '../domain/message.ts';
import { valueOf } from '../protocol/codec.ts';

/** Characters in one text of a definition that a person does not see. */
export type Hidden = {
  /** Where the text stands, `inputSchema.properties.path.description`; `(name)` behind it where it is a member's name. */
  readonly at: string;
  /** `U+200B`, each once; the first sixteen of them. */
  readonly codes: readonly string[];
  /** How many; counted up to a hundred. */
  readonly count: number;
};

const placesMax = 16;
const codesMax = 16;
/** A definition may hold megabytes of them, and every listing is looked at while calls wait. */
const countMax = 100;
const pathCharsMax = 200;

/** Canonical JSON text that can hold nothing hidden is plain ASCII and has no other escapes than these. */
const ascii = /^[\x20-\x7e]*$/;
const tellingEscape = /\\[^"\\nrt]/;

/**
 * What a terminal obeys, or what shows as nothing, or turns text round: controls (tab and line ends excepted), bidi and
 * zero-width characters, tags, variation selectors, halves of pairs, private and unassigned code points, line separators.
 * Odd spaces are left alone: they show as what they are.
 */
const hidden =
  /[[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]--[\t\n\r]]/gv;

/** An emoji as people type it: its colour (U+FE0F), its skin, and what it is joined to. Nothing is hidden in these. */
const emoji =
  /\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?(?:\u200d\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?){0,8}|[0-9#*]\ufe0f\u20e3/gu;

/** Everything hidden in any text of a definition (tool poisoning through what only the model reads). Empty: nothing is. */
export function hiddenIn(definition: JsonText): readonly Hidden[] {
  if (ascii.test(definition) && !tellingEscape.test(definition)) return [];
  const found: Hidden[] = [];
  walk(valueOf(definition), '', found);
  return found;
}

function walk(value: Json, at: string, found: Hidden[]): void {
  if (found.length >= placesMax || value === null) return;
  if (typeof value === 'string') return look(value, at, found);
  if (Array.isArray(value)) return value.forEach((it, index) => walk(it, step(at, String(index)), found));
  if (typeof value !== 'object') return;
  for (const [name, it] of Object.entries(value)) {
    const below = step(at, name);
    look(name, `${below} (name)`, found);
    walk(it, below, found);
  }
}

function step(at: string, name: string): string {
  return at.length >= pathCharsMax ? at : (at === '' ? name : `${at}.${name}`).slice(0, pathCharsMax);
}

function look(text: string, at: string, found: Hidden[]): void {
  if (found.length >= placesMax) return;
  const codes = new Set<string>();
  let count = 0;
  for (const [it] of text.replace(emoji, '').matchAll(hidden)) {
    if (codes.size < codesMax) codes.add(codePoint(it));
    if (++count >= countMax) break;
  }
  if (count > 0) found.push({ at, codes: [...codes], count });
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}
