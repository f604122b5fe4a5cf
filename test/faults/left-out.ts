/** Tests that were left out of a whole run, and whether it may be called whole without them. */

/**
 * Ids of the catalogue that a run can do without; all others are those that a release waits for. A test without an id counts
 * as one of the latter: a name that nobody thought about must not make a run green.
 */
const dispensable = new Set(
  'C-02 C-03 C-04 C-05 C-06 C-08 C-14 C-15 C-16 C-17 C-21 C-22 C-25 C-26 C-29 D-02 D-03 D-04 D-05 D-06 D-09 D-10 D-11'.split(
    ' ',
  ),
);

/** Of what `summary.ts` said: the tests that were skipped and had to run, as it worded them. */
export function leftOut(said: string): string[] {
  return said.split('\n').flatMap((line) => {
    const what = /^ {2}skipped: (.*)$/.exec(line)?.[1];
    if (what === undefined) return [];
    const ids = what.match(/\b[CD]-\d{2}\b/g) ?? [];
    return ids.length > 0 && ids.every((id) => dispensable.has(id)) ? [] : [what];
  });
}
