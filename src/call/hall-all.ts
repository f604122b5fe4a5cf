import { Fault } from '../domain/faults.ts';
import { Halt } from '../domain/halt.ts';
import type { HallPlane } from './hall-plane.ts';

/** Where what is asked of all servers ends up when it takes too long. */
export const late = Symbol('late');

/**
 * Asks several servers at once and gives their answers in order, `late` for each that did not answer in time: one slow server
 * holds up the others no longer than that. How many there are, the configuration bounds. Rejects with `CANCELLED`.
 */
export async function askAll<T>(
  servers: readonly string[],
  halt: Halt,
  { after, partWithinMs }: Pick<HallPlane, 'after' | 'partWithinMs'>,
  ask: (server: string, halt: Halt) => Promise<T>,
): Promise<readonly (readonly [server: string, answer: T | typeof late])[]> {
  let stopTimer = (): void => undefined;
  const tooLate = new Promise<typeof late>((resolve) => {
    stopTimer = after(partWithinMs, () => resolve(late));
    halt.listen(() => resolve(late));
  });
  try {
    const answers = await Promise.all(
      servers.map(async (server) => {
        const own = new Halt();
        const answer = await Promise.race([ask(server, own), tooLate]);
        if (answer === late) own.call(halt.reason ?? 'took too long');
        return [server, answer] as const;
      }),
    );
    if (halt.reason !== undefined) throw new Fault('CANCELLED', { detail: halt.reason });
    return answers;
  } finally {
    stopTimer();
    halt.unlisten();
  }
}
