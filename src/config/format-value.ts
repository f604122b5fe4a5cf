import type { AST } from 'toml-eslint-parser';
import { linesOf, type Piece } from './format-lines.ts';

export type Comment = AST.Comment;
type Value = AST.TOMLContentNode;

/** What a source holds besides its nodes. */
export type Source = { readonly text: string; readonly comments: readonly Comment[] };

const columnsMax = 110;

/** `key = value`, beginning so far from the left. */
export function entryText(node: AST.TOMLKeyValue, source: Source, indent: string): string {
  const start = `${keyText(node.key, source)} = `;
  return start + valueText(node.value, source, indent, indent.length + start.length);
}

/** `a.b."c d"`, each name as it was written. */
export function keyText({ keys }: AST.TOMLKey, { text }: Source): string {
  return keys.map((key) => text.slice(...key.range)).join('.');
}

/** What a comment says, without white space at its end. */
export function commentText(comment: Comment): string {
  return `#${comment.value}`.trimEnd();
}

function valueText(node: Value, source: Source, indent: string, column: number): string {
  const flat = flatText(node, source);
  if (node.type !== 'TOMLArray') return flat ?? source.text.slice(...node.range);
  return flat !== undefined && column + flat.length <= columnsMax ? flat : brokenText(node, source, indent);
}

/** In one line; undefined when something in there needs more. */
function flatText(node: Value, source: Source): string | undefined {
  if (node.type === 'TOMLValue') {
    const written = source.text.slice(...node.range);
    return written.includes('\n') ? undefined : written;
  }
  if (source.comments.some((comment) => isIn(comment, node))) return undefined;
  const inner =
    node.type === 'TOMLArray'
      ? node.elements.map((element) => flatText(element, source))
      : node.body.map((entry) => {
          const value = flatText(entry.value, source);
          return value === undefined ? undefined : `${keyText(entry.key, source)} = ${value}`;
        });
  if (inner.includes(undefined)) return undefined;
  if (node.type === 'TOMLArray') return `[${inner.join(', ')}]`;
  return inner.length === 0 ? '{}' : `{ ${inner.join(', ')} }`;
}

/** One entry in each line. */
function brokenText(node: AST.TOMLArray, source: Source, indent: string): string {
  const deeper = `${indent}  `;
  const own = source.comments.filter(
    (comment) => isIn(comment, node) && !node.elements.some((element) => isIn(comment, element)),
  );
  const taken = new Set<Comment>();
  const pieces: Piece[] = node.elements.map((element) => {
    const after = own.find(
      ({ loc, range }) => loc.start.line === element.loc.end.line && range[0] >= element.range[1],
    );
    // Of several entries in one line the last has the comment.
    const last = node.elements.findLast(({ loc }) => loc.end.line === element.loc.end.line) === element;
    const behind = last && after !== undefined ? after : undefined;
    if (behind !== undefined) taken.add(behind);
    return {
      kind: 'entry',
      firstLine: element.loc.start.line,
      lastLine: element.loc.end.line,
      // One column is left for the comma.
      text: `${valueText(element, source, deeper, deeper.length + 1)},`,
      column: 0,
      behind: behind && { text: commentText(behind), column: behind.loc.start.column },
    };
  });
  for (const comment of own) if (!taken.has(comment)) pieces.push(commentPiece(comment));
  pieces.sort((a, b) => a.firstLine - b.firstLine);
  return ['[', ...linesOf(pieces, deeper), `${indent}]`].join('\n');
}

/** A comment that has a line to itself. */
export function commentPiece(comment: Comment): Piece {
  const { line, column } = comment.loc.start;
  return {
    kind: 'comment',
    firstLine: line,
    lastLine: line,
    text: commentText(comment),
    column,
    behind: undefined,
  };
}

function isIn({ range }: Comment, node: AST.TOMLNode): boolean {
  return range[0] >= node.range[0] && range[0] < node.range[1];
}
