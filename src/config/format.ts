import { isDeepStrictEqual } from 'node:util';
import { parse } from 'toml';
import { parseTOML } from 'toml-eslint-parser';
import type { AST } from 'toml-eslint-parser';
import { linesOf, type Piece } from './format-lines.ts';
import { commentPiece, commentText, entryText, keyText, type Source } from './format-value.ts';

/** Deeper than any file of ours; keeps a hostile one from exhausting the stack. */
const depthMax = 64;

/**
 * A policy in the one layout that all policies have: `key = value`, one blank line before each table and never two, lists in
 * one line where they fit and one entry in each line where they do not, no white space at the ends, LF. Comments stay where
 * they are and what they say. Gives undefined for a text that is not TOML; throws rather than change what a policy means.
 */
export function formatPolicy(text: string): string | undefined {
  const source = text.replace(/^\ufeff/, '');
  const before = meaning(source);
  const program = before === undefined ? undefined : nodes(source);
  if (program === undefined) return undefined;
  const formatted = print(source, program);
  // A mistake in here must never become a rule that says something else, or a warning that is gone.
  const said = program.comments.map(commentText);
  const says = nodes(formatted)?.comments.map(commentText);
  if (!isDeepStrictEqual(meaning(formatted), before) || !isDeepStrictEqual(says, said))
    throw new TypeError('formatting would change what the file says');
  return formatted;
}

function meaning(source: string): { readonly value: unknown } | undefined {
  try {
    return { value: parse(source, { maxDepth: depthMax }) };
  } catch {
    return undefined;
  }
}

function nodes(source: string): AST.TOMLProgram | undefined {
  try {
    return parseTOML(source, { tomlVersion: '1.1' });
  } catch {
    return undefined;
  }
}

function print(text: string, program: AST.TOMLProgram): string {
  const source = { text, comments: program.comments };
  const statements = program.body[0].body.flatMap((node) =>
    node.type === 'TOMLTable'
      ? [headerPiece(node, source), ...node.body.map((entry) => entryPiece(entry, source))]
      : [entryPiece(node, source)],
  );
  const ends = new Map(statements.map((piece, index) => [piece.lastLine, index]));
  const pieces = [...statements];
  for (const comment of program.comments) {
    const { line, column } = comment.loc.start;
    // Statements do not share lines, so a comment on the lines of one is behind it or inside it.
    const index = ends.get(line);
    const piece = index === undefined ? undefined : pieces[index];
    if (index !== undefined && piece !== undefined)
      pieces[index] = { ...piece, behind: { text: commentText(comment), column } };
    else if (!statements.some(({ firstLine, lastLine }) => line >= firstLine && line <= lastLine))
      pieces.push(commentPiece(comment));
  }
  pieces.sort((a, b) => a.firstLine - b.firstLine);
  const lines = linesOf(pieces, '');
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function headerPiece(node: AST.TOMLTable, source: Source): Piece {
  const name = keyText(node.key, source);
  const { line } = node.loc.start;
  const text = node.kind === 'array' ? `[[${name}]]` : `[${name}]`;
  return { kind: 'header', firstLine: line, lastLine: line, text, column: 0, behind: undefined };
}

function entryPiece(node: AST.TOMLKeyValue, source: Source): Piece {
  const [firstLine, lastLine] = [node.loc.start.line, node.loc.end.line];
  return {
    kind: 'entry',
    firstLine,
    lastLine,
    text: entryText(node, source, ''),
    column: 0,
    behind: undefined,
  };
}
