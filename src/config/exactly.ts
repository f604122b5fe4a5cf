import type { Place as PlaceInFile } from '../domain/orders.ts';
import type { Path, Place } from './toml.ts';

export type PlaceOf = (file: string, path: Path) => Place;

/** The line and column of a key below the `[[kind]]` table that begins on a known line. */
export function exactly(
  placeOf: PlaceOf,
  { file, line }: PlaceInFile,
  kind: 'rule' | 'case',
  below: Path,
): Place & { readonly file: string } {
  for (let index = 0; index < tablesMax; index += 1) {
    const start = placeOf(file, [kind, index]);
    if (start.line === line) return { file, ...placeOf(file, [kind, index, ...below]) };
    if (start.line > line) break;
  }
  return { file, line, column: 1 };
}

/** More than any file holds. */
const tablesMax = 10_000;
