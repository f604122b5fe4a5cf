import { endProcess } from './end-process.ts';
import { isStill, type Identity } from './process-table.ts';
import { treeOf, type Use } from './tree.ts';

/** Told what a child's processes are, whenever that has changed. */
export type Noted = (fresh: readonly Identity[], gone: readonly Identity[]) => void;

/** Looks after which whoever keeps starting processes has won; the wall is for those. */
const looksMax = 8;

/**
 * Everything that one child has started, as far as somebody looked while it was on its way: also what has left its group and
 * its session since, wiped its environment, and was left behind by its parent.
 */
export class Kin {
  readonly #root: Identity;
  readonly #noted: Noted;
  #known: ReadonlyMap<number, Identity>;

  constructor(root: Identity, noted: Noted) {
    this.#root = root;
    this.#noted = noted;
    this.#known = new Map([[root.pid, root]]);
    noted([root], []);
  }

  /** What all of them use now; undefined when none runs. */
  look(processesMax?: number): Use | undefined {
    const before = this.#known;
    const tree = treeOf([...before.values()], '/proc', processesMax);
    const found = new Map((tree?.members ?? []).map((it) => [it.pid, it]));
    // Of a tree that was not read to its end, the rest may be there still.
    const isLost = (it: Identity) => found.get(it.pid)?.startTicks !== it.startTicks;
    const gone = [...before.values()].filter((it) => isLost(it) && (tree?.isWhole !== false || !isStill(it)));
    const stays = [...before.values()].filter((it) => isLost(it) && !gone.includes(it));
    const fresh = [...found.values()].filter((it) => before.get(it.pid)?.startTicks !== it.startTicks);
    this.#known = new Map([...stays.map((it) => [it.pid, it] as const), ...found]);
    if (fresh.length + gone.length > 0) this.#noted(fresh, gone);
    return tree?.use;
  }

  /** Ends all of them, and what they start meanwhile. Gives those that were no longer its group's. */
  end(): readonly number[] {
    const ended = new Set<number>();
    for (let looks = 0; looks < looksMax; looks++) {
      this.look();
      const killed = [...this.#known.values()].filter((it) => endProcess(it)).map(({ pid }) => pid);
      const fresh = killed.filter((pid) => !ended.has(pid));
      for (const pid of fresh) ended.add(pid);
      if (fresh.length === 0) break;
    }
    this.#noted([], [...this.#known.values()]);
    this.#known = new Map();
    ended.delete(this.#root.pid);
    return [...ended];
  }
}
