import { guarantees, type Guarantee } from '../domain/wall.ts';
import { printable } from '../domain/printable.ts';

/** One server as `ctl status --json` shows it. */
export type Walled = {
  readonly name: string;
  readonly wall?: {
    readonly by: string;
    readonly kept: readonly string[];
    readonly missing: readonly {
      readonly guarantee: string;
      readonly why: string;
      readonly mend: string | null;
    }[];
    readonly notes: readonly string[];
  } | null;
};

/** What servers run without, for a person: a line for each server and reason, and none where nothing is missing. */
export function showWalls(servers: readonly Walled[]): readonly string[] {
  return servers.flatMap(({ name, wall }) => {
    if (wall === undefined || wall === null) return [];
    const [first] = wall.missing;
    if (wall.by === 'nothing' && first !== undefined)
      return [
        printable(`${name} runs without a wall: ${first.why}${help(first.mend)}`),
        ...notes(name, wall.notes),
      ];
    const reasons = new Map<string, { readonly what: string[]; readonly mend: string | null }>();
    for (const { guarantee, why, mend } of wall.missing) {
      const known = reasons.get(why) ?? { what: [], mend };
      known.what.push(guarantees[guarantee as Guarantee] ?? guarantee);
      reasons.set(why, known);
    }
    const gaps = [...reasons].map(([why, { what, mend }]) => {
      return printable(`${name} runs without ${what.join(', ')}: ${why}${help(mend)}`);
    });
    return [...gaps, ...notes(name, wall.notes)];
  });
}

function help(mend: string | null): string {
  return mend === null ? '' : `; ${mend}`;
}

function notes(name: string, told: readonly string[]): readonly string[] {
  return told.map((note) => printable(`${name}: ${note}`));
}
