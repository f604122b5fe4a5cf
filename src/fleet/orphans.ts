import { readdirSync } from 'node:fs';
import { endProcess, whenGone } from './end-process.ts';
import type { Ledger } from './ledger.ts';
import { isStartedHere } from './process.ts';
import { rowOf, type Row } from './process-table.ts';
import { childrenOf } from './tree.ts';

const looksMax = 8;
const goneWithinMs = 2_000;

/**
 * What servers left behind, and what the system therefore gave to us: whoever forks twice, leaves its group and wipes its
 * environment is a child of ours all the same. Nobody can tell whose it was, so it may live as long as the fleet; the dead are
 * collected, because nobody else will.
 */
export class Orphans {
  readonly #reap: (pid: number) => void;
  readonly #ledger: Ledger | undefined;
  #known = new Map<number, Row>();

  constructor(reap: (pid: number) => void, ledger: Ledger | undefined) {
    this.#reap = reap;
    this.#ledger = ledger;
  }

  /** Collects the dead, and writes down the living for the next daemon. */
  look(): readonly Row[] {
    const found = ownChildren().filter(({ pid }) => !isStartedHere(pid));
    for (const { pid, state } of found) if (state === 'Z') this.#reap(pid);
    const living = new Map(found.filter(({ state }) => state !== 'Z').map((row) => [row.pid, row]));
    for (const row of this.#known.values())
      if (living.get(row.pid)?.startTicks !== row.startTicks) this.#ledger?.went(row);
    for (const row of living.values())
      if (this.#known.get(row.pid)?.startTicks !== row.startTicks) this.#ledger?.came(row, '');
    this.#known = living;
    return [...living.values()];
  }

  /** Ends all of them, and what they leave behind in turn. Gives their ids. */
  async end(): Promise<readonly number[]> {
    const ended: number[] = [];
    for (let looks = 0; looks < looksMax; looks++) {
      const killed = this.look().filter((it) => endProcess(it));
      if (killed.length === 0) break;
      ended.push(...killed.map(({ pid }) => pid));
      await whenGone(killed, goneWithinMs);
    }
    this.look();
    return ended;
  }
}

/** A child belongs to the thread that started it, or that it was given to. */
function ownChildren(): readonly Row[] {
  let tasks: readonly string[];
  try {
    tasks = readdirSync('/proc/self/task');
  } catch {
    return [];
  }
  return tasks
    .flatMap((task) => childrenOf('/proc', process.pid, task))
    .map((pid) => rowOf(pid))
    .filter((row) => row?.parent === process.pid)
    .filter((row) => row !== undefined);
}
