import { Fault } from '../domain/faults.ts';
import type { Answer } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import type { UpstreamStatus } from '../domain/upstream.ts';
import type { ChildDeps } from './deps.ts';
import { Seat } from './seat.ts';
import { forwardShared } from './shared.ts';
import { Standing } from './standing.ts';
import type { Supervisor } from './supervisor.ts';

/** One third-party server: its standing child and, where sessions do not share, the sessions' own. */
export class Upstream {
  readonly spec: ServerSpec;
  readonly standing: Standing;
  readonly #deps: ChildDeps;
  readonly #seats = new Map<string, Seat>();
  /** Children that were told to stop and are not gone. They count, or opening and closing sessions would fill the machine. */
  readonly #leaving = new Set<Promise<void>>();
  /** Of seats that are gone. */
  #restarts = 0;
  #dropped = 0;

  constructor(deps: ChildDeps, spec: ServerSpec) {
    this.#deps = deps;
    this.spec = spec;
    this.standing = new Standing(deps, spec);
  }

  forward(pass: Pass): Promise<Answer | undefined> {
    const { message, session } = pass.call;
    if (this.spec.sharing === 'all')
      return forwardShared(this.standing, this.spec, this.#deps.pace.readyWithinMs, pass);
    const seat = this.#seats.get(session.id);
    const opens = message.kind === 'request' && message.method === 'initialize';
    if (opens)
      return seat === undefined
        ? this.#open(pass)
        : reject('BAD_MESSAGE', 'the session is initialized already');
    // Its child was stopped for good, for example because the server's configuration changed: the client starts over.
    return seat === undefined ? reject('UNKNOWN_SESSION', 'the session has no child') : seat.forward(pass);
  }

  /** Starts all children anew, with all deaths forgiven. Resolves when the old ones are gone. */
  async restart(): Promise<void> {
    await Promise.all(this.#supervisors().map((it) => it.restart()));
  }

  /** Tries again where a secret was missing. */
  retry(): void {
    for (const it of this.#supervisors()) if (it.state === 'lacks-secret') it.start();
  }

  /** Resolves when the session's child is gone. */
  endSession(sessionId: string): Promise<void> {
    return this.#discard(sessionId, 'the session ended');
  }

  async stop(why: string): Promise<void> {
    for (const sessionId of [...this.#seats.keys()]) void this.#discard(sessionId, why);
    await Promise.all([this.standing.stop(why), ...this.#leaving]);
  }

  status(): UpstreamStatus {
    const { supervisor, catalog, pingMs, missedPing } = this.standing;
    const seats = [...this.#seats.values()];
    const supervisors = this.#supervisors();
    const unwell = supervisor.state === 'ready' && missedPing ? 'did not answer the last ping' : undefined;
    const because = supervisor.because ?? unwell;
    return {
      name: this.spec.name,
      state: supervisor.state,
      // It may hold what the child wrote on stderr or what its secret is called.
      because: because === undefined ? undefined : this.#deps.clean(because),
      sharing: this.spec.sharing,
      pid: supervisor.pid,
      children: supervisors.filter((it) => it.pid !== undefined).length + this.#leaving.size,
      restarts: this.#restarts + sum(supervisors.map((it) => it.restarts)),
      pingMs,
      inFlight: sum(supervisors.map((it) => it.inFlight)),
      waiting: sum(supervisors.map((it) => it.waiting)),
      dropped: this.#dropped + this.standing.dropped + sum(seats.map((seat) => seat.dropped)),
      catalog,
    };
  }

  #supervisors(): readonly Supervisor[] {
    return [this.standing.supervisor, ...[...this.#seats.values()].map((seat) => seat.supervisor)];
  }

  async #open(pass: Pass): Promise<Answer> {
    const { childrenMax, name } = this.spec;
    const { id } = pass.call.session;
    const { state, because } = this.standing.supervisor;
    // A server that died so often would die again, once for each caller who tries.
    if (state === 'given-up') {
      throw new Fault('UPSTREAM_DOWN', {
        detail: `${name} is given-up: ${because ?? ''}`,
        hint: `mcpd ctl restart ${name}`,
      });
    }
    if (this.#seats.size + this.#leaving.size >= childrenMax) {
      throw new Fault('TOO_MANY', { detail: `${name}: ${childrenMax} children are running` });
    }
    const seat = new Seat(this.#deps, this.spec, id);
    this.#seats.set(id, seat);
    try {
      const answer = await seat.open(pass);
      if (answer.kind === 'error') void this.#discard(id, 'it refused to initialize');
      return answer;
    } catch (reason) {
      void this.#discard(id, 'it did not initialize');
      throw reason;
    }
  }

  #discard(sessionId: string, why: string): Promise<void> {
    const seat = this.#seats.get(sessionId);
    if (seat === undefined) return Promise.resolve();
    this.#seats.delete(sessionId);
    const gone = seat.stop(why).finally(() => {
      this.#leaving.delete(gone);
      this.#restarts += seat.supervisor.restarts;
      this.#dropped += seat.dropped;
    });
    this.#leaving.add(gone);
    return gone;
  }
}

function reject(code: 'BAD_MESSAGE' | 'UNKNOWN_SESSION', detail: string): Promise<never> {
  return Promise.reject(new Fault(code, { detail }));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, it) => total + it, 0);
}
