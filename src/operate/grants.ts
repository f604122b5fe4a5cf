import { join } from 'node:path';
import { Fault } from '../domain/faults.ts';
import type { Grant } from '../domain/orders.ts';
import { readGrants, writeGrants, type GrantState } from './grant-text.ts';
import { readState, writeState } from './state-file.ts';
import type { Saved } from './switches.ts';

const fileName = 'grants.json';
/** Live grants at once: each costs a look at every call, and nobody keeps an eye on more. */
export const grantsMax = 1000;

/** The operator's grants, in memory and on disk. One per daemon; the state directory must be the owner's alone. */
export class GrantStore {
  readonly #path: string;
  #state: GrantState;
  #durable = true;

  private constructor(path: string, state: GrantState) {
    this.#path = path;
    this.#state = state;
  }

  /**
   * Reads `grants.json` in the state directory. Throws `CONFIG_INVALID` when it is unreadable, damaged, somebody else's or
   * from a newer mcpd. Where there is none, nothing is granted.
   */
  static open(dir: string): GrantStore {
    const path = join(dir, fileName);
    const bytes = readState(path);
    return new GrantStore(path, bytes === undefined ? { changes: 0, grants: [] } : readGrants(bytes, path));
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
      writeState(this.#path, writeGrants(state));
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
