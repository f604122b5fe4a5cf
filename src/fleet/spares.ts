import type { Places } from './places.ts';
import type { Seat } from './seat.ts';
import type { Supervisor } from './supervisor.ts';

export type SparesWork = {
  readonly count: number;
  readonly places: Places;
  readonly make: () => Seat;
};

/**
 * Children that were started before anybody needs them, and wait for the `initialize` of the next session. They take places
 * only as long as nobody else wants them.
 */
export class Spares {
  readonly #work: SparesWork;
  readonly #seats: Seat[] = [];
  /** On their way out. */
  readonly #leaving = new Set<Promise<void>>();
  #stopped = false;

  constructor(work: SparesWork) {
    this.#work = work;
  }

  /** Processes that are up and wait. */
  get ready(): number {
    return this.#seats.filter(({ supervisor }) => supervisor.pid !== undefined).length;
  }

  /** Places that they have, and would leave to others. */
  get places(): number {
    return this.#seats.length;
  }

  get leaving(): number {
    return this.#leaving.size;
  }

  supervisors(): readonly Supervisor[] {
    return this.#seats.map(({ supervisor }) => supervisor);
  }

  /** Starts what is missing, as far as there are places. */
  fill(): void {
    const { count, places, make } = this.#work;
    while (!this.#stopped && this.#seats.length < count && places.take()) {
      const seat = make();
      // Before it is started: that is told around, and whoever hears it may want to fill up, too.
      this.#seats.push(seat);
      seat.waitForSession();
    }
  }

  /** A child with its place, rather one that is up; undefined where there is none. */
  take(): Seat | undefined {
    const best = this.#seats.findIndex(({ supervisor }) => supervisor.pid !== undefined);
    return this.#seats.splice(Math.max(0, best), 1)[0];
  }

  /** One of them makes room. Resolves when its place is free, and at once where there is none. */
  async giveWay(): Promise<void> {
    const seat = this.#seats.pop();
    if (seat !== undefined) await this.#dismiss(seat, 'others needed its place');
  }

  /** All of them leave; new ones come with the next `fill`. */
  async clear(why: string): Promise<void> {
    for (const seat of this.#seats.splice(0)) void this.#dismiss(seat, why);
    await Promise.all(this.#leaving);
  }

  async stop(why: string): Promise<void> {
    this.#stopped = true;
    await this.clear(why);
  }

  #dismiss(seat: Seat, why: string): Promise<void> {
    const gone = seat.stop(why).finally(() => {
      this.#leaving.delete(gone);
      this.#work.places.giveBack();
    });
    this.#leaving.add(gone);
    return gone;
  }
}
