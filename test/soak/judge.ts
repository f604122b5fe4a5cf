/** What a soak must have shown of the daemon as a whole; that no call went wrong is watched while it goes on. */
import type { Seen } from '../faults/support/watch.ts';
import type { Flatness } from './flat.ts';

export type Shown = {
  readonly minutes: number;
  readonly flat: Flatness;
  readonly seen: Pick<Seen, 'orphans' | 'zombies' | 'ownMs'>;
  /** Everything that could have been done to it, and how often it was. */
  readonly acts: readonly string[];
  readonly acted: ReadonlyMap<string, number>;
};

/** In a life shorter than this a slope says more about the warm-up than about a leak. */
const judgeFromMinutes = 20;
/** A soak of this length is the one that a release waits for: what it has not shown is not shown. */
const wholeMinutes = 60;
/** Below this the daemon does little but start, and a busy machine says more about its times than it does. */
const timedMinutes = 1;
const heapMiBPerHourMax = 5;
const driftMax = 10;
const ownMsMax = 250;

export function slopesJudged({ minutes }: Flatness): boolean {
  return minutes >= judgeFromMinutes;
}

/** What is not as was promised, in words. */
export function brokenBy({ minutes, flat, seen, acts, acted }: Shown): string[] {
  const broken: string[] = [];
  const isWhole = minutes >= wholeMinutes;
  if (seen.orphans > 0) broken.push(`processes that outlived their daemon: ${seen.orphans}`);
  if (seen.zombies > 0) broken.push(`zombies that nobody collected: ${seen.zombies}`);
  if (minutes >= timedMinutes && seen.ownMs > ownMsMax)
    broken.push(`the event loop worked ${seen.ownMs} ms without a pause`);
  if (slopesJudged(flat)) {
    if (flat.heapMiBPerHour > heapMiBPerHourMax)
      broken.push(`the heap grows by ${flat.heapMiBPerHour.toFixed(1)} MiB an hour`);
    for (const name of ['fds', 'timers', 'handles'] as const)
      if (flat[name] > driftMax) broken.push(`${name} grew by ${flat[name]}`);
  } else if (isWhole)
    broken.push(
      `no life was long enough to be judged: ${flat.minutes.toFixed(1)} min of ${judgeFromMinutes}`,
    );
  if (isWhole)
    for (const name of acts)
      if ((acted.get(name) ?? 0) === 0) broken.push(`in the whole time it never happened that ${name}`);
  return broken;
}
