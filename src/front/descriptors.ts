import { readdirSync, readFileSync } from 'node:fs';

/** For the journal, the operator's commands, a policy that is read again, and a child that is started. */
const keptBack = 24;
/** Pipes of one child, and what its start needs for a moment. */
const perChild = 4;
/** So many connections are served whatever the system allows; who sets less than that wants to see it fail. */
const connectionsMin = 16;
/** Where nobody can count: what a daemon without callers has open. */
const usually = 64;

export type Descriptors = {
  /** How many connections there may be. */
  readonly connectionsMax: number;
  /** The highest descriptor that a connection may have. */
  readonly descriptorMax: number;
  /** What the system allows; undefined where it does not say. */
  readonly limit: number | undefined;
};

/** How many connections fit among the files that this process may have open, of which some are not for callers. */
export function descriptorsFor(
  wanted: number,
  children: number,
  limit = limitOfSystem(),
  inUse = countInUse(),
): Descriptors {
  if (limit === undefined)
    return { connectionsMax: wanted, descriptorMax: Number.POSITIVE_INFINITY, limit: undefined };
  const fit = limit - inUse - keptBack - perChild * children;
  return {
    connectionsMax: Math.min(wanted, Math.max(connectionsMin, fit)),
    // Children come and go: whatever they have, the last ones are never a caller's.
    descriptorMax: Math.max(0, limit - keptBack),
    limit,
  };
}

/** `RLIMIT_NOFILE` of this process (getrlimit(2)); Node raises it as far as it may when it starts. */
function limitOfSystem(): number | undefined {
  try {
    const found = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}

function countInUse(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return usually;
  }
}
