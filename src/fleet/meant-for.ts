import type { Call } from '../domain/call.ts';
import type { Session } from '../domain/caller.ts';
import type { Members } from './members.ts';

/** Whose sessions use a child: those of one caller, or anybody's. */
export type Among = 'one caller' | 'all callers';

/**
 * The session that a message about nothing in particular is for; undefined where it could be for somebody else. A log line
 * does not say which call it belongs to, and could show one caller what another one did. A child of one caller speaks to that
 * caller. Of a child that several callers have, a line is told only when it has worked for one caller alone since it was
 * started, because what it did for another may echo in it long after the answer, or after the call was given up; and among
 * that caller's sessions only when no second one can be meant.
 * `calls`: those that are open, oldest first. `served`: the callers it has worked for.
 */
export function meantFor(
  among: Among,
  calls: readonly Call[],
  served: ReadonlySet<string> | undefined,
  members: Members,
): string | undefined {
  if (among === 'one caller') return calls.length > 0 ? hearing(calls.at(-1)?.session) : members.newest;
  if (served === undefined || served.size > 1) return undefined;
  const sessions = new Set(calls.map(({ session }) => session.id));
  if (sessions.size > 0) return sessions.size === 1 ? hearing(calls.at(-1)?.session) : undefined;
  return members.size === 1 ? members.newest : undefined;
}

/** Modern clients hear of log lines only where they asked for them (2026-07-28 server/utilities/logging). */
function hearing(session: Session | undefined): string | undefined {
  return session?.era === 'legacy' ? session.id : undefined;
}
