import { parse } from 'toml';
import { ParseError, parseTOML } from 'toml-eslint-parser';
import type { AST } from 'toml-eslint-parser';
import { quote } from './complaint.ts';

/** From 1, both. */
export type Place = { readonly line: number; readonly column: number };
export type Path = readonly (string | number)[];

/** A TOML document: what it says, and where it says it. */
export type Document = { readonly value: unknown; readonly places: Places };
/** What is wrong with a text that is not TOML, or uses TOML we have no use for. */
export type Slip = Place & { readonly what: string; readonly expected: string };

/** Deeper than any file of ours; keeps a hostile one from exhausting the stack. */
const depthMax = 16;

/** Reads TOML. The `toml` package decides what is valid; the other parser only knows where things stand. */
export function readToml(
  text: string,
): { ok: true; document: Document } | { ok: false; slips: readonly Slip[] } {
  let value: unknown;
  try {
    value = parse(text, { maxDepth: depthMax });
  } catch (reason) {
    return { ok: false, slips: [slipFrom(text, reason)] };
  }
  const places = new Places();
  const slips: Slip[] = [];
  try {
    for (const node of parseTOML(text, { tomlVersion: '1.1' }).body[0].body) note(node, [], places, slips);
  } catch {
    // The text is valid, so this is a gap in the second parser: complaints about this file then point at its first line.
  }
  return slips.length > 0 ? { ok: false, slips } : { ok: true, document: { value, places } };
}

/** Where every key and value of a document stands. */
export class Places {
  readonly #keys = new Map<string, Place>();
  readonly #values = new Map<string, Place>();

  /** Where the key is written; for something absent, the table or list it is absent from. */
  keyOf(path: Path): Place {
    return this.#nearest(this.#keys, path);
  }

  /** Where the value is written. */
  valueOf(path: Path): Place {
    return this.#values.get(join(path)) ?? this.keyOf(path);
  }

  /** The first mention stays: a table header may come back for its sub-tables. */
  add(path: Path, key: Place, value: Place | undefined): void {
    const at = join(path);
    if (!this.#keys.has(at)) this.#keys.set(at, key);
    if (value !== undefined && !this.#values.has(at)) this.#values.set(at, value);
  }

  #nearest(known: ReadonlyMap<string, Place>, path: Path): Place {
    for (let length = path.length; length > 0; length -= 1) {
      const place = known.get(join(path.slice(0, length)));
      if (place !== undefined) return place;
    }
    return { line: 1, column: 1 };
  }
}

function note(node: AST.TOMLKeyValue | AST.TOMLTable, above: Path, places: Places, slips: Slip[]): void {
  if (node.type === 'TOMLTable') {
    noteHeader(node, places, slips);
    for (const entry of node.body) note(entry, node.resolvedKey, places, slips);
    return;
  }
  const path = noteKey(node.key, above, places, slips);
  noteValue(node.value, path, placeOf(node.key.keys.at(-1) ?? node.key), places, slips);
}

/** A header such as `[a.b]` or `[[rule]]`; its path also holds the index of each list it goes through. */
function noteHeader(table: AST.TOMLTable, places: Places, slips: Slip[]): void {
  const parts = table.key.keys[Symbol.iterator]();
  let place = placeOf(table);
  table.resolvedKey.forEach((step, index) => {
    const part = typeof step === 'string' ? parts.next().value : undefined;
    if (part !== undefined) {
      place = placeOf(part);
      refusePrototype(part, slips);
    }
    places.add(table.resolvedKey.slice(0, index + 1), place, place);
  });
}

function noteKey(key: AST.TOMLKey, above: Path, places: Places, slips: Slip[]): Path {
  let path = above;
  for (const part of key.keys) {
    refusePrototype(part, slips);
    path = [...path, nameOf(part)];
    places.add(path, placeOf(part), undefined);
  }
  return path;
}

// As a name in an object this would set a prototype instead of a member, and the rule or variable would vanish.
function refusePrototype(part: AST.TOMLBare | AST.TOMLQuoted, slips: Slip[]): void {
  if (nameOf(part) !== '__proto__') return;
  slips.push({ ...placeOf(part), what: 'unknown key "__proto__"', expected: 'another name' });
}

function nameOf(part: AST.TOMLBare | AST.TOMLQuoted): string {
  return part.type === 'TOMLBare' ? part.name : part.value;
}

function noteValue(value: AST.TOMLContentNode, path: Path, key: Place, places: Places, slips: Slip[]): void {
  places.add(path, key, placeOf(value));
  if (value.type === 'TOMLArray') {
    value.elements.forEach((element, index) => {
      noteValue(element, [...path, index], placeOf(element), places, slips);
    });
  } else if (value.type === 'TOMLInlineTable') {
    for (const entry of value.body) note(entry, path, places, slips);
  } else if (value.kind.startsWith('local-')) {
    // The parser gives these as strings, which would then pass for names; and nobody could say when they are. A time with
    // its offset becomes a Date, which no shape takes for a text.
    const name = quote(String(path.at(-1)));
    slips.push({
      ...placeOf(value),
      what: `wrong type for ${name}: a date or time without its offset`,
      expected: 'a time such as 2026-12-31T00:00:00Z, or text in quotes',
    });
  }
}

/** One text for one path; `["1"]` and `[1]` stay different. */
function join(path: Path): string {
  return JSON.stringify(path);
}

function placeOf(node: AST.TOMLNode): Place {
  return { line: node.loc.start.line, column: node.loc.start.column + 1 };
}

function slipFrom(text: string, reason: unknown): Slip {
  const place = whereItBroke(reason);
  const message = reason instanceof Error ? reason.message : 'not TOML';
  const [, duplicate] = /^Cannot redefine existing key '(.+)'\.$/s.exec(message) ?? [];
  if (duplicate !== undefined) {
    return {
      ...place,
      what: `duplicate: ${quote(duplicate)} is already defined`,
      expected: 'each key and table once',
    };
  }
  // The first parser lists every character that could have followed; the second says it for a person.
  const said = inWords(text) ?? message.replace(/^Expected .* but /s, '').slice(0, 120);
  return { ...place, what: `not valid TOML: ${said}`, expected: 'TOML such as key = "value" or [table]' };
}

/** The parser says where in `location` for syntax and in `line` and `column` for meaning. */
function whereItBroke(reason: unknown): Place {
  const told = reason as { location?: { start?: Partial<Place> }; line?: unknown; column?: unknown };
  const line = told.location?.start?.line ?? told.line;
  const column = told.location?.start?.column ?? told.column;
  return { line: typeof line === 'number' ? line : 1, column: typeof column === 'number' ? column : 1 };
}

function inWords(text: string): string | undefined {
  try {
    parseTOML(text, { tomlVersion: '1.1' });
  } catch (reason) {
    if (reason instanceof ParseError) return reason.message.slice(0, 120);
  }
  return undefined;
}
