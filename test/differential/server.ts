import { join } from 'node:path';
import { projectRoot } from '../support/daemon.ts';
import type { Script } from './script.ts';

/** A server that is spoken to twice, and what is said to it. */
export type Scripted = {
  /** Also its name in mcpd. */
  readonly name: string;
  /** Who makes it, and on which library: what the choice of servers is for. */
  readonly maker: string;
  /** From the root of the project. */
  readonly program: string;
  readonly args: (place: string) => readonly string[];
  readonly env: (place: string) => Readonly<Record<string, string>>;
  /** Puts the server's folder into the state that each play begins with. */
  readonly prepare: (place: string) => void;
  readonly script: (place: string) => Script;
  /** What two runs of the server itself do not have in common (clocks, random ids), and what it is compared as. */
  readonly varies: readonly (readonly [pattern: RegExp, as: string])[];
};

export const npm = (path: string): string => join('node_modules', path);

/** How the server is started, by mcpd and directly alike. */
export function commandOf(
  server: Scripted,
  place: string,
): {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
} {
  return {
    args: [join(projectRoot, server.program), ...server.args(place)],
    cwd: place,
    // A home of its own: some servers keep files there.
    env: { HOME: place, ...server.env(place) },
  };
}

/**
 * Its policy: everything is allowed, what it asks of the client included, and arguments that its schema forbids, because
 * what it says to those is compared, too.
 */
export function policyOf(server: Scripted, place: string): string {
  const { args, cwd, env } = commandOf(server, place);
  const variables = Object.entries(env).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`);
  return `command = "$NODE"
args = ${JSON.stringify(args)}
cwd = ${JSON.stringify(cwd)}
sharing = "session"
check_arguments = false
[env]
${variables.join('')}
[[rule]]
name = "everything"
verdict = "allow"
tools = ["*"]
resources = ["**"]
prompts = ["*"]
upcalls = ["*"]
methods = ["*"]
`;
}
