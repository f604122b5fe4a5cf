/** Something that begins a line of its own, and where it did so in the source. */
export type Piece = {
  readonly kind: 'header' | 'entry' | 'comment';
  readonly firstLine: number;
  readonly lastLine: number;
  /** As it is to be written; several lines where it is several lines long. */
  readonly text: string;
  /** For a comment: where it began in its line. */
  readonly column: number;
  /** The comment behind it on its last line. */
  readonly behind: { readonly text: string; readonly column: number } | undefined;
};

/** A comment that began so far from the left in the source, and where it begins now. */
type Margin = { readonly was: number; readonly is: number };

/** Pieces as lines: blank lines as in the source but never two, and one before each table; comments keep their column. */
export function linesOf(pieces: readonly Piece[], indent: string): readonly string[] {
  const lines: string[] = [];
  let margin: Margin | undefined;
  pieces.forEach((piece, index) => {
    const last = pieces[index - 1];
    const apart = last !== undefined && piece.firstLine - last.lastLine > 1;
    if (last !== undefined && (apart || opensTable(pieces, index))) lines.push('');
    if (apart) margin = undefined;
    if (piece.kind === 'comment') {
      // Below a comment at the end of a line, and as far from the left, it goes on with that one.
      margin = margin?.was === piece.column ? margin : undefined;
      lines.push(`${margin === undefined ? indent : ' '.repeat(margin.is)}${piece.text}`);
      return;
    }
    const own = `${indent}${piece.text}`;
    const { behind } = piece;
    margin = undefined;
    if (behind === undefined) {
      lines.push(...own.split('\n'));
      return;
    }
    const start = own.length - (own.lastIndexOf('\n') + 1);
    margin = { was: behind.column, is: Math.max(start + 1, behind.column) };
    lines.push(...`${own}${' '.repeat(margin.is - start)}${behind.text}`.split('\n'));
  });
  return lines;
}

/** Whether a blank line belongs here: before a header, or before the comments above it when those follow an entry. */
function opensTable(pieces: readonly Piece[], index: number): boolean {
  const last = pieces[index - 1];
  let next = index;
  while (pieces[next]?.kind === 'comment' && touches(pieces, next + 1)) next += 1;
  if (pieces[next]?.kind !== 'header') return false;
  if (last?.kind !== 'comment') return next === index || last?.kind === 'entry';
  // Comments between two headers are about the first, which holds nothing else.
  return next === index && !followsEntry(pieces, index);
}

/** Whether the comments above a header already have their blank line in front. */
function followsEntry(pieces: readonly Piece[], index: number): boolean {
  let first = index - 1;
  while (pieces[first - 1]?.kind === 'comment' && touches(pieces, first)) first -= 1;
  const above = pieces[first - 1];
  return above === undefined || above.kind === 'entry' || !touches(pieces, first);
}

function touches(pieces: readonly Piece[], index: number): boolean {
  const [above, here] = [pieces[index - 1], pieces[index]];
  return above !== undefined && here !== undefined && here.firstLine - above.lastLine <= 1;
}
