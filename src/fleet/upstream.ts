import type { Session } from '../domain/caller.ts';
import type { Call } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import type { Halt, HaltReason } from '../domain/halt.ts';
import type { Answer } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import type { UpstreamState, UpstreamStatus } from '../domain/upstream.ts';
import { Bridge, type Around } from './bridge.ts';
import type { ChildDeps } from './deps.ts';
import { Members } from './members.ts';
import { PerCaller } from './per-caller.ts';
import { Places } from './places.ts';
import { Proofs } from './proofs.ts';
import { Seats } from './seats.ts';
import { Settled } from './settled.ts';
import { Slumber, type Sleeper } from './slumber.ts';
import { Standing } from './standing.ts';
import type { Supervisor } from './supervisor.ts';
import type { Wellbeing } from './wellbeing.ts';

/** What a server that takes the place of this one goes on with: sessions that share a child outlive a change of its command. */
export type Inheritance = {
  readonly sharing: ServerSpec['sharing'];
  readonly members: Members;
  readonly perCaller: ReadonlyMap<string, Members>;
};

/** One third-party server: its standing child, and those of its sessions or callers where it does not serve all of them. */
export class Upstream {
  readonly spec: ServerSpec;
  readonly standing: Standing;
  readonly #deps: ChildDeps;
  readonly #after: Promise<void> | undefined;
  readonly #members: Members;
  readonly #places: Places;
  readonly #seats: Seats;
  readonly #perCaller: PerCaller;
  /** For clients of the modern era. */
  readonly #bridge: Bridge;
  /** Where children are started when somebody wants them; undefined: now. */
  readonly #slumber: Slumber | undefined;
  readonly #proofs: Proofs;
  /** Whether there is nothing to wait for before a call is judged. */
  readonly #known: Settled;

  /** `after`: what must be gone before the standing child, or one of a caller, is started. */
  constructor(deps: ChildDeps, spec: ServerSpec, after?: Promise<void>, from?: Inheritance) {
    const inherited = from?.sharing === spec.sharing ? from : undefined;
    this.#deps = deps;
    this.#after = after;
    this.spec = spec;
    this.#members = inherited?.members ?? new Members();
    const watched = { ...deps, changed: () => this.#changed() };
    this.#bridge = new Bridge(watched, spec, {
      isModern: () => this.standing.shared.era === 'modern',
      // Spare children give way, as soon as there is one too many.
      othersChildren: () => this.#places.taken - this.#seats.spares.places,
      together: this.#together(),
    });
    this.#places = new Places(spec.childrenMax, () => this.#bridge.supervisors().length);
    this.#seats = new Seats(deps, spec, this.#places);
    this.#perCaller = new PerCaller(deps, spec, this.#places, after);
    this.standing = new Standing(watched, spec, this.#members, after);
    this.#proofs = new Proofs(deps, spec);
    this.#known = new Settled(() => this.#isKnown(), Math.min(spec.startWithinMs, spec.answerWithinMs));
    if (spec.care.start === 'wanted') this.#slumber = new Slumber(this.#sleeper());
    if (inherited !== undefined) this.#perCaller.takeOver(inherited.perCaller);
  }

  /** Starts what is to run at once. */
  begin(): void {
    if (this.#slumber === undefined || this.#members.followed > 0) this.standing.shared.wake();
  }

  /** What is done for it now and then. */
  look(now: number): void {
    this.#slumber?.look(now);
    this.#proofs.look(now, this.standing.supervisor.connection);
  }

  forward(pass: Pass): Promise<Answer | undefined> {
    const { kind } = pass.call.message;
    // Whoever only notifies or replies wants nothing of a server that sleeps.
    if (this.#slumber === undefined || kind !== 'request') return this.#carry(pass);
    return this.#slumber.use(pass.call.halt, () => this.#carry(pass));
  }

  /** Undefined where it does not sleep anyway, and what it offers is known. */
  hold(halt: Halt): Promise<() => void> | undefined {
    if (this.#slumber !== undefined) return this.#slumber.hold(halt);
    if (this.#isKnown()) return undefined;
    // A tool that changed while mcpd was away would be called as what was pinned, and one that admits to be destructive as harmless.
    this.standing.supervisor.hurry();
    return this.#known.come(halt).then(() => () => undefined);
  }

  /** Whether its tools are known, or will not be soon. */
  #isKnown(): boolean {
    const { tools, supervisor } = this.standing;
    return tools !== undefined || !onItsWay.has(supervisor.state);
  }

  #carry(pass: Pass): Promise<Answer | undefined> {
    const { message, session } = pass.call;
    if (session.era === 'modern') return this.#bridge.forward(pass);
    const opens = message.kind === 'request' && message.method === 'initialize';
    if (opens && this.#mayBeModern) return this.#openOnceKnown(pass);
    return this.#forwardLegacy(pass, opens);
  }

  #forwardLegacy(pass: Pass, opens: boolean): Promise<Answer | undefined> {
    if (this.spec.protocol === 'modern' || this.standing.shared.era === 'modern')
      return this.#bridge.forwardLegacy(pass);
    if (this.spec.sharing === 'all') return this.standing.shared.forward(pass);
    if (opens) this.#refuseWhenGivenUp();
    return this.spec.sharing === 'principal' ? this.#perCaller.forward(pass) : this.#seats.forward(pass);
  }

  #together(): Around['together'] {
    switch (this.spec.sharing) {
      case 'session':
        return undefined;
      case 'principal':
        return (caller, work) => this.#perCaller.use(caller, work);
      case 'all':
        return (_caller, work) => work(this.standing.shared);
    }
  }

  /** Nobody knows yet whether the server understands `initialize`. */
  get #mayBeModern(): boolean {
    const { era, supervisor } = this.standing.shared;
    return era === undefined && this.spec.protocol !== 'legacy' && supervisor.state === 'starting';
  }

  async #openOnceKnown(pass: Pass): Promise<Answer | undefined> {
    // Whatever comes of the standing child, the session's own may do better.
    await this.standing.supervisor.whenReady(this.spec.startWithinMs, pass.call.halt).catch(() => undefined);
    return this.#forwardLegacy(pass, true);
  }

  /**
   * Which child carries the messages of a session now; empty while none does. Where one is chosen for each call, another text
   * after the server was restarted, or a child of that caller's ended.
   */
  childOf({ id, era, principal }: Session): string {
    switch (this.spec.sharing) {
      case 'all':
        return nameOf(this.standing.supervisor);
      case 'principal':
        return nameOf(this.#perCaller.supervisorOf(principal.name));
      case 'session': {
        const seat = era === 'legacy' ? this.#seats.supervisorOf(id) : undefined;
        if (seat !== undefined) return nameOf(seat);
        return `${this.#bridge.lossesOf(principal.name)}+${nameOf(this.standing.supervisor)}`;
      }
    }
  }

  inheritance(): Inheritance {
    const { sharing } = this.spec;
    return { sharing, members: this.#members, perCaller: this.#perCaller.members() };
  }

  /** Starts all children anew, with all deaths forgiven. Resolves when the old ones are gone. */
  async restart(): Promise<void> {
    await Promise.all([this.#perCaller.restart(), ...this.#others().map((it) => it.restart())]);
  }

  /** Puts new children in the place of those that run, as `Supervisor.renew` does. */
  renew(why: string, withinMs: number): void {
    for (const it of this.supervisors()) it.renew(why, withinMs);
  }

  /** Tries again where a secret was missing, or the start was refused. */
  retry(): void {
    for (const it of this.supervisors())
      if (it.state === 'lacks-secret' || it.state === 'refused') it.start();
  }

  /** Resolves when the session's own child is gone. */
  endSession(sessionId: string): Promise<void> {
    this.standing.shared.leave(sessionId);
    this.#perCaller.leave(sessionId);
    this.#bridge.endSession(sessionId);
    return this.#seats.leave(sessionId);
  }

  async stop(why: string): Promise<void> {
    await Promise.all([
      // Whoever comes after this one must not meet what this one waited for.
      this.#after,
      this.#seats.stop(why),
      this.#perCaller.stop(why),
      this.standing.stop(why),
      this.#bridge.stop(why),
    ]);
  }

  /** See `Bridge.haltHeld`. */
  haltHeld(match: (call: Call) => boolean, reason: HaltReason): number {
    return this.#bridge.haltHeld(match, reason);
  }

  status(): UpstreamStatus & Wellbeing {
    const { supervisor, catalog, pingMs, missedPing } = this.standing;
    const supervisors = this.supervisors();
    const parts = [this.#seats, this.#perCaller];
    const unwell = supervisor.state === 'ready' && missedPing ? 'did not answer the last ping' : undefined;
    const because = supervisor.because ?? unwell;
    return {
      name: this.spec.name,
      state: supervisor.state,
      // It may hold what the child wrote on stderr or what its secret is called.
      because: because === undefined ? undefined : this.#deps.clean(because),
      sharing: this.spec.sharing,
      pid: supervisor.pid,
      children: supervisors.filter((it) => it.pid !== undefined).length + sum(parts.map((it) => it.leaving)),
      spares: this.#seats.spares.ready,
      idle: this.#perCaller.asleep,
      asleep: this.#slumber !== undefined && supervisor.state === 'stopped',
      hung: sum(supervisors.map((it) => it.hung)),
      credential: this.#proofs.credential,
      restarts: sum([...parts, ...supervisors].map((it) => it.restarts)),
      pingMs,
      inFlight: sum(supervisors.map((it) => it.inFlight)),
      waiting: sum(supervisors.map((it) => it.waiting)),
      dropped: this.standing.dropped + this.#bridge.unheard + sum(parts.map((it) => it.dropped)),
      catalog,
      wall: this.#deps.wall?.reportOf(this.spec.name),
    };
  }

  /** The standing child, or one of a modern client, has changed its state. */
  #changed(): void {
    this.#slumber?.changed();
    this.#known.changed();
    this.#deps.changed();
    const { supervisor, shared } = this.standing;
    if (this.#places.overfull) void this.#seats.spares.giveWay();
    // A server that does not start would not start as a spare either; nor do modern servers wait for `initialize`.
    else if (supervisor.state === 'ready' && shared.era === 'legacy') this.#seats.spares.fill();
  }

  #sleeper(): Sleeper {
    const { standing, spec } = this;
    const { supervisor, shared } = standing;
    const { clock } = this.#deps;
    // A child of a caller's or a session's own needs the standing one only to know what there is.
    const isAwake = () =>
      standing.isListed ||
      (spec.sharing !== 'all' && standing.catalog !== undefined && supervisor.state === 'stopped');
    return {
      clock,
      spec,
      isAwake,
      isSettled: () => isAwake() || !onItsWay.has(supervisor.state),
      isFollowed: () => this.#members.followed > 0 || this.#members.listeners.size > 0,
      wake: () => shared.wake(),
      sleep: (why) => {
        // Also where the child that shows what there is sleeps already: each session that ended has left a spare behind.
        void this.#seats.spares.clear(why);
        if (supervisor.state === 'ready') void shared.sleep(why);
      },
    };
  }

  #refuseWhenGivenUp(): void {
    const { state, because } = this.standing.supervisor;
    const { name } = this.spec;
    // A server that died so often would die again, once for each caller who tries.
    if (state !== 'given-up') return;
    throw new Fault('UPSTREAM_DOWN', {
      detail: `${name} is given-up: ${because ?? ''}`,
      hint: `mcpd ctl restart ${name}`,
    });
  }

  #others(): readonly Supervisor[] {
    return [
      this.standing.supervisor,
      ...this.#seats.supervisors(),
      ...this.#seats.spares.supervisors(),
      ...this.#bridge.supervisors(),
    ];
  }

  /** All who keep a child of it. */
  supervisors(): readonly Supervisor[] {
    return [...this.#others(), ...this.#perCaller.supervisors()];
  }
}

/** States from which a child may come without anybody's help. */
const onItsWay: ReadonlySet<UpstreamState> = new Set(['starting', 'ready', 'backing-off', 'stopping']);

/** Process ids come again. */
function nameOf(supervisor: Supervisor | undefined): string {
  return supervisor?.pid === undefined ? '' : `${supervisor.pid}.${supervisor.restarts}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, it) => total + it, 0);
}
