import { Fault } from '../domain/faults.ts';
import type { Answer } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import type { ChildDeps } from './deps.ts';
import type { Places } from './places.ts';
import { Seat } from './seat.ts';
import { Spares } from './spares.ts';
import type { Supervisor } from './supervisor.ts';

/** A child for each session of a server, and some to spare. */
export class Seats {
  readonly spares: Spares;
  readonly #spec: ServerSpec;
  readonly #deps: ChildDeps;
  readonly #places: Places;
  readonly #bySession = new Map<string, Seat>();
  /** Children that were told to stop and are not gone. They count, or opening and closing sessions would fill the machine. */
  readonly #leaving = new Set<Promise<void>>();
  /** Of children that are gone. */
  #restarts = 0;
  #stopped = false;
  #dropped = 0;

  constructor(deps: ChildDeps, spec: ServerSpec, places: Places) {
    this.#deps = deps;
    this.#spec = spec;
    this.#places = places;
    const count = spec.sharing === 'session' ? spec.spare : 0;
    this.spares = new Spares({ count, places, make: () => new Seat(deps, spec) });
  }

  get leaving(): number {
    return this.#leaving.size + this.spares.leaving;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get dropped(): number {
    return [...this.#bySession.values()].reduce((sum, seat) => sum + seat.dropped, this.#dropped);
  }

  supervisors(): readonly Supervisor[] {
    return [...this.#bySession.values()].map(({ supervisor }) => supervisor);
  }

  supervisorOf(sessionId: string): Supervisor | undefined {
    return this.#bySession.get(sessionId)?.supervisor;
  }

  /** Rejects with `UNKNOWN_SESSION`, `TOO_MANY`, `BAD_MESSAGE`, and as `Seat.open` and `Seat.forward`. */
  forward(pass: Pass): Promise<Answer | undefined> {
    const { message, session } = pass.call;
    const seat = this.#bySession.get(session.id);
    const opens = message.kind === 'request' && message.method === 'initialize';
    if (opens && seat !== undefined) return reject('BAD_MESSAGE', 'the session is initialized already');
    if (opens) return this.#open(pass);
    // Its child was stopped for good, for example because the server's configuration changed: the client starts over.
    return seat === undefined ? reject('UNKNOWN_SESSION', 'the session has no child') : seat.forward(pass);
  }

  /** Resolves when the session's child is gone. */
  leave(sessionId: string): Promise<void> {
    return this.#discard(sessionId, 'the session ended');
  }

  async stop(why: string): Promise<void> {
    this.#stopped = true;
    for (const sessionId of [...this.#bySession.keys()]) void this.#discard(sessionId, why);
    await Promise.all([this.spares.stop(why), ...this.#leaving]);
  }

  async #open(pass: Pass): Promise<Answer> {
    const { id } = pass.call.session;
    // It waited for something while the server was taken away or replaced: nobody would ever end its child.
    if (this.#stopped) throw new Fault('UPSTREAM_DOWN', { detail: `${this.#spec.name} was stopped` });
    const seat = this.spares.take() ?? this.#newSeat();
    this.#bySession.set(id, seat);
    try {
      const answer = await seat.open(pass);
      if (answer.kind === 'error') void this.#discard(id, 'it refused to initialize');
      return answer;
    } catch (reason) {
      void this.#discard(id, 'it did not initialize');
      throw reason;
    } finally {
      // Not before: the newcomer goes first, its replacement can wait.
      this.spares.fill();
    }
  }

  #newSeat(): Seat {
    if (this.#places.take()) return new Seat(this.#deps, this.#spec);
    const { name } = this.#spec;
    throw new Fault('TOO_MANY', { detail: `${name}: ${this.#places.max} children are running` });
  }

  #discard(sessionId: string, why: string): Promise<void> {
    const seat = this.#bySession.get(sessionId);
    if (seat === undefined) return Promise.resolve();
    this.#bySession.delete(sessionId);
    const gone = seat.stop(why).finally(() => {
      this.#leaving.delete(gone);
      this.#restarts += seat.supervisor.restarts;
      this.#dropped += seat.dropped;
      this.#places.giveBack();
      this.spares.fill();
    });
    this.#leaving.add(gone);
    return gone;
  }
}

function reject(code: 'BAD_MESSAGE' | 'UNKNOWN_SESSION', detail: string): Promise<never> {
  return Promise.reject(new Fault(code, { detail }));
}
