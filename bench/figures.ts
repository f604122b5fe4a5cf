import type { Seen, Turn } from './measure.ts';
import { quantile } from './slice.ts';

/** What is said of one target in one scenario: medians over its turns, and sums of what went wrong. */
export type Figures = {
  readonly callsPerS: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** p50 beyond that of direct stdio. */
  readonly addedP50Ms: number | undefined;
  readonly idleMb: number | undefined;
  readonly peakMb: number | undefined;
  readonly cpuMsPerCall: number | undefined;
  readonly perSessionMs: number | undefined;
  readonly right: number;
  readonly errors: number;
  readonly strays: number;
};

/** One target beside the others of its scenario. */
export type Standing = { readonly seen: Seen; readonly figures: Figures };

/** Sums up a scenario. */
export function standingsOf(all: readonly Seen[]): readonly Standing[] {
  const direct = all.find((it) => it.target.kind === 'baseline');
  const base = direct === undefined ? undefined : median(direct.turns.map((it) => it.p50Ms));
  return all.map((seen) => ({ seen, figures: figuresOf(seen, base) }));
}

/** The peer with the most calls per second at as many sessions as mcpd had. */
export function fasterPeer(standings: readonly Standing[], sessions: number): Standing | undefined {
  return standings
    .filter(
      (it) =>
        it.seen.target.kind === 'peer' && it.seen.sessions === sessions && (it.figures.callsPerS ?? 0) > 0,
    )
    .reduce<Standing | undefined>(
      (best, it) => ((best?.figures.callsPerS ?? 0) < (it.figures.callsPerS ?? 0) ? it : best),
      undefined,
    );
}

/** The middle of what is known of some values. */
export function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((it) => it !== undefined).sort((a, b) => a - b);
  const half = sorted.length / 2;
  if (Number.isInteger(half)) {
    const [low, high] = [sorted[half - 1], sorted[half]];
    return low === undefined || high === undefined ? undefined : (low + high) / 2;
  }
  return quantile(sorted, 0.5);
}

function figuresOf({ target, turns, idleMb, peakMb, perSessionMs }: Seen, base: number | undefined): Figures {
  const p50Ms = median(turns.map((it) => it.p50Ms));
  const added =
    p50Ms === undefined || base === undefined || target.kind === 'baseline' ? undefined : p50Ms - base;
  return {
    callsPerS: median(turns.map((it) => it.callsPerS)),
    p50Ms,
    p99Ms: median(turns.map((it) => it.p99Ms)),
    addedP50Ms: added,
    idleMb,
    peakMb,
    cpuMsPerCall: median(turns.map(cpuPerCall)),
    perSessionMs,
    right: sum(turns.map((it) => it.right)),
    errors: sum(turns.map((it) => it.errors)),
    strays: sum(turns.map((it) => it.strays)),
  };
}

function cpuPerCall({ cpuMs, right }: Turn): number | undefined {
  return cpuMs === undefined || right === 0 ? undefined : cpuMs / right;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
