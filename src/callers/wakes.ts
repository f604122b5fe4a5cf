import { Fault } from '../domain/faults.ts';

export type WakeBounds = {
  /** Sessions of one server that are brought back at once: each may start a child. */
  readonly atOnce: number;
  /** How many more of them may stand in line, in all and of one caller. */
  readonly waitingMax: number;
  readonly perCallerMax: number;
};

export const usualWakes: WakeBounds = { atOnce: 2, waitingMax: 64, perCallerMax: 32 };

type Waiting = { readonly caller: string; readonly begin: () => void };
type Line = { running: number; waiting: readonly Waiting[] };

/**
 * The line of sessions that are brought back. After a restart all clients come back in the same second; without a line each
 * of them would start a child.
 */
export class Wakes {
  readonly #bounds: WakeBounds;
  readonly #byId = new Map<string, Promise<void>>();
  readonly #lines = new Map<string, Line>();

  constructor(bounds: WakeBounds = usualWakes) {
    this.#bounds = bounds;
  }

  /** Does it once for each session, whoever asks meanwhile. Rejects with `TOO_MANY`, and as `work` does. */
  once(sessionId: string, server: string, caller: string, work: () => Promise<void>): Promise<void> {
    const begun = this.#byId.get(sessionId);
    if (begun !== undefined) return begun;
    const line = this.#lineOf(server);
    const mine = line.waiting.filter((it) => it.caller === caller).length;
    const { atOnce, waitingMax, perCallerMax } = this.#bounds;
    if (line.running >= atOnce && (line.waiting.length >= waitingMax || mine >= perCallerMax))
      return Promise.reject(new Fault('TOO_MANY', { detail: `${server}: many sessions come back at once` }));
    const waking = this.#inLine(server, line, caller, work).finally(() => this.#byId.delete(sessionId));
    this.#byId.set(sessionId, waking);
    return waking;
  }

  /** What a session waits for while it is brought back. */
  underWay(sessionId: string): Promise<void> | undefined {
    return this.#byId.size === 0 ? undefined : this.#byId.get(sessionId);
  }

  async #inLine(server: string, line: Line, caller: string, work: () => Promise<void>): Promise<void> {
    if (line.running < this.#bounds.atOnce) line.running++;
    else {
      // Whoever leaves hands over its place, so that nobody who comes meanwhile takes it.
      await new Promise<void>((begin) => (line.waiting = [...line.waiting, { caller, begin }]));
    }
    try {
      await work();
    } finally {
      this.#next(server, line);
    }
  }

  #next(server: string, line: Line): void {
    const [first, ...others] = line.waiting;
    line.waiting = others;
    if (first !== undefined) return first.begin();
    line.running--;
    if (line.running === 0) this.#lines.delete(server);
  }

  #lineOf(server: string): Line {
    let line = this.#lines.get(server);
    if (line === undefined) this.#lines.set(server, (line = { running: 0, waiting: [] }));
    return line;
  }
}
