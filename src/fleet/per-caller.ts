import { Fault } from '../domain/faults.ts';
import type { Answer } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import { Deadlines } from './deadlines.ts';
import type { ChildDeps } from './deps.ts';
import { Members } from './members.ts';
import type { Places } from './places.ts';
import { Shared } from './shared.ts';
import type { Supervisor } from './supervisor.ts';

/** A caller's child, and whether anybody needs it. */
type Home = {
  readonly shared: Shared;
  /** Messages under way, from the door of this room until they are answered. */
  busy: number;
  /** Steady milliseconds. */
  usedAt: number;
};

/**
 * One child for each caller of a server. A child that its caller has not used for a while is stopped and its place kept, so
 * that it can always come back; with its caller's last session the place is given up, too.
 */
export class PerCaller {
  readonly #deps: ChildDeps;
  readonly #spec: ServerSpec;
  readonly #places: Places;
  /** Children of an earlier configuration go first: two of the same server could fight over one file. */
  readonly #after: Promise<void> | undefined;
  readonly #homes = new Map<string, Home>();
  readonly #leaving = new Set<Promise<void>>();
  readonly #idle: Deadlines;
  #stopped = false;
  /** Of children that are gone. */
  #restarts = 0;
  #dropped = 0;

  constructor(deps: ChildDeps, spec: ServerSpec, places: Places, after: Promise<void> | undefined) {
    this.#deps = deps;
    this.#spec = spec;
    this.#places = places;
    this.#after = after;
    this.#idle = new Deadlines(deps.clock, (now) => this.#sweep(now));
  }

  get leaving(): number {
    return this.#leaving.size;
  }

  /** Callers whose child sleeps. */
  get asleep(): number {
    return [...this.#homes.values()].filter(({ shared }) => shared.supervisor.state === 'stopped').length;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get dropped(): number {
    return [...this.#homes.values()].reduce((sum, { shared }) => sum + shared.dropped, this.#dropped);
  }

  supervisorOf(caller: string): Supervisor | undefined {
    return this.#homes.get(caller)?.shared.supervisor;
  }

  supervisors(): readonly Supervisor[] {
    return [...this.#homes.values()].map(({ shared }) => shared.supervisor);
  }

  /** By the caller's name, what its sessions want; for whoever takes over from this one. */
  members(): ReadonlyMap<string, Members> {
    return new Map([...this.#homes].map(([name, { shared }]) => [name, shared.members]));
  }

  /** Goes on for sessions that another one served: those that follow something have a child at once, others when they call. */
  takeOver(members: ReadonlyMap<string, Members>): void {
    for (const [name, theirs] of members) {
      if (theirs.size === 0 || !this.#places.take()) continue;
      const { shared } = this.#settle(name, theirs, this.#after);
      if (theirs.followed > 0) shared.wake();
    }
  }

  /** Rejects as `Shared.forward`, and with `TOO_MANY`. */
  async forward(pass: Pass): Promise<Answer | undefined> {
    const { message, principal, halt } = pass.call;
    if (halt.reason !== undefined) throw new Fault('CANCELLED', { detail: halt.reason });
    if (!this.#homes.has(principal.name) && message.kind !== 'request') {
      // There is no child that it could be for, and none is started to hear it.
      pass.spend();
      return undefined;
    }
    return this.use(principal.name, (shared) => shared.forward(pass));
  }

  /** Does something with a caller's child, which is not idle meanwhile. Rejects with `TOO_MANY`. */
  async use<T>(caller: string, work: (shared: Shared) => Promise<T>): Promise<T> {
    const home = this.#homes.get(caller) ?? this.#open(caller);
    home.busy++;
    try {
      return await work(home.shared);
    } finally {
      home.busy--;
      this.#used(home);
    }
  }

  leave(sessionId: string): void {
    for (const home of this.#homes.values()) {
      if (!home.shared.members.has(sessionId)) continue;
      home.shared.leave(sessionId);
      this.#used(home);
    }
  }

  /** Starts the children that run anew; those that sleep will be new when they wake. */
  async restart(): Promise<void> {
    const awake = this.supervisors().filter(({ state }) => state !== 'stopped' && state !== 'stopping');
    await Promise.all(awake.map((it) => it.restart()));
  }

  async stop(why: string): Promise<void> {
    this.#stopped = true;
    this.#idle.stop();
    for (const name of [...this.#homes.keys()]) void this.#discard(name, why);
    await Promise.all(this.#leaving);
  }

  #open(name: string): Home {
    const place = this.#makePlace();
    const after = place === undefined ? this.#after : Promise.all([place, this.#after]).then(() => undefined);
    return this.#settle(name, new Members(), after);
  }

  #settle(name: string, members: Members, after: Promise<void> | undefined): Home {
    const shared = new Shared({ deps: this.#deps, spec: this.#spec, among: 'one caller', members, after });
    const home: Home = { shared, busy: 0, usedAt: this.#deps.clock.steadyMs() };
    this.#homes.set(name, home);
    return home;
  }

  /** Takes a place, that of a caller without sessions if need be; resolves when it is free. Throws `TOO_MANY`. */
  #makePlace(): Promise<void> | undefined {
    if (this.#stopped) throw new Fault('UPSTREAM_DOWN', { detail: `${this.#spec.name} is stopping` });
    if (this.#places.take()) return undefined;
    const empty = [...this.#homes].filter(([, { shared, busy }]) => shared.members.size === 0 && busy === 0);
    const oldest = empty.toSorted(([, one], [, other]) => one.usedAt - other.usedAt)[0];
    if (oldest === undefined) {
      throw new Fault('TOO_MANY', { detail: `${this.#spec.name}: ${this.#places.max} children are running` });
    }
    // Its place goes to the newcomer, who starts when it is gone.
    return this.#discard(oldest[0], 'another caller needed its place', false);
  }

  #used(home: Home): void {
    home.usedAt = this.#deps.clock.steadyMs();
    if (!this.#stopped) this.#idle.by(home.usedAt + this.#spec.idleMs);
  }

  /** Stops what nobody uses; gives the time of the next look. */
  #sweep(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const [name, home] of this.#homes) {
      const { shared, busy, usedAt } = home;
      // Who follows a resource uses the child by waiting.
      const isUsed = busy > 0 || shared.members.followed > 0;
      const dueAt = (isUsed ? now : usedAt) + this.#spec.idleMs;
      if (dueAt > now) next = Math.min(next, dueAt);
      else if (shared.members.size === 0) void this.#discard(name, 'nobody used it');
      else if (shared.supervisor.state !== 'given-up') void shared.sleep('nobody used it');
    }
    return next;
  }

  #discard(name: string, why: string, givesPlaceBack = true): Promise<void> {
    const home = this.#homes.get(name);
    if (home === undefined) return Promise.resolve();
    this.#homes.delete(name);
    const gone = home.shared.stop(why).finally(() => {
      this.#leaving.delete(gone);
      this.#restarts += home.shared.supervisor.restarts;
      this.#dropped += home.shared.dropped;
      if (givesPlaceBack) this.#places.giveBack();
    });
    this.#leaving.add(gone);
    return gone;
  }
}
