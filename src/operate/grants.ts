import { Fault } from '../domain/faults.ts';
import type { Grant } from '../domain/orders.ts';
import type { Database } from '../files/database.ts';
import { Kept } from '../files/kept.ts';
import { changeGrants, grantLines, loadGrants } from './grant-rows.ts';
import type { Saved } from './switches.ts';

type GrantState = { readonly changes: number; readonly grants: readonly Grant[] };

/** Live grants at once: each costs a look at every call, and nobody keeps an eye on more. */
export const grantsMax = 1000;

/** The operator's grants, in memory and in the state's database. One per daemon. */
export class GrantStore {
  readonly #kept: Kept;
  #state: GrantState;
  #onDisk: readonly Grant[];
  #durable = true;

  private constructor(kept: Kept, grants: readonly Grant[]) {
    this.#kept = kept;
    this.#state = { changes: kept.version, grants };
    this.#onDisk = grants;
  }

  /** Throws `CONFIG_INVALID` when the grants are damaged. */
  static open(database: Database): GrantStore {
    const grants = loadGrants(database);
    return new GrantStore(Kept.open(database, 'grants', grantLines(grants)), grants);
  }

  /** Those that ran out included, until the next change; whoever asks them looks at the clock. */
  current(): readonly Grant[] {
    return this.#state.grants;
  }

  /** How often grants have changed since the first one; part of every orders version. */
  changes(): number {
    return this.#state.changes;
  }

  /** Those that have not run out. */
  live(nowMs: number): readonly Grant[] {
    return this.#state.grants.filter(({ untilMs }) => nowMs < untilMs);
  }

  /** In force only if it reached the disk. Takes the place of a grant for the same caller and tool. */
  give(grant: Grant, nowMs: number): Saved | 'full' {
    const others = this.live(nowMs).filter((it) => !isSame(it, grant));
    if (others.length >= grantsMax) return 'full';
    const state = this.#next([...others, grant]);
    const saved = this.#save(state);
    if (saved.durable) this.#state = state;
    return saved;
  }

  /** Out of force from now on, whatever the disk says. */
  take(grant: Grant, nowMs: number): Saved {
    this.#state = this.#next(this.live(nowMs).filter(({ id }) => id !== grant.id));
    return this.#save(this.#state);
  }

  /** Tries again to write what is in force, if an earlier attempt failed. */
  retry(): Saved {
    return this.#durable ? { durable: true } : this.#save(this.#state);
  }

  #next(grants: readonly Grant[]): GrantState {
    return { changes: this.#state.changes + 1, grants: Object.freeze(grants) };
  }

  #save(state: GrantState): Saved {
    try {
      this.#kept.change(state.changes, grantLines(state.grants), (database) =>
        changeGrants(database, this.#onDisk, state.grants),
      );
      this.#onDisk = state.grants;
      this.#durable = true;
      return { durable: true };
    } catch (reason) {
      this.#durable = false;
      return { durable: false, why: Fault.from(reason).message };
    }
  }
}

function isSame(a: Grant, b: Grant): boolean {
  return a.caller === b.caller && a.server === b.server && a.tool === b.tool;
}
