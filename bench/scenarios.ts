import type { Ask } from './caller.ts';

/** What mcpd wants to reach against the faster peer: at least so many times its calls, at most so much of the rest. */
export type Aim = { readonly callsPerS: number; readonly addedP50: number; readonly memory: number };

/** So many sessions, each with one call in flight, asking a tool for replies of so many bytes. */
export type Scenario = {
  readonly name: string;
  readonly sessions: number;
  readonly tool: Ask['tool'];
  readonly bytes: number;
  readonly aim: Aim;
};

const others = { addedP50: 0.4, memory: 0.5 };

/** Add a row to measure something else. */
export const scenarios: readonly Scenario[] = [
  { name: 'small-1', sessions: 1, tool: 'echo', bytes: 64, aim: { callsPerS: 2.5, ...others } },
  { name: 'small-10', sessions: 10, tool: 'echo', bytes: 64, aim: { callsPerS: 4, ...others } },
  { name: 'small-100', sessions: 100, tool: 'echo', bytes: 64, aim: { callsPerS: 5, ...others } },
  { name: 'small-1000', sessions: 1000, tool: 'echo', bytes: 64, aim: { callsPerS: 4.5, ...others } },
  // As above, but each call is on the disk before it goes out.
  { name: 'write-1', sessions: 1, tool: 'note', bytes: 64, aim: { callsPerS: 2.5, ...others } },
  { name: 'write-100', sessions: 100, tool: 'note', bytes: 64, aim: { callsPerS: 5, ...others } },
  { name: 'large-1', sessions: 1, tool: 'echo', bytes: 1_000_000, aim: { callsPerS: 2.5, ...others } },
  { name: 'large-4', sessions: 4, tool: 'echo', bytes: 1_000_000, aim: { callsPerS: 2.5, ...others } },
];

/** The shorter list of `--quick`: opening a thousand sessions at the peers alone takes half of its time. */
export const quickScenarios: readonly string[] = ['small-1', 'small-10', 'small-100', 'large-1'];
