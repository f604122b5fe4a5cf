/** Whether something that should stay as it is does: a line through what was measured, and how steep it is. */
import type { Pulse } from '../faults/support/pulse.ts';

export type Point = readonly [atMs: number, value: number];

/** Least squares, in units per hour; 0 for fewer than three points. */
export function slopePerHour(points: readonly Point[]): number {
  if (points.length < 3) return 0;
  const mean = (values: readonly number[]): number => values.reduce((all, it) => all + it, 0) / values.length;
  const [atMean, valueMean] = [mean(points.map(([at]) => at)), mean(points.map(([, value]) => value))];
  let [over, under] = [0, 0];
  for (const [at, value] of points) {
    over += (at - atMean) * (value - valueMean);
    under += (at - atMean) ** 2;
  }
  return under === 0 ? 0 : (over / under) * 3_600_000;
}

export type Flatness = {
  /** How long the life was that is judged, without its beginning. */
  readonly minutes: number;
  readonly heapMiBPerHour: number;
  readonly rssMiBPerHour: number;
  /** The median of the last quarter less the median of the first. */
  readonly fds: number;
  readonly timers: number;
  readonly handles: number;
};

const warmUp = 0.2;

/** Judges one life of the daemon. `fds`: what was counted from outside, with the time since the same beginning. */
export function flatness(pulses: readonly Pulse[], fds: readonly Point[]): Flatness {
  const last = pulses.at(-1)?.at ?? 0;
  const from = last * warmUp;
  const warm = pulses.filter(({ at }) => at >= from);
  const all = ({ handles }: Pulse): number => Object.values(handles).reduce((sum, it) => sum + it, 0);
  return {
    minutes: (last - from) / 60_000,
    heapMiBPerHour: slopePerHour(
      warm.filter(({ collected }) => collected).map(({ at, heapMiB }) => [at, heapMiB]),
    ),
    rssMiBPerHour: slopePerHour(warm.map(({ at, rssMiB }) => [at, rssMiB])),
    fds: drift(fds.filter(([at]) => at >= from).map(([, value]) => value)),
    timers: drift(warm.map(({ handles }) => handles['Timeout'] ?? 0)),
    handles: drift(warm.map(all)),
  };
}

function drift(values: readonly number[]): number {
  const quarter = Math.ceil(values.length / 4);
  return median(values.slice(-quarter)) - median(values.slice(0, quarter));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
