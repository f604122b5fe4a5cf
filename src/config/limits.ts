import type { Rate } from '../domain/decision.ts';
import type { LimitText } from '../domain/orders.ts';
import type { Complaints } from './complain.ts';
import { quote } from './complaint.ts';
import type { WrittenDaemonLimits, WrittenLimit, WrittenLimits } from './schema-limits.ts';

type Per = LimitText['per'];

/** The limits that have no name of their own are called by what they count. */
const words: ReadonlyMap<string, Per> = new Map([
  ['per caller', ['caller']],
  ['per tool', ['tool']],
  ['per caller and tool', ['caller', 'tool']],
  ['per server', []],
  ['in total', []],
]);

/** Whether a limit is a line of `[limits]`, called by what it counts. */
export function isUnnamed(name: string): boolean {
  return words.has(name);
}

/** `[limits]` of a server file. */
export function serverLimits(written: WrittenLimits, complaints: Complaints): readonly LimitText[] {
  const { per_caller, per_tool, per_caller_and_tool, per_server, waiting } = written;
  const { concurrent, concurrent_per_caller, concurrent_per_tool } = written;
  usedWaiting(waiting, [concurrent, concurrent_per_caller, concurrent_per_tool], complaints);
  return [
    plain('per caller', per_caller, concurrent_per_caller, waiting),
    plain('per tool', per_tool, concurrent_per_tool, waiting),
    plain('per caller and tool', per_caller_and_tool, undefined, waiting),
    plain('per server', per_server, concurrent, waiting),
  ].flat();
}

/** `[limits]` of mcpd.toml. */
export function daemonLimits(written: WrittenDaemonLimits, complaints: Complaints): readonly LimitText[] {
  const { per_caller, total, concurrent, concurrent_per_caller, waiting } = written;
  usedWaiting(waiting, [concurrent, concurrent_per_caller], complaints);
  return [
    plain('per caller', per_caller, concurrent_per_caller, waiting),
    plain('in total', total, concurrent, waiting),
  ].flat();
}

/** The `[[limit]]` tables of a server file. */
export function limitsOf(written: readonly WrittenLimit[], complaints: Complaints): readonly LimitText[] {
  const names = new Set<string>();
  return written.map((limit, index) => {
    const at = ['limit', index] as const;
    const { name, per, tools, rate, budget, concurrent, waiting } = limit;
    if (names.has(name))
      complaints.about(
        [...at, 'name'],
        `duplicate: another limit is named ${quote(name)}`,
        'a name of its own',
      );
    names.add(name);
    if (words.has(name))
      complaints.about(
        [...at, 'name'],
        `${quote(name)} is what a line in [limits] is called`,
        'another name',
      );
    if (rate === undefined && budget === undefined && concurrent === undefined)
      complaints.about(at, `limit ${quote(name)} limits nothing`, 'at least one of rate, budget, concurrent');
    if (waiting !== undefined && concurrent === undefined)
      complaints.aboutKey([...at, 'waiting'], '"waiting" means nothing without "concurrent"', 'no such line');
    if (new Set(per).size < per.length)
      complaints.about([...at, 'per'], 'the same word twice', '"caller" and "tool", each once');
    // It would look like a limit and never apply.
    if (tools?.length === 0)
      complaints.about(
        [...at, 'tools'],
        'a limit on nothing',
        'at least one tool, or no such line for every tool',
      );
    if (budget !== undefined && tools === undefined)
      complaints.about(
        [...at, 'budget'],
        'every tool without this argument is refused',
        'the tools that have it, in "tools"',
        'warning',
      );
    return { name, per, tools, rates: rate ?? [], budget, concurrency: concurrent, waiting: waiting ?? 0 };
  });
}

function plain(
  name: string,
  rates: readonly Rate[] | undefined,
  concurrency: number | undefined,
  waiting: number | undefined,
): LimitText[] {
  if (rates === undefined && concurrency === undefined) return [];
  const per = words.get(name) ?? [];
  const line = concurrency === undefined ? 0 : (waiting ?? 0);
  return [{ name, per, tools: undefined, rates: rates ?? [], budget: undefined, concurrency, waiting: line }];
}

function usedWaiting(
  waiting: number | undefined,
  bounds: readonly (number | undefined)[],
  complaints: Complaints,
): void {
  if (waiting === undefined || bounds.some((bound) => bound !== undefined)) return;
  complaints.aboutKey(['limits', 'waiting'], '"waiting" means nothing without "concurrent"', 'no such line');
}
