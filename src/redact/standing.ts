import { beginsWord, endsEscape } from './escapes.ts';
import { charset, isIn, type Charset } from './runs.ts';
import type { Shape } from './shapes.ts';

/**
 * The literal and a run of between `min` and `max` characters that ends as a word does. For literals of a few letters, which
 * random base64 holds by chance: there the run goes on, or ends at `+`, `/` or `=`.
 */
export function alone(
  set: Charset,
  min: number,
  max: number,
  more: { readonly padded?: boolean; readonly upper?: boolean } = {},
): Shape {
  return (runs, at, literal) => {
    const { text } = runs;
    if (!beginsWord(text, at)) return undefined;
    const start = at + literal.length;
    let to = runs.end(start, set);
    if (to - start < min || to - start > max || isIn(text, to, charset.base64)) return undefined;
    if (more.upper === true && /[a-z]/.test(text.slice(start, to))) return undefined;
    if (text[to] === '=' && more.padded !== true) return undefined;
    for (let padding = 0; padding < 2 && text[to] === '='; padding++) to++;
    return { from: at, to };
  };
}

/** How long one of several parts is: exactly so long, or between these. */
type Length = number | readonly [min: number, max: number];

/** The literal and parts of these lengths with a character between them; the last may not go on. */
export function parts(between: string, lengths: readonly Length[], set: Charset): Shape {
  return (runs, at, literal) => {
    const { text } = runs;
    if (!beginsWord(text, at)) return undefined;
    let to = at + literal.length;
    for (const [index, length] of lengths.entries()) {
      if (index > 0 && text[to++] !== between) return undefined;
      const from = to;
      to = runs.end(from, set);
      const [min, max] = typeof length === 'number' ? [length, length] : length;
      if (to - from < min || to - from > max) return undefined;
    }
    return { from: at, to };
  };
}

/** A run of `min` to `max` characters that ends right before the literal, and begins as a word does; then, perhaps, a tail. */
export function behind(set: Charset, min: number, tail?: Shape, max = min): Shape {
  return (runs, at, literal) => {
    const { text } = runs;
    let from = at;
    // At the start of a line the letter of `\n` stands before it, and counted in makes it one too long. But in `C:\new\b9c4…` the
    // letter is the first one of the key: it is left out only where there is enough without it.
    const isDone = (): boolean => at - from >= min && endsEscape(text, from);
    while (at - from <= max && isIn(text, from - 1, set) && !isDone()) from--;
    if (at - from < min || at - from > max || !beginsWord(text, from)) return undefined;
    const rest = tail?.(runs, at, literal);
    if (tail !== undefined) return rest === undefined ? undefined : { from, to: rest.to };
    const to = at + literal.length;
    return isIn(text, to, charset.base64) ? undefined : { from, to };
  };
}

/** What follows the literal in a URL that is itself the secret: at least so many characters. */
export function pathAfter(min: number): Shape {
  return (runs, at, literal) => {
    const from = at + literal.length;
    const to = runs.end(from, charset.url);
    return to - from >= min ? { from, to } : undefined;
  };
}
