import type { RedactText } from '../domain/orders.ts';
import { nearestTo, quote } from './complaint.ts';
import type { Here } from './here.ts';
import type { WrittenRedact } from './schema-redact.ts';

/** The `[[redact]]` tables of one file. `detectors`: the names there are; undefined when nobody said. */
export function redactionsOf(
  written: readonly WrittenRedact[],
  detectors: readonly string[] | undefined,
  here: Here,
): readonly RedactText[] {
  const names = new Set<string>();
  return written.map((redact, index) => {
    const at = ['redact', index] as const;
    const { name, what = [], patterns = [], fields = [], tools, direction } = redact;
    const complain = here.complaints;
    if (names.has(name))
      complain.about(
        [...at, 'name'],
        `duplicate: another redaction is named ${quote(name)}`,
        'a name of its own',
      );
    names.add(name);
    if (what.length + patterns.length + fields.length === 0)
      complain.about(at, `redaction ${quote(name)} names nothing`, 'at least one of what, patterns, fields');
    if (tools?.length === 0)
      complain.about(
        [...at, 'tools'],
        'a redaction for no tool',
        'at least one tool, or no such line for all',
      );
    // A misspelt detector would look like protection and never find anything.
    what.forEach((detector, place) => {
      if (detectors === undefined || detectors.includes(detector)) return;
      complain.about(
        [...at, 'what', place],
        `no detector is called ${quote(detector)}`,
        'one of those in docs/redaction.md',
        'error',
        nearestTo(detector, detectors),
      );
    });
    return { name, what, patterns, fields, tools, direction, action: redact.do, place: complain.lineOf(at) };
  });
}
