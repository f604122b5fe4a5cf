import { setTimeout as sleep } from 'node:timers/promises';

export type Paced = { readonly done: number; readonly seconds: number };

/**
 * Does something so often a second until told to stop, with at most `lanes` of it under way at once. What could not be begun
 * in time is not made up for later: a queue in here would be load that nobody asked for.
 */
export async function paced(
  perSecond: number,
  lanes: number,
  goesOn: () => boolean,
  once: (lane: number) => Promise<void>,
): Promise<Paced> {
  const from = performance.now();
  let done = 0;
  const lane = async (number: number): Promise<void> => {
    const everyMs = (1000 * lanes) / perSecond;
    let due = performance.now() + (everyMs * number) / lanes;
    while (goesOn()) {
      const wait = due - performance.now();
      if (wait > 1) await sleep(wait);
      due = Math.max(due + everyMs, performance.now() - everyMs);
      await once(number);
      done++;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
  return { done, seconds: (performance.now() - from) / 1000 };
}
