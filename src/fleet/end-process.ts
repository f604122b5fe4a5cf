import { isStill, type Identity } from './process-table.ts';

/**
 * Ends one process by SIGKILL if it is still the one that is meant; false where it is not, or may not be ended. Between the look
 * and the signal lie microseconds, in which its id would have to be free, and all other ids given out, to hit another one.
 */
export function endProcess(it: Identity, proc = '/proc'): boolean {
  // 0 and negative numbers are whole groups to kill(2), and 1 is who looks after orphans.
  if (it.pid <= 1 || it.pid === process.pid || !isStill(it, proc)) return false;
  try {
    process.kill(it.pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}

/** Resolves when none of them runs any more, or the time is over. */
export async function whenGone(them: readonly Identity[], withinMs: number): Promise<void> {
  const lookEveryMs = 10;
  for (let waitedMs = 0; waitedMs < withinMs && them.some((it) => isStill(it)); waitedMs += lookEveryMs)
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
}
