import type { Pattern } from '../domain/orders.ts';
import { tester, type Star } from './glob.ts';
import { decodedOnce, isPlain } from './uri.ts';

/** A pattern, or why there is none, in words for the owner of the policy. */
export type Compiled =
  { readonly ok: true; readonly pattern: Pattern } | { readonly ok: false; readonly what: string };

export const patternCharsMax = 512;
export const patternStarsMax = 16;

/**
 * A pattern for names of tools, prompts, callers and methods: `*` stands for any run of characters. Everything else is
 * compared character by character; nothing is trimmed, folded or normalised, because the server behind us does not do so
 * either, or does it in another way.
 */
export function namePattern(text: string): Compiled {
  return compile(text, 'any');
}

/**
 * A pattern for resource URIs: `*` stays within one path segment, `**` crosses segments. A text such as `{id}` stands for
 * itself, so a listed template is matched as it is written.
 */
export function uriPattern(text: string): Compiled {
  return compile(text, 'segment');
}

/** Why a pattern can never allow anything, although it is well formed; undefined when it can, or may. */
export function neverPlain(text: string): string | undefined {
  // A pattern that begins with a star says nothing about the scheme; otherwise any filling that makes it plain will do.
  const samples = text.startsWith('*') ? ['x', 'x:', 'x://x', 'x://x/'] : [''];
  const rest = text.replace(/^[*]+/, '');
  const fillings = ['x', '', '/', '/x', '//x'];
  const can = samples.some((start) =>
    fillings.some((filling) => isPlain(start + rest.replaceAll(/[*]+/g, filling))),
  );
  return can
    ? undefined
    : 'can never allow anything: only URIs in their plain form are allowed (lower-case scheme and host, no user, no default port, no `.` or `..` or empty segment, no backslash, nothing percent-encoded that need not be)';
}

/** For a rule that denies: the same pattern with its percent-encoding undone, where that is another pattern. */
export function decodedPattern(text: string): Pattern | undefined {
  const decoded = decodedOnce(text);
  // An encoded star must not become a star that stands for everything.
  if (decoded === text || decoded.split('*').length !== text.split('*').length) return undefined;
  const compiled = uriPattern(decoded);
  return compiled.ok ? compiled.pattern : undefined;
}

function compile(text: string, single: Star): Compiled {
  if (text === '') return refuse('is empty');
  if (text.length > patternCharsMax) return refuse(`is longer than ${patternCharsMax} characters`);
  if (/[\u0000-\u001f\u007f]/.test(text)) return refuse('holds a control character');
  if (!text.isWellFormed()) return refuse('is not valid Unicode');
  const pieces = text.split('*');
  if (pieces.length - 1 > patternStarsMax) return refuse(`has more than ${patternStarsMax} stars`);
  const stars = new Map<number, Star>();
  let at = 0;
  for (const piece of pieces.slice(0, -1)) {
    at += piece.length;
    // Stars side by side stand at the same place: `**`, which crosses segments.
    stars.set(at, stars.has(at) ? 'any' : single);
  }
  return { ok: true, pattern: Object.freeze({ text, test: tester({ literal: pieces.join(''), stars }) }) };
}

function refuse(what: string): Compiled {
  return { ok: false, what };
}
