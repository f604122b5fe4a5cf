import type { Gate } from '../confirm/gate.ts';
import type { Call } from '../domain/call.ts';
import type { Durability } from '../domain/care.ts';
import type { Clock } from '../domain/clock.ts';
import type { Facts } from '../domain/decision.ts';
import type { HaltReason } from '../domain/halt.ts';
import type { Orders } from '../domain/orders.ts';
import type { UpstreamStatus } from '../domain/upstream.ts';
import type { PinStore } from '../pins/pin-store.ts';
import type { GrantStore } from './grants.ts';
import type { Operator, Role } from './operators.ts';
import type { PackageDesk } from './package-commands.ts';
import type { ReloadReport } from './reload.ts';
import type { SecretDesk } from './secret-commands.ts';
import type { Health } from './status.ts';
import type { SwitchStore } from './switches.ts';

/**
 * What the operator's commands need from the house, and nothing more. The admin plane touches the data plane in three
 * places: it replaces the orders, answers a waiting question, and tells the fleet what to run. It never edits a call.
 */
export type AdminPlane = {
  readonly orders: { readonly current: () => Orders; readonly replace: (next: Orders) => void };
  readonly switches: SwitchStore;
  readonly grants: GrantStore;
  readonly pins: Pick<PinStore, 'report' | 'pinTool' | 'pinServer' | 'heldBack' | 'unsaved'>;
  readonly packages: PackageDesk;
  /** What decisions ask about the world; for what callers would find. */
  readonly facts: Facts;
  /** Tools that rest after failures, or are tried again. */
  readonly breakers: () => readonly BreakerState[];
  /** Where calls wait for the operator's yes. */
  readonly gate: Pick<Gate, 'list' | 'answer' | 'leases' | 'endLeases'>;
  readonly fleet: {
    readonly status: () => readonly UpstreamStatus[];
    /** Stops every child of one server and starts it afresh. Resolves when the old ones are gone. */
    readonly restart: (name: string) => Promise<void>;
  };
  /** Stops every matching call under way and says how many there were. */
  readonly inFlight: { readonly haltWhere: (match: (call: Call) => boolean, reason: HaltReason) => number };
  readonly keys: {
    /** Reads the key file again. Throws `CONFIG_INVALID`, and then the old keys stay. */
    readonly reload: () => void;
    readonly names: () => readonly string[];
  };
  readonly secrets: SecretDesk;
  /** The persons with a token of their own. `count` reads their file, and throws `CONFIG_INVALID` for one that is damaged. */
  readonly operators: { readonly count: () => number };
  readonly policies: { readonly reload: () => Promise<ReloadReport> };
  /** One journal line. Rejects with `AUDIT_UNAVAILABLE`. */
  readonly audit: { readonly command: (record: CommandRecord, durability?: Durability) => Promise<void> };
  readonly health: () => Health;
  readonly clock: Clock;
};

/** A circuit breaker that is not closed. */
export type BreakerState = {
  readonly server: string;
  readonly tool: string;
  readonly state: 'open' | 'half-open';
  /** Wall clock, milliseconds since 1970, at which a call is let through again. */
  readonly untilMs: number;
};

/** What the journal says about one operator command. */
export type CommandRecord = {
  /** Who gave it: a user of this machine or a person with a token; a stranger as they call themselves. */
  readonly by: string;
  /** How we know, and what they may do; absent for a stranger, and for what came by another way. */
  readonly as?: Operator['as'];
  readonly role?: Role;
  readonly command: string;
  /** `name=value` for a text, the name alone for a flag. */
  readonly args: readonly string[];
  /** `begun` before a command that loosens anything; then `done`, or `refused: CODE`. */
  readonly result: string;
};
