import { RE2JS } from 're2js';
import { Fault } from '../domain/faults.ts';

/** A regular expression whose time is linear in what it reads, whatever that is (RE2; Cox, "Regular Expression Matching Can Be Simple And Fast"). */
export type LinearRegex = {
  readonly text: string;
  /** Instructions: in the worst case each of them is visited for each character. */
  readonly size: number;
  /** Whether it matches the whole value; `^` and `$` are implied. */
  readonly fitsWhole: (value: string) => boolean;
  /**
   * Where it matches, from left to right, without overlaps and without empty matches: UTF-16 offsets. Throws `TOO_LARGE` when
   * that takes too long.
   */
  readonly places: (value: string) => readonly (readonly [from: number, to: number])[];
};

export type LinearRegexRead =
  { readonly ok: true; readonly regex: LinearRegex } | { readonly ok: false; readonly what: string };

const charsMax = 1024;
/** A match more is not looked for; whoever asks must not take that for "no more". */
const placesMax = 100_000;
/** In one text; honest patterns need less than a hundredth of it. Everybody waits as long, which 250 ms is the end of. */
const placesWithinMs = 150;

/** Reads an owner's regular expression, without flags. `what` says why it is none, in words for its owner. */
export function linearRegex(text: string): LinearRegexRead {
  if (text === '') return { ok: false, what: 'is empty' };
  if (text.length > charsMax) return { ok: false, what: `is longer than ${charsMax} characters` };
  // `(?i)` is harmless, and `(?m)` lets `^` and `$` match inside a value: a name with a line end in it would pass.
  if (/\(\?[a-zA-Z-]*[ms]/.test(text)) return { ok: false, what: 'sets the flags m or s' };
  try {
    const compiled = RE2JS.compile(text);
    return {
      ok: true,
      regex: Object.freeze({
        text,
        size: compiled.programSize(),
        fitsWhole: (value: string) => compiled.matches(value),
        places: (value: string) => {
          const found: [number, number][] = [];
          const matcher = compiled.matcher(value);
          const until = performance.now() + placesWithinMs;
          while (found.length < placesMax && matcher.find()) {
            if (matcher.end() > matcher.start()) found.push([matcher.start(), matcher.end()]);
            // One search is linear; a search from every match on, each of which reads to the end in vain, is not.
            if (performance.now() > until)
              throw new Fault('TOO_LARGE', { detail: `the pattern ${text} takes too long on this text` });
          }
          return found;
        },
      }),
    };
  } catch (reason) {
    const says =
      reason instanceof Error ? reason.message.replace(/^error parsing regexp: /, '') : 'is not one';
    return { ok: false, what: `is no regular expression of RE2: ${says}` };
  }
}
