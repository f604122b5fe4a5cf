import type { Place, ServerFile } from '../domain/orders.ts';
import type { CaseResult } from './cases.ts';

/** Which rules some case decides. A rule that none does may say anything: nobody would notice. */
export type Coverage = {
  readonly rules: number;
  readonly covered: number;
  /** Whole percent, rounded down, so that 100 means all of them. No rules: 100. */
  readonly percent: number;
  readonly uncovered: readonly { readonly server: string; readonly rule: string; readonly place: Place }[];
};

/** A rule counts where it is named as the reason, or as what would be the reason if it were not only observed. */
export function coverage(files: readonly ServerFile[], results: readonly CaseResult[]): Coverage {
  const decided = new Set<string>();
  for (const { server, got } of results) {
    decided.add(`${server}/${got.rule}`);
    if (got.would !== undefined) decided.add(`${server}/${got.would}`);
  }
  const all = files.flatMap(({ spec, rules }) =>
    rules.map(({ name, place }) => ({ server: spec.name, rule: name, place })),
  );
  const uncovered = all.filter(({ server, rule }) => !decided.has(`${server}/${rule}`));
  const covered = all.length - uncovered.length;
  const percent = all.length === 0 ? 100 : Math.floor((100 * covered) / all.length);
  return { rules: all.length, covered, percent, uncovered };
}
