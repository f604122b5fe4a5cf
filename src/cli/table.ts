import { printable } from '../domain/printable.ts';

const cellCharsMax = 60;

/** Columns for a terminal. Cells may come from outside: the terminal obeys none of them, and none is endless. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [titles, ...rows.map((row) => row.map(cell))];
  const widths = titles.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((text, at) => text.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function cell(text: string): string {
  const safe = printable(text);
  return safe.length <= cellCharsMax ? safe : `${safe.slice(0, cellCharsMax - 1)}…`;
}
