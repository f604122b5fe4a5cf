import { availableParallelism } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { bindingText } from '../domain/binding.ts';
import type { Call } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import type { Halt, HaltReason } from '../domain/halt.ts';
import type { Answer } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import type { Catalog, UpstreamStatus } from '../domain/upstream.ts';
import type { ChildDeps, FleetDeps } from './deps.ts';
import { Health } from './health.ts';
import { Orphans } from './orphans.ts';
import { standardPace } from './pace.ts';
import { Stagger } from './stagger.ts';
import { Stragglers } from './stragglers.ts';
import { sweep } from './sweep.ts';
import type { Wellbeing } from './wellbeing.ts';
import { Upstream, type Inheritance } from './upstream.ts';

/** However few processors there are: one that waits for a disk must not hold up everybody. */
const startsAtOnceMin = 2;

/** All third-party servers, by name. */
export class Fleet {
  readonly #deps: ChildDeps;
  readonly #upstreams = new Map<string, Upstream>();
  /** Servers that were removed or replaced, on their way out: of each name the one that came last. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #watchers = new Set<() => void>();
  readonly #health: Health;
  readonly #stragglers: Stragglers;
  readonly #orphans: Orphans | undefined;
  #stopping = false;

  constructor(deps: FleetDeps) {
    const pace = deps.pace ?? standardPace;
    let questions = 0;
    const nextQuestionId = () => `s-${++questions}`;
    this.#stragglers = new Stragglers(deps.log);
    this.#deps = {
      ...deps,
      pace,
      nextQuestionId,
      stagger: new Stagger(Math.max(startsAtOnceMin, availableParallelism()), pace.turnMs),
      stragglers: this.#stragglers,
      changed: () => this.#changed(),
    };
    if (deps.reap !== undefined) this.#orphans = new Orphans(deps.reap, deps.ledger);
    this.#health = new Health(this.#deps, {
      servers: () => this.#upstreams.values(),
      look: () => this.#orphans?.look(),
    });
  }

  /**
   * Carries a call to its server, once, and gives the answer; `undefined` for a notification or a reply. The pass is spent
   * with the write. Rejects with an upstream fault, `UNKNOWN_SESSION`, `TOO_MANY`, `SECRET_UNAVAILABLE`, `DRAINING`,
   * `CANCELLED` or `ORDERS_CHANGED`.
   */
  forward(pass: Pass): Promise<Answer | undefined> {
    try {
      if (this.#stopping) throw new Fault('DRAINING');
      return this.#find(pass.call.server).forward(pass);
    } catch (reason) {
      return Promise.reject(Fault.from(reason));
    }
  }

  /** Starts what is new, stops what is gone, replaces what has changed, leaves the rest alone. */
  apply(servers: readonly ServerSpec[]): void {
    if (this.#stopping) return;
    const wanted = new Map(servers.map((spec) => [spec.name, spec]));
    for (const [name, upstream] of this.#upstreams) {
      const spec = wanted.get(name);
      if (spec === undefined) {
        this.#upstreams.delete(name);
        void this.#dismiss(upstream, 'its configuration was removed');
      } else if (!isDeepStrictEqual(spec, upstream.spec)) {
        const from = upstream.inheritance();
        // One after the other: two of the same server could fight over one file.
        this.#start(spec, this.#dismiss(upstream, 'its configuration changed'), from);
      } else upstream.retry();
    }
    // It may have been taken away a moment ago.
    for (const [name, spec] of wanted)
      if (!this.#upstreams.has(name)) this.#start(spec, this.#leaving.get(name));
    this.#health.changed();
  }

  /** Brings a server back, also one that was given up; forgives its deaths. Resolves when the old children are gone. */
  async restart(name: string): Promise<void> {
    // Nobody would end what came up now.
    if (this.#stopping) throw new Fault('DRAINING');
    await this.#find(name).restart();
  }

  /** Gives a server new children; calls under way are answered first, as far as the time goes. One that is gone needs none. */
  renew(name: string, why: string, withinMs: number): void {
    this.#upstreams.get(name)?.renew(why, withinMs);
  }

  /** Starts the children that could not be started for lack of something. */
  retry(name: string): void {
    if (!this.#stopping) this.#upstreams.get(name)?.retry();
  }

  /** Resolves when the session's own children are gone. */
  async endSession(sessionId: string): Promise<void> {
    await Promise.all([...this.#upstreams.values()].map((upstream) => upstream.endSession(sessionId)));
  }

  /** Stops the calls between two rounds, whose clients are away; says how many. */
  haltHeld(match: (call: Call) => boolean, reason: HaltReason): number {
    return [...this.#upstreams.values()].reduce((sum, it) => sum + it.haltHeld(match, reason), 0);
  }

  status(): (UpstreamStatus & Wellbeing)[] {
    return [...this.#upstreams.values()].map((upstream) => upstream.status());
  }

  /** What a server said it offers, without the cost of a whole status. */
  catalog(name: string): Catalog | undefined {
    return this.#upstreams.get(name)?.standing.tools;
  }

  /** See `DataPlane.fleet.hold`. */
  hold(server: string, halt: Halt): Promise<() => void> | undefined {
    return this.#stopping ? undefined : this.#upstreams.get(server)?.hold(halt);
  }

  /** See `DataPlane.fleet.bindingOf`. */
  bindingOf({ server, session, target }: Call): string {
    const upstream = this.#upstreams.get(server);
    const tool = target.kind === 'tool' ? upstream?.standing.tools?.tools.get(target.name) : undefined;
    return bindingText(tool?.digest ?? '', upstream?.childOf(session) ?? '');
  }

  /** Milliseconds to the server's standing child and back. */
  async ping(name: string): Promise<number> {
    return this.#find(name).standing.ping();
  }

  /** Resolves when every server has started or failed to, or when the time is over. */
  waitReady(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        resolve();
      };
      const look = () => {
        if ([...this.#upstreams.values()].every((upstream) => upstream.standing.settled)) done();
      };
      const timer = setTimeout(done, withinMs);
      this.#watchers.add(look);
      look();
    });
  }

  /** Takes no more calls, stops every child and resolves when they are gone, descendants included. Bounded by the steps of stopping. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#health.stop();
    const leaving = [...this.#upstreams.values()].map((upstream) => upstream.stop('the daemon is stopping'));
    await Promise.all([...leaving, ...this.#leaving.values()]);
    this.#stragglers.stop();
    // What left its process group by `setsid` did not get the group's signals.
    const escaped = [...sweep(this.#deps.cookie), ...((await this.#orphans?.end()) ?? [])];
    if (escaped.length > 0)
      this.#deps.log('warn', { pids: escaped }, 'ended processes that had left their group');
  }

  #find(name: string): Upstream {
    const upstream = this.#upstreams.get(name);
    if (upstream === undefined) throw new Fault('UPSTREAM_DOWN', { detail: `there is no server ${name}` });
    return upstream;
  }

  #start(spec: ServerSpec, after?: Promise<void>, from?: Inheritance): void {
    const upstream = new Upstream(this.#deps, spec, after, from);
    this.#upstreams.set(spec.name, upstream);
    upstream.begin();
  }

  #dismiss(upstream: Upstream, why: string): Promise<void> {
    const { name } = upstream.spec;
    const gone = upstream.stop(why).finally(() => {
      if (this.#leaving.get(name) === gone) this.#leaving.delete(name);
    });
    this.#leaving.set(name, gone);
    return gone;
  }

  #changed(): void {
    for (const look of [...this.#watchers]) look();
  }
}
