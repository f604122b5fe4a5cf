import type { Caller } from './caller.ts';
import type { Verdict } from './verdict.ts';

/** What was seen of one target in one stretch of time. Latencies in milliseconds; `undefined` when nothing came back. */
export type Slice = {
  /** Right replies inside the time taken, each second. */
  readonly callsPerS: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Right replies in all, also those that came while the last calls were awaited. */
  readonly right: number;
  readonly errors: number;
  readonly strays: number;
  /** The first few things that went wrong, for a person. */
  readonly told: readonly string[];
};

const latenciesMax = 2_000_000;
const toldMax = 3;
const pauseAfterErrorMs = 20;
const lastRepliesWithinMs = 10_000;

/** Every caller calls, awaits its reply and calls again, for `forMs`; then the calls in flight are awaited, for 10 s at most. */
export async function runSlice(callers: readonly Caller[], forMs: number): Promise<Slice> {
  await refreshed(callers);
  const latencies: number[] = [];
  const told: string[] = [];
  const busy = new Set<Caller>();
  let inTime = 0;
  let right = 0;
  let errors = 0;
  let strays = 0;
  const begin = performance.now();
  const end = begin + forMs;

  const note = (verdict: Verdict, startedAt: number, now: number): void => {
    if (verdict.kind === 'right') {
      right += 1;
      if (now <= end) inTime += 1;
      if (latencies.length < latenciesMax) latencies.push(now - startedAt);
      return;
    }
    if (verdict.kind === 'stray') strays += 1;
    else errors += 1;
    if (told.length < toldMax) told.push(verdict.detail);
  };

  await new Promise<void>((resolve) => {
    const giveUp = setTimeout(resolve, forMs + lastRepliesWithinMs);
    const rest = (caller: Caller): void => {
      busy.delete(caller);
      if (busy.size > 0) return;
      clearTimeout(giveUp);
      resolve();
    };
    const drive = (caller: Caller): void => {
      let startedAt = 0;
      const next = (): void => {
        startedAt = performance.now();
        if (startedAt >= end) return rest(caller);
        caller.call(done);
      };
      const done = (verdict: Verdict): void => {
        if (!busy.has(caller)) return;
        note(verdict, startedAt, performance.now());
        // A target that fails at once would otherwise be asked again at once, and nothing else would run.
        if (verdict.kind === 'error') setTimeout(next, pauseAfterErrorMs);
        else next();
      };
      busy.add(caller);
      next();
    };
    callers.forEach(drive);
  });

  for (const caller of busy) {
    caller.abandon();
    note({ kind: 'error', detail: 'no reply within 10 s' }, 0, 0);
  }
  busy.clear();
  const sorted = Float64Array.from(latencies).sort();
  return {
    callsPerS: (inTime * 1000) / forMs,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    right,
    errors,
    strays,
    told,
  };
}

/** Connections are made again a few at a time, so that no server's backlog overflows. */
async function refreshed(callers: readonly Caller[]): Promise<void> {
  const atOnce = 50;
  for (let from = 0; from < callers.length; from += atOnce) {
    // A connection that cannot be made now is an error of the call that then needs it.
    await Promise.allSettled(callers.slice(from, from + atOnce).map((it) => it.refresh()));
  }
}

/** The smallest value that at least `share` of the sorted values do not exceed. */
export function quantile(sorted: ArrayLike<number>, share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}
