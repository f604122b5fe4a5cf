import { readJson } from '../domain/read-json.ts';

/**
 * Any text → a text that the database gives back as it was. UTF-8 has no half of a surrogate pair, so two names that differ in
 * one would become the same name: those are kept as JSON, which can be told from all others by its quote.
 */
export function toCell(text: string): string {
  return text.isWellFormed() && !text.startsWith('"') ? text : JSON.stringify(text);
}

/** What `toCell` was given. Throws where it is none of ours. */
export function fromCell(cell: unknown): string {
  if (typeof cell !== 'string') throw new Error('a text is missing');
  if (!cell.startsWith('"')) return cell;
  const text: unknown = readJson(cell);
  if (typeof text !== 'string' || toCell(text) !== cell) throw new Error('a text is not as it was written');
  return text;
}
