import type { SwitchedOff, Switches } from '../domain/orders.ts';
import { Fault } from '../domain/faults.ts';
import type { Database } from '../files/database.ts';
import { Kept } from '../files/kept.ts';
import { changeSwitches, loadSwitches, switchLines } from './switch-rows.ts';

/** What a switch is about. */
export type SwitchTarget =
  | { readonly kind: 'tool'; readonly name: string }
  | { readonly kind: 'server'; readonly name: string }
  | { readonly kind: 'caller'; readonly name: string }
  | { readonly kind: 'lockdown' };

/** Whether a change reached the disk. */
export type Saved = { readonly durable: true } | { readonly durable: false; readonly why: string };

export const nothingSwitchedOff: Switches = Object.freeze({
  tools: new Map(),
  servers: new Map(),
  callers: new Map(),
  lockdown: undefined,
});

/** The switch for a target, or undefined while it is on. */
export function switchedOff(switches: Switches, target: SwitchTarget): SwitchedOff | undefined {
  return target.kind === 'lockdown' ? switches.lockdown : switches[plural[target.kind]].get(target.name);
}

/** The same switches with one thrown (`off` given) or taken back. Makes a new value. */
export function withSwitch(switches: Switches, target: SwitchTarget, off: SwitchedOff | undefined): Switches {
  if (target.kind === 'lockdown') return Object.freeze({ ...switches, lockdown: off });
  const which = plural[target.kind];
  const changed = new Map(switches[which]);
  if (off === undefined) changed.delete(target.name);
  else changed.set(target.name, off);
  return Object.freeze({ ...switches, [which]: changed });
}

const plural = { tool: 'tools', server: 'servers', caller: 'callers' } as const;

/** The operator's switches, in memory and in the state's database. One per daemon. */
export class SwitchStore {
  readonly #kept: Kept;
  #switches: Switches;
  #changes: number;
  /** What the database holds. */
  #onDisk: Switches;
  #durable = true;

  private constructor(kept: Kept, switches: Switches) {
    this.#kept = kept;
    this.#switches = switches;
    this.#onDisk = switches;
    this.#changes = kept.version;
  }

  /** Throws `CONFIG_INVALID` when the switches are damaged: to start with nothing disabled would undo every switch in silence. */
  static open(database: Database): SwitchStore {
    const switches = loadSwitches(database);
    return new SwitchStore(Kept.open(database, 'switches', switchLines(switches)), switches);
  }

  current(): Switches {
    return this.#switches;
  }

  /** How often switches have changed since the first start; part of every orders version. */
  changes(): number {
    return this.#changes;
  }

  /** False when something is in force that a restart would forget. */
  get durable(): boolean {
    return this.#durable;
  }

  /** In force from now on, whatever the disk says: a kill switch does not wait for space on a disk. */
  impose(next: Switches): Saved {
    this.#switches = next;
    this.#changes++;
    return this.#save(next, this.#changes);
  }

  /** In force only if it reached the disk: what came back on by itself after a crash would have been a promise. */
  relax(next: Switches): Saved {
    const saved = this.#save(next, this.#changes + 1);
    if (!saved.durable) return saved;
    this.#switches = next;
    this.#changes++;
    return saved;
  }

  /** Tries again to write what is in force, if an earlier attempt failed. */
  retry(): Saved {
    return this.#durable ? { durable: true } : this.#save(this.#switches, this.#changes);
  }

  #save(switches: Switches, changes: number): Saved {
    try {
      this.#kept.change(changes, switchLines(switches), (database) =>
        changeSwitches(database, this.#onDisk, switches),
      );
      this.#onDisk = switches;
      this.#durable = true;
      return { durable: true };
    } catch (reason) {
      this.#durable = false;
      return { durable: false, why: Fault.from(reason).message };
    }
  }
}
