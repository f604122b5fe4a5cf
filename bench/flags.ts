import { parseArgs } from 'node:util';
import { quickScenarios, type Scenario, scenarios } from './scenarios.ts';
import { checkoutAt, type Target, targets } from './targets.ts';

/** What to measure, and for how long. */
export type Plan = {
  readonly targets: readonly Target[];
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  readonly seconds: number;
  /** No round begins when this much time, less a reserve for ending, has passed. */
  readonly minutes: number;
  readonly quick: boolean;
  readonly json: string | undefined;
};

/** What `--help` prints. */
export const help = `Usage: npm run bench -- [flags]

Measures direct stdio, mcpd and its peers in one interleaved run and prints a table. A run of all targets and scenarios
that is not --quick also writes it to bench/results.md.

  --quick            a rough look in under a minute: fewer sessions, two short rounds
  --targets LIST     of ${targets.map((it) => it.name).join(', ')} (all)
  --scenarios LIST   of ${scenarios.map((it) => it.name).join(', ')} (all)
  --against LIST     folders of other checkouts of mcpd, with their packages installed: they stand where the peers do, and
                     the aim is to be no slower and no larger
  --rounds N         how often each target has its turn, 1 to 50 (5; quick: 2)
  --seconds S        how long a turn lasts, 0.1 to 60 (2; quick: 0.5)
  --minutes M        when to stop and report what there is, 1 to 120 (10; quick: 1)
  --json FILE        also write every single turn to FILE
  --help             print this
`;

/** Reads the command line. Throws an Error that names the flag; `undefined` when help is wanted. */
export function planFrom(args: readonly string[]): Plan | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      targets: { type: 'string' },
      scenarios: { type: 'string' },
      against: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      minutes: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { quick, against } = values;
  const rivals = against?.split(',').map((it) => checkoutAt(it.trim())) ?? [];
  // Their part is taken by the checkouts, unless somebody wants to see both.
  const asked = against === undefined ? values.targets : (values.targets ?? 'direct,mcpd');
  const wanted = chosen(
    '--scenarios',
    values.scenarios ?? (quick ? quickScenarios.join() : undefined),
    scenarios,
  );
  return {
    quick,
    targets: [...chosen('--targets', asked, targets), ...rivals],
    scenarios: against === undefined ? wanted : wanted.map((it) => ({ ...it, aim: noWorse })),
    rounds: Math.trunc(number('--rounds', values.rounds, quick ? 2 : 5, 1, 50)),
    seconds: number('--seconds', values.seconds, quick ? 0.5 : 2, 0.1, 60),
    minutes: number('--minutes', values.minutes, quick ? 1 : 10, 1, 120),
    json: values.json,
  };
}

/** Whether it is what `bench/results.md` is written from: everything, at full length, and nothing else beside it. */
export function isWhole(plan: Plan): boolean {
  const isAll = <T extends { readonly name: string }>(some: readonly T[], all: readonly T[]): boolean =>
    some.length === all.length && some.every((it) => all.some(({ name }) => name === it.name));
  return !plan.quick && isAll(plan.targets, targets) && isAll(plan.scenarios, scenarios);
}

const noWorse = { callsPerS: 1, addedP50: 1, memory: 1 };

/** Keeps the table's order: it is the order of the columns. */
function chosen<T extends { readonly name: string }>(
  flag: string,
  list: string | undefined,
  all: readonly T[],
): T[] {
  if (list === undefined) return [...all];
  const names = list.split(',').map((it) => it.trim());
  const known = all.map((it) => it.name);
  const unknown = names.find((it) => !known.includes(it));
  if (unknown !== undefined) throw new Error(`${flag}: "${unknown}" is none of ${known.join(', ')}`);
  return all.filter((it) => names.includes(it.name));
}

function number(flag: string, text: string | undefined, usual: number, least: number, most: number): number {
  const value = text === undefined ? usual : Number(text);
  if (!(value >= least && value <= most))
    throw new Error(`${flag}: expected ${String(least)} to ${String(most)}`);
  return value;
}
