import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { Guest, Whose } from './guest.ts';

/** A child that works on one call alone, until it is given back. */
export type Lease = { readonly guest: Guest; readonly giveBack: () => void };

/** How a call may wait for a child of its own. */
export type Patience = {
  readonly withinMs: number;
  /** Calls that may wait for children of one key. */
  readonly max: number;
  readonly halt: Halt;
};

/** Makes a child that is to be started when `after` has resolved. */
export type Make = (after: Promise<void> | undefined) => Guest;

type Waiter = { readonly take: (guest: Guest) => void; readonly fail: (fault: Fault) => void };

/**
 * The guest children of one server: as many as there are different callers, within bounds. A child has its place until it is
 * gone; else children that are slow to end, left behind one after the other, would fill the machine.
 */
export class Pool {
  readonly #clock: Clock;
  readonly #max: () => number;
  readonly #idleMs: number;
  readonly #guests = new Map<string, Guest[]>();
  readonly #lines = new Map<string, Waiter[]>();
  readonly #leaving = new Set<Promise<void>>();
  /** Of these, the ones whose place nobody was promised. */
  readonly #unclaimed = new Set<Promise<void>>();
  #stopped = false;

  /** `max`: children alive at once; it may change with what others need. */
  constructor(clock: Clock, max: () => number, idleMs: number) {
    this.#clock = clock;
    this.#max = max;
    this.#idleMs = idleMs;
  }

  all(): readonly Guest[] {
    return [...this.#guests.values()].flat();
  }

  /** Children on their way out. */
  get leaving(): number {
    return this.#leaving.size;
  }

  /** A child for this key: the one used last, so that what a server remembers is most likely there. Throws `TOO_MANY`. */
  share(whose: Whose, make: Make): Guest {
    const own = this.#guests.get(whose.key);
    const guest = own?.at(-1) ?? this.#make(whose, make);
    if (guest === undefined) throw new Fault('TOO_MANY', { detail: `${this.#max()} children are running` });
    return guest;
  }

  /**
   * A child for this key that works for nobody else in which it might ask something; a further one is made while there is
   * room. Rejects with `TOO_MANY` when there is none and no place for one, `UPSTREAM_BUSY` when it takes too long, `CANCELLED`.
   */
  async lease(whose: Whose, make: Make, patience: Patience): Promise<Lease> {
    if (patience.halt.reason !== undefined) throw new Fault('CANCELLED', { detail: patience.halt.reason });
    const own = this.#guests.get(whose.key) ?? [];
    const guest =
      own.findLast(({ load }) => load === 0) ??
      this.#make(whose, make) ??
      own.findLast(({ leased }) => !leased);
    if (guest !== undefined) return this.#lend(guest);
    if (own.length === 0) throw new Fault('TOO_MANY', { detail: `${this.#max()} children are running` });
    // Better to stand in the line of an own child than to be turned away.
    return new Promise((resolve, reject) => {
      this.#wait(whose.key, patience, (it) => resolve(this.#lend(it)), reject);
    });
  }

  /** Stops what nobody has used for a while. */
  sweep(): void {
    const now = this.#clock.steadyMs();
    for (const guest of this.all())
      if (guest.idle && now - guest.usedAt > this.#idleMs) this.#free(guest, 'nobody used it');
  }

  /** Resolves when all are gone. */
  async stop(why: string): Promise<void> {
    this.#stopped = true;
    for (const line of [...this.#lines.values()])
      for (const waiter of [...line]) waiter.fail(new Fault('UPSTREAM_DOWN', { detail: why }));
    for (const guest of this.all()) this.#free(guest, why);
    await Promise.all(this.#leaving);
  }

  /** Undefined: there is no place for one. */
  #make({ key, owner }: Whose, make: Make): Guest | undefined {
    const place = this.#place(owner);
    if (place === undefined) return undefined;
    const guest = make(place.after);
    this.#guests.set(key, [...(this.#guests.get(key) ?? []), guest]);
    return guest;
  }

  #lend(guest: Guest): Lease {
    guest.leased = true;
    const own = this.#guests.get(guest.key);
    if (own !== undefined && own.at(-1) !== guest) own.push(...own.splice(own.indexOf(guest), 1));
    let given = false;
    const giveBack = () => {
      if (given) return;
      given = true;
      guest.leased = false;
      this.#lines.get(guest.key)?.[0]?.take(guest);
    };
    return { guest, giveBack };
  }

  #wait(
    key: string,
    { withinMs, max, halt }: Patience,
    resolve: (guest: Guest) => void,
    reject: (fault: Fault) => void,
  ): void {
    const line = this.#lines.get(key) ?? [];
    if (line.length >= max)
      return reject(new Fault('UPSTREAM_BUSY', { detail: `${max} calls are waiting already` }));
    const leave = () => {
      clearTimeout(timer);
      halt.unlisten();
      line.splice(line.indexOf(waiter), 1);
      if (line.length === 0) this.#lines.delete(key);
    };
    const waiter: Waiter = {
      take: (guest) => {
        leave();
        resolve(guest);
      },
      fail: (fault) => {
        leave();
        reject(fault);
      },
    };
    const tooLate = () => waiter.fail(new Fault('UPSTREAM_BUSY', { detail: `no child in ${withinMs} ms` }));
    const timer = setTimeout(tooLate, withinMs);
    line.push(waiter);
    this.#lines.set(key, line);
    halt.listen((reason) => waiter.fail(new Fault('CANCELLED', { detail: reason })));
  }

  /** A place for a further child, which is free when `after` resolves; undefined where there is none. */
  #place(owner: string | undefined): { readonly after: Promise<void> | undefined } | undefined {
    if (this.#stopped) throw new Fault('UPSTREAM_DOWN', { detail: 'it is stopping' });
    const max = this.#max();
    const all = this.all();
    const ofOwner = all.filter((guest) => guest.owner === owner);
    // One caller alone must not be able to take every place.
    if (ofOwner.length >= Math.max(1, max / 4)) return this.#takeOver(ofOwner);
    if (all.length >= max) return this.#takeOver(all);
    if (all.length + this.#unclaimed.size < max) return { after: undefined };
    const [after] = this.#unclaimed;
    if (after !== undefined) this.#unclaimed.delete(after);
    return { after };
  }

  /** The place of the idle child that was used least recently. */
  #takeOver(among: readonly Guest[]): { readonly after: Promise<void> } | undefined {
    const oldest = among.filter((guest) => guest.idle).toSorted((a, b) => a.usedAt - b.usedAt)[0];
    return oldest === undefined ? undefined : { after: this.#dismiss(oldest, 'others needed its place') };
  }

  #free(guest: Guest, why: string): void {
    const gone = this.#dismiss(guest, why);
    this.#unclaimed.add(gone);
    void gone.then(() => this.#unclaimed.delete(gone));
  }

  #dismiss(guest: Guest, why: string): Promise<void> {
    const left = (this.#guests.get(guest.key) ?? []).filter((it) => it !== guest);
    if (left.length === 0) this.#guests.delete(guest.key);
    else this.#guests.set(guest.key, left);
    const gone = guest.dismiss(why).finally(() => this.#leaving.delete(gone));
    this.#leaving.add(gone);
    return gone;
  }
}
