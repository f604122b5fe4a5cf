import type { z } from 'zod';
import { budget, choice, count, list, patterns, rates, said, table, words } from './fields.ts';

const calls = count(1, 100_000);
const line = count(0, 100_000);

/** The shape of `[limits]` in servers/NAME.toml. */
export const limitsShape = table({
  per_caller: said(rates.optional(), 'One caller, all tools of this server together.'),
  per_tool: said(rates.optional(), 'One tool, all callers together.'),
  per_caller_and_tool: said(rates.optional(), 'One caller, one tool.'),
  per_server: said(rates.optional(), 'All callers and all tools of this server together.'),
  concurrent: said(calls.optional(), 'Calls under way at once, all callers together.'),
  concurrent_per_caller: said(calls.optional(), 'Calls of one caller under way at once.'),
  concurrent_per_tool: said(calls.optional(), 'Calls of one tool under way at once.'),
  waiting: said(line.optional(), 'How many more may stand in line for these, instead of being refused.'),
});
export type WrittenLimits = z.output<typeof limitsShape>;

/** The shape of `[limits]` in mcpd.toml: across all servers. */
export const daemonLimitsShape = table({
  per_caller: said(rates.optional(), 'One caller, all servers together.'),
  total: said(rates.optional(), 'Everybody and everything together.'),
  concurrent: said(calls.optional(), 'Calls under way at once, all callers together.'),
  concurrent_per_caller: said(calls.optional(), 'Calls of one caller under way at once.'),
  waiting: said(line.optional(), 'How many more may stand in line for these, instead of being refused.'),
});
export type WrittenDaemonLimits = z.output<typeof daemonLimitsShape>;

/** The shape of one `[[limit]]`. */
export const limitShape = table(
  {
    name: said(words('a name for the limit', 128), 'Names the limit in refusals. No two limits share one.'),
    per: said(
      list(choice(['caller', 'tool']), 'a list of "caller" and "tool"', 2).default(['caller']),
      'Each combination of these has a count of its own; an empty list: one count for all.',
    ),
    tools: said(patterns('tools').optional(), 'Names of tools. Absent: whatever is called.'),
    rate: said(rates.optional(), 'Calls in a span of time.'),
    budget: said(budget.optional(), 'What an argument may sum up to in a span of time.'),
    concurrent: said(calls.optional(), 'Calls under way at once.'),
    waiting: said(line.optional(), 'How many more may stand in line, instead of being refused.'),
  },
  'a table [[limit]]',
);
export type WrittenLimit = z.output<typeof limitShape>;
