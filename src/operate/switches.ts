import { join } from 'node:path';
import type { SwitchedOff, Switches } from '../domain/orders.ts';
import { Fault } from '../domain/faults.ts';
import { readState, writeState } from './state-file.ts';
import { readSwitches, writeSwitches, type SwitchState } from './switch-text.ts';

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

const fileName = 'switches.json';
/** Says that `switches.json` has existed here, so that its absence means loss and not a first start. */
const markName = 'switches-were-kept';

/** The operator's switches, in memory and on disk. One per daemon; the state directory must be the owner's alone. */
export class SwitchStore {
  readonly #dir: string;
  #state: SwitchState;
  #durable = true;

  private constructor(dir: string, state: SwitchState) {
    this.#dir = dir;
    this.#state = state;
  }

  /**
   * Reads `switches.json` in the state directory. Throws `CONFIG_INVALID` when it is unreadable, damaged, somebody
   * else's, from a newer mcpd, or gone: to start with nothing disabled would undo every switch in silence.
   */
  static open(dir: string): SwitchStore {
    const path = join(dir, fileName);
    const mark = join(dir, markName);
    const bytes = readState(path);
    if (bytes !== undefined) {
      const store = new SwitchStore(dir, readSwitches(bytes, path));
      if (readState(mark) === undefined) writeState(mark, '');
      return store;
    }
    if (readState(mark) !== undefined) {
      throw new Fault('CONFIG_INVALID', {
        detail: `${path} is gone, and with it what the operator switched off`,
        hint: `put the file back; or, if nothing needs to stay switched off, remove ${mark}`,
      });
    }
    // The file before its mark: a crash between the two leaves a file without a mark, which is put right above.
    const store = new SwitchStore(dir, { changes: 0, switches: nothingSwitchedOff });
    writeState(path, writeSwitches({ changes: 0, switches: nothingSwitchedOff }));
    writeState(mark, '');
    return store;
  }

  current(): Switches {
    return this.#state.switches;
  }

  /** How often switches have changed since the first start; part of every orders version. */
  changes(): number {
    return this.#state.changes;
  }

  /** False when something is in force that a restart would forget. */
  get durable(): boolean {
    return this.#durable;
  }

  /** In force from now on, whatever the disk says: a kill switch does not wait for space on a disk. */
  impose(next: Switches): Saved {
    const state = { changes: this.#state.changes + 1, switches: next };
    this.#state = state;
    return this.#save(state);
  }

  /** In force only if it reached the disk: what came back on by itself after a crash would have been a promise. */
  relax(next: Switches): Saved {
    const state = { changes: this.#state.changes + 1, switches: next };
    const saved = this.#save(state);
    if (saved.durable) this.#state = state;
    return saved;
  }

  /** Tries again to write what is in force, if an earlier attempt failed. */
  retry(): Saved {
    return this.#durable ? { durable: true } : this.#save(this.#state);
  }

  #save(state: SwitchState): Saved {
    try {
      writeState(join(this.#dir, fileName), writeSwitches(state));
      this.#durable = true;
      return { durable: true };
    } catch (reason) {
      this.#durable = false;
      return { durable: false, why: Fault.from(reason).message };
    }
  }
}
