import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { UpstreamState } from '../domain/upstream.ts';
import type { Launch } from '../domain/wall.ts';
import { isPassing } from '../files/passing.ts';
import type { Connection, Hearing } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { whenAnswered } from './drain.ts';
import { Instance } from './instance.ts';
import { launchFor } from './launch.ts';
import { afterDeath, noDeaths, pauseMs, type Deaths } from './restart.ts';
import type { Turn } from './stagger.ts';
import { Waiters } from './waiters.ts';

export type SupervisorWork = {
  readonly deps: ChildDeps;
  readonly spec: ServerSpec;
  /** Whose child it is, for the log; undefined where it belongs to no single session, or not yet. */
  readonly sessionId: string | undefined;
  readonly hearing: Hearing;
  /** The handshake. The child is ready when this resolves, and is replaced when it rejects. */
  readonly greet: (connection: Connection) => Promise<void>;
  /** Told how long the child took to answer whether it is there; undefined when it did not answer. */
  readonly heartbeat?: (tookMs: number | undefined) => void;
  /** A start failed, or a running child ended. */
  readonly trouble?: (fault: Fault) => void;
  /** A child is ready. Must not throw. */
  readonly ready?: () => void;
};

/** What may follow what. */
const next: Readonly<Record<UpstreamState, readonly UpstreamState[]>> = {
  starting: ['ready', 'backing-off', 'given-up', 'lacks-secret', 'refused', 'stopping', 'stopped'],
  ready: ['backing-off', 'given-up', 'stopping'],
  'backing-off': ['starting', 'stopped'],
  'given-up': ['starting', 'stopped'],
  'lacks-secret': ['starting', 'stopped'],
  refused: ['starting', 'stopped'],
  stopping: ['stopped', 'starting'],
  stopped: ['starting'],
};

/** Nothing brings the child back but somebody's help. */
const grave: ReadonlySet<UpstreamState> = new Set(['given-up', 'lacks-secret', 'refused']);

/** Keeps one child alive: starts it, greets it, brings it back when it dies, and gives up visibly when that is no use. */
export class Supervisor {
  readonly #work: SupervisorWork;
  readonly #waiters: Waiters;
  #state: UpstreamState = 'stopped';
  #because: string | undefined;
  #fault: Fault | undefined;
  #instance: Instance | undefined;
  #deaths: Deaths = noDeaths;
  #readyAt: number | undefined;
  #restarts = 0;
  #hung = 0;
  #turn: Turn | undefined;
  #isWanted = false;
  /** Secrets were changed while a start had them in its hands. */
  #isStale = false;
  #droppedBefore = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Start again once the child that is stopping is gone. */
  #again = false;
  #stopped: (() => void)[] = [];

  constructor(work: SupervisorWork) {
    this.#work = work;
    // As many as could have been in the child and in its line, were it there.
    this.#waiters = new Waiters(work.spec.concurrency + work.spec.waitingMax);
  }

  get state(): UpstreamState {
    return this.#state;
  }

  get because(): string | undefined {
    return this.#because;
  }

  get pid(): number | undefined {
    return this.#instance?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Children that were replaced because they hung. */
  get hung(): number {
    return this.#hung;
  }

  get inFlight(): number {
    return this.#instance?.connection.inFlight ?? 0;
  }

  get waiting(): number {
    return (this.#instance?.connection.waiting ?? 0) + this.#waiters.size;
  }

  get dropped(): number {
    return this.#droppedBefore + (this.#instance?.dropped ?? 0);
  }

  /** The conversation with the child, while it is ready. */
  get connection(): Connection | undefined {
    return this.#state === 'ready' && this.#instance?.isLeaving === false
      ? this.#instance.connection
      : undefined;
  }

  /** The conversation with the child, where it can be asked whether it is there. */
  get audible(): Connection | undefined {
    if (this.connection !== undefined) return this.connection;
    const connection = this.#state === 'starting' ? this.#instance?.connection : undefined;
    // Up, and not greeted yet: a spare.
    return connection?.isQuiet === true && this.isOn(connection) ? connection : undefined;
  }

  /** Whether this is the conversation with its child still. */
  isOn(connection: Connection): boolean {
    return this.#instance?.connection === connection && !this.#instance.isLeaving;
  }

  /** The child said how long it took to say that it is there; undefined: it did not. */
  heartbeat(tookMs: number | undefined): void {
    this.#work.heartbeat?.(tookMs);
  }

  /** The child does not answer any more: it is replaced, and that counts as a death. What it was asked fails now. */
  replace(why: string): void {
    if (this.#instance === undefined || this.#instance.isLeaving) return;
    this.#hung++;
    const { deps, spec, sessionId } = this.#work;
    deps.log(
      'error',
      { server: spec.name, session: sessionId, childPid: this.pid, why },
      `${spec.name} hangs`,
    );
    this.#instance.hangs(why);
  }

  /** Starts, once `after` has resolved, unless it is stopped before. */
  start(after?: Promise<void>): void {
    if (this.#state === 'starting' || this.#state === 'ready') return;
    if (this.#state === 'stopping') {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#enter('starting');
    void this.#launch(after);
  }

  /** Somebody has come to use it: forgets all deaths so far, which were not this user's, and goes before those who wait for nobody. */
  forgive(): void {
    this.#deaths = noDeaths;
    this.#isWanted = true;
    this.#turn?.hurry();
  }

  /** Somebody waits for what it will say: it goes before those whom nobody waits for. */
  hurry(): void {
    this.#turn?.hurry();
  }

  /** Forgives all deaths and starts anew, whatever the state. Resolves when the old child is gone. */
  restart(): Promise<void> {
    this.#deaths = noDeaths;
    if (this.#instance === undefined) {
      this.start();
      return Promise.resolve();
    }
    this.#leave('restarted by the operator');
    this.#again = true;
    return new Promise((resolve) => this.#stopped.push(resolve));
  }

  /**
   * Another child in the place of the one that runs: it takes nothing new, and leaves when what it was sent is answered or the
   * time is over. What comes meanwhile waits for its successor. A child that does not run is left as it is.
   */
  renew(why: string, withinMs: number): void {
    const instance = this.#instance;
    // What a start has in its hands may be what is to be replaced.
    if (instance === undefined) this.#isStale = true;
    if (instance === undefined || this.#state === 'stopping') return;
    const { clock } = this.#work.deps;
    this.#deaths = noDeaths;
    this.#enter('stopping', why);
    this.#again = true;
    whenAnswered(instance.connection, { clock, withinMs }, () => instance.stop(why));
  }

  /** Resolves when the child is gone; bounded by the steps of stopping. */
  async stop(why: string): Promise<void> {
    clearTimeout(this.#timer);
    this.#again = false;
    if (this.#state === 'stopped') return;
    if (this.#instance === undefined) {
      this.#enter('stopped', why);
      this.#waiters.fail(this.#down());
      return;
    }
    this.#leave(why);
    await new Promise<void>((resolve) => this.#stopped.push(resolve));
  }

  /** Waits for a child that is on its way. Rejects with `UPSTREAM_DOWN` or `SECRET_UNAVAILABLE`, at once when there is no hope. */
  whenReady(withinMs: number, halt: Halt): Promise<Connection> {
    const { connection } = this;
    if (connection !== undefined) return Promise.resolve(connection);
    this.#turn?.hurry();
    const hopeful =
      this.#again || this.#state === 'starting' || this.#state === 'ready' || this.#state === 'backing-off';
    return hopeful ? this.#waiters.wait(withinMs, halt, () => this.#down()) : Promise.reject(this.#down());
  }

  async #launch(after: Promise<void> | undefined): Promise<void> {
    const { deps, spec } = this.#work;
    await after;
    const isMine = await this.#takeTurn();
    if (!isMine) return;
    this.#isStale = false;
    let secrets: Readonly<Record<string, string>>;
    try {
      secrets = await deps.secretsFor(spec);
    } catch (reason) {
      return this.#cannotStart('lacks-secret', Fault.from(reason));
    }
    // Stopped, or stopped and started again, while the keychain thought about it.
    if (this.#state !== 'starting' || this.#instance !== undefined) return deps.secretsBack?.(secrets);
    let launch: Launch;
    try {
      launch = await launchFor(deps, spec);
      await deps.admit?.(spec);
    } catch (reason) {
      deps.secretsBack?.(secrets);
      // Started anew meanwhile: that one says how it goes.
      if (this.#state !== 'starting' || this.#instance !== undefined) return;
      if (isPassing(reason)) return this.#putOff(`it cannot be started: ${(reason as Error).message}`);
      return this.#cannotStart('refused', Fault.from(reason));
    }
    if (this.#state !== 'starting' || this.#instance !== undefined) return deps.secretsBack?.(secrets);
    if (this.#isStale) {
      deps.secretsBack?.(secrets);
      return this.#launch(undefined);
    }
    let instance: Instance;
    try {
      instance = this.#instanceWith(secrets, launch);
    } catch (reason) {
      deps.secretsBack?.(secrets);
      return this.#died(Fault.from(reason).message);
    }
    this.#instance = instance;
    try {
      await this.#work.greet(instance.connection);
    } catch (reason) {
      // `ended` follows, and decides what to do.
      return instance.stop(`did not start: ${Fault.from(reason).message}`);
    }
    if (this.#instance === instance && this.#state === 'starting') this.#ready(instance);
  }

  /** Waits until not too many others start. False: it was stopped meanwhile, or started by somebody else. */
  async #takeTurn(): Promise<boolean> {
    const { stagger } = this.#work.deps;
    if (this.#state !== 'starting' || this.#instance !== undefined) return false;
    if (stagger === undefined) return true;
    this.#turn?.done();
    const turn = stagger.take(this.#isWanted || this.#waiters.size > 0);
    this.#turn = turn;
    await turn.come;
    return this.#turn === turn && this.#state === 'starting' && this.#instance === undefined;
  }

  #instanceWith(secrets: Readonly<Record<string, string>>, launch: Launch): Instance {
    const { deps, spec, hearing } = this.#work;
    const work = this.#work;
    return new Instance({
      deps,
      spec,
      secrets,
      launch,
      hearing,
      // Looked up for each line: a spare child gets its session late.
      labels: {
        server: spec.name,
        get session() {
          return work.sessionId;
        },
      },
      nextQuestionId: deps.nextQuestionId,
      ended: (because) => this.#died(because),
    });
  }

  #ready(instance: Instance): void {
    this.#readyAt = this.#work.deps.clock.steadyMs();
    this.#isWanted = false;
    this.#enter('ready');
    this.#waiters.succeed(instance.connection);
    this.#work.ready?.();
    this.#work.deps.onReady?.(this.#work.spec);
  }

  #cannotStart(state: 'lacks-secret' | 'refused', fault: Fault): void {
    if (this.#state !== 'starting') return;
    const hint = fault.hint === undefined ? '' : `; ${fault.hint}`;
    const more = fault.hint === undefined ? {} : { hint: fault.hint };
    // Why a start was refused is the operator's business; for callers the server is down.
    const code = state === 'refused' ? 'UPSTREAM_DOWN' : 'SECRET_UNAVAILABLE';
    this.#fault = new Fault(code, { detail: fault.message, cause: fault, ...more });
    this.#enter(state, `${fault.message}${hint}`);
    this.#waiters.fail(this.#fault);
    this.#work.trouble?.(this.#fault);
  }

  #leave(why: string): void {
    // A child that was let finish its calls is told to go now; one that was told so is not told again.
    if (this.#state !== 'stopping') this.#enter('stopping', why);
    this.#instance?.stop(why);
  }

  #died(because: string): void {
    const { deps, spec, sessionId } = this.#work;
    const instance = this.#instance;
    this.#instance = undefined;
    this.#droppedBefore += instance?.dropped ?? 0;
    const now = deps.clock.steadyMs();
    const upMs = this.#readyAt === undefined ? 0 : now - this.#readyAt;
    this.#readyAt = undefined;
    if (this.#state === 'stopping') this.#gone(because);
    else this.#comeBack(because, instance?.lastWords ?? '', now, upMs);
    deps.onInstanceEnd?.(spec.name, sessionId, because);
    this.#work.trouble?.(new Fault('UPSTREAM_DIED', { detail: `${spec.name}: ${because}` }));
  }

  #gone(because: string): void {
    this.#enter('stopped', this.#because ?? because);
    for (const resolve of this.#stopped.splice(0)) resolve();
    if (this.#again) {
      this.#again = false;
      this.start();
    } else this.#waiters.fail(this.#down());
  }

  #comeBack(because: string, lastWords: string, now: number, upMs: number): void {
    const { deps } = this.#work;
    const { deathsMax, deathsWithinMs } = this.#work.spec.care;
    const terms = { ...deps.pace, deathsMax, deathsWithinMs };
    const verdict = afterDeath(this.#deaths, now, upMs, deps.random(), terms);
    this.#deaths = verdict.deaths;
    const told = lastWords === '' ? because : `${because}; its last words: ${lastWords}`;
    if (verdict.kind === 'give-up') {
      this.#enter(
        'given-up',
        `ended ${verdict.deaths.at.length} times in ${Math.round(deathsWithinMs / 1000)} s, the last time: ${told}`,
      );
      this.#waiters.fail(this.#down());
      return;
    }
    this.#restarts++;
    this.#enter('backing-off', told);
    this.#timer = setTimeout(() => this.start(), verdict.inMs);
  }

  /** A full disk is no reason to stay down until somebody comes: tried again, as long as it takes. */
  #putOff(because: string): void {
    const { deps } = this.#work;
    // Nothing of its own has ended: that lengthens the pause, and does not count towards giving it up.
    this.#deaths = { ...this.#deaths, inARow: this.#deaths.inARow + 1 };
    this.#enter('backing-off', because);
    this.#timer = setTimeout(() => this.start(), pauseMs(this.#deaths.inARow, deps.random(), deps.pace));
    // Whoever opens a session is told now, and does not wait for the disk.
    this.#work.trouble?.(this.#down());
  }

  /** Why there is no child to talk to. */
  #down(): Fault {
    const cannot = this.#state === 'lacks-secret' || this.#state === 'refused';
    if (cannot && this.#fault !== undefined) return this.#fault;
    const { name } = this.#work.spec;
    const detail = `${name} is ${this.#state}${this.#because === undefined ? '' : `: ${this.#because}`}`;
    return new Fault(
      'UPSTREAM_DOWN',
      this.#state === 'given-up' ? { detail, hint: `mcpd ctl restart ${name}` } : { detail },
    );
  }

  #enter(state: UpstreamState, because?: string): void {
    if (!next[this.#state].includes(state)) {
      throw new Fault('BUG', { detail: `${this.#work.spec.name} cannot go from ${this.#state} to ${state}` });
    }
    this.#state = state;
    this.#because = because;
    if (state !== 'starting') {
      this.#turn?.done();
      this.#turn = undefined;
    }
    const { deps, spec, sessionId } = this.#work;
    const level = grave.has(state) ? 'error' : state === 'backing-off' ? 'warn' : 'info';
    deps.log(
      level,
      { server: spec.name, session: sessionId, childPid: this.pid, because },
      `${spec.name} is ${state}`,
    );
    deps.changed();
  }
}
