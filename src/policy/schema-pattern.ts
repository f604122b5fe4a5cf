import { RE2JS } from 're2js';
import { pay, stepsMax, TooMuch, type Run } from './schema-run.ts';

/** Whether a pattern occurs in a text; undefined where the pattern cannot be read, and then it says nothing. */
export type SchemaPattern = (text: string, run: Run) => boolean | undefined;

const charsMax = 1024;

/**
 * A server's own regular expression, in linear time: a backtracking engine would let a server and a caller together keep the
 * daemon busy for years. What RE2 cannot read (look-ahead, back-reference) is left unchecked: the server behind us checks
 * it, and an honest server's calls must not fail for it here. Made ready when it is first asked; both is paid for.
 */
export function schemaPattern(pattern: string): SchemaPattern {
  let compiled: RE2JS | 'none' | 'heavy' | undefined;
  return (text, run) => {
    if (compiled === undefined) {
      pay(run, compileSteps);
      compiled = compile(pattern);
      // Kept first and paid for then: what is too much for one call is not read anew by the next one.
      if (typeof compiled === 'object') pay(run, compiled.programSize() * compileSteps);
    }
    if (compiled === 'heavy') throw new TooMuch();
    if (compiled === 'none') return undefined;
    // The worst case of the engine visits every instruction for every character.
    pay(run, 1 + text.length * Math.ceil(1 + compiled.programSize() / stepsOverInstructions));
    return compiled.test(text);
  };
}

/** Instructions that cost one step for one character; measured. */
const stepsOverInstructions = 64;
const compileSteps = 20;
/** More than any one call could pay for. */
const instructionsMax = stepsMax / compileSteps;

function compile(pattern: string): RE2JS | 'none' | 'heavy' {
  if (pattern.length > charsMax) return 'none';
  try {
    const compiled = RE2JS.compile(asRe2(pattern));
    return compiled.programSize() > instructionsMax ? 'heavy' : compiled;
  } catch {
    return 'none';
  }
}

/** ECMA-262 spells a few things in another way: a code point as `\u00e9`, a control as `\cJ`, a slash as `\/`. */
function asRe2(pattern: string): string {
  return pattern.replaceAll(
    /\\(?:u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|c([A-Za-z])|(\/)|[^])/g,
    (all, braced?: string, plain?: string, control?: string, slash?: string) => {
      const hex =
        braced ?? plain ?? (control === undefined ? undefined : (control.charCodeAt(0) & 31).toString(16));
      return hex === undefined ? (slash ?? all) : `\\x{${hex}}`;
    },
  );
}
