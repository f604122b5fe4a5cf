import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Guest } from '../../src/fleet/guest.ts';
import { Pool, type Lease, type Make } from '../../src/fleet/pool.ts';

const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A child that is only counted. Its process lives from when it is started until it has left. */
class FakeGuest {
  readonly key: string;
  readonly owner: string | undefined;
  readonly name: string;
  leased = false;
  calls = 0;
  followers = 0;
  usedAt: number;
  alive = false;
  dismissed: string | undefined;
  /** Lets it be gone. */
  leave: () => void = () => undefined;
  readonly #gone: Promise<void>;
  readonly #after: Promise<void> | undefined;

  constructor(
    key: string,
    owner: string | undefined,
    name: string,
    usedAt: number,
    after: Promise<void> | undefined,
  ) {
    this.key = key;
    this.owner = owner;
    this.name = name;
    this.usedAt = usedAt;
    this.#after = after;
    this.#gone = new Promise((resolve) => {
      this.leave = () => {
        this.alive = false;
        resolve();
      };
    });
    void (after ?? Promise.resolve()).then(() => {
      if (this.dismissed === undefined) this.alive = true;
    });
  }

  get load(): number {
    return this.calls + (this.leased ? 1 : 0);
  }

  get idle(): boolean {
    return this.load + this.followers === 0;
  }

  dismiss(why: string): Promise<void> {
    this.dismissed = why;
    return Promise.all([this.alive ? this.#gone : undefined, this.#after]).then(() => undefined);
  }
}

class House {
  readonly clock = { now: 0, wallMs: () => 0, steadyMs: () => this.clock.now };
  readonly made: FakeGuest[] = [];
  readonly pool: Pool;
  max: number;

  constructor(max: number, idleMs = 1000) {
    this.max = max;
    this.pool = new Pool(this.clock, () => this.max, idleMs);
  }

  whose(
    key: string,
    owner: string | undefined = key.split('/')[0],
  ): { key: string; owner: string | undefined } {
    return { key, owner };
  }

  #make(key: string, owner: string | undefined): Make {
    return (after) => {
      const guest = new FakeGuest(key, owner, `${key}#${this.made.length}`, ++this.clock.now, after);
      this.made.push(guest);
      // As much of a guest as a pool looks at.
      return guest as unknown as Guest;
    };
  }

  share(key: string, owner?: string): FakeGuest {
    const whose = this.whose(key, owner);
    return this.pool.share(whose, this.#make(key, whose.owner)) as unknown as FakeGuest;
  }

  lease(
    key: string,
    more: { halt?: Halt; withinMs?: number; max?: number; owner?: string } = {},
  ): Promise<Lease> {
    const { halt = new Halt(), withinMs = 60_000, max = 16, owner } = more;
    const whose = this.whose(key, owner);
    return this.pool.lease(whose, this.#make(key, whose.owner), { halt, withinMs, max });
  }

  get alive(): number {
    return this.made.filter((it) => it.alive).length;
  }
}
const fake = ({ guest }: Lease): FakeGuest => guest as unknown as FakeGuest;

describe('sharing a child', () => {
  it('gives everybody with the same key the same child, and nobody else', () => {
    const house = new House(8);
    assert.equal(house.share('ann/x'), house.share('ann/x'));
    assert.notEqual(house.share('ann/x'), house.share('ann/y'));
    assert.notEqual(house.share('ann/x'), house.share('bob/x'));
    assert.equal(house.pool.all().length, 3);
  });

  it('takes the child that was used last: what a server remembers is most likely there', async () => {
    const house = new House(16);
    const [one, two] = [await house.lease('ann/x'), await house.lease('ann/x')];
    assert.notEqual(one.guest, two.guest);
    assert.equal(house.share('ann/x'), fake(two));
    one.giveBack();
    two.giveBack();
    const again = await house.lease('ann/x');
    assert.equal(house.share('ann/x'), fake(again));
  });

  it('also with a child that works on another’s call, since nobody waits for that one', async () => {
    const house = new House(8);
    const lease = await house.lease('ann/x');
    assert.equal(house.share('ann/x'), fake(lease));
  });
});

describe('a child for one call alone', () => {
  it('works for nobody else until it is given back', async () => {
    const house = new House(40);
    const leases = await Promise.all([1, 2, 3].map(() => house.lease('ann/x')));
    assert.equal(new Set(leases.map(({ guest }) => guest)).size, 3);
    leases[1]?.giveBack();
    assert.equal((await house.lease('ann/x')).guest, leases[1]?.guest);
  });

  it('is waited for, in order, when there is no room for another', async () => {
    const house = new House(4);
    const first = await house.lease('ann/x');
    const order: number[] = [];
    const waiting = [1, 2, 3].map(async (n) => {
      const lease = await house.lease('ann/x');
      order.push(n);
      return lease;
    });
    await turn();
    assert.deepEqual([order, house.made.length], [[], 1]);
    let last = first;
    for (const each of waiting) {
      last.giveBack();
      last.giveBack();
      last = await each;
    }
    assert.deepEqual([order, fake(last).leased, house.made.length], [[1, 2, 3], true, 1]);
  });

  it('is given back by him alone who has it', async () => {
    const house = new House(4);
    const first = await house.lease('ann/x');
    const second = house.lease('ann/x');
    first.giveBack();
    const lease = await second;
    first.giveBack();
    assert.equal(fake(lease).leased, true);
  });

  it('is waited for by so many and no more', async () => {
    const house = new House(4);
    const first = await house.lease('ann/x');
    const waiting = [1, 2].map(() => house.lease('ann/x', { max: 2 }));
    await assert.rejects(house.lease('ann/x', { max: 2 }), fault('UPSTREAM_BUSY'));
    // Another caller's line is his own.
    await house.lease('bob/x', { max: 2 });
    first.giveBack();
    (await waiting[0])?.giveBack();
    (await waiting[1])?.giveBack();
  });

  it('is not waited for by one who was stopped, before or while he waits', async () => {
    const house = new House(4);
    const first = await house.lease('ann/x');
    const [before, during] = [new Halt(), new Halt()];
    before.call('the caller went away');
    await assert.rejects(house.lease('ann/x', { halt: before }), fault('CANCELLED'));
    const stopped = house.lease('ann/x', { halt: during });
    const next = house.lease('ann/x');
    during.call('the caller went away');
    await assert.rejects(stopped, fault('CANCELLED'));
    first.giveBack();
    assert.equal((await next).guest, first.guest);
  });

  it('is not given to one who was stopped before it was even made', async () => {
    const house = new House(4);
    const halt = new Halt();
    halt.call('cancelled by the caller');
    await assert.rejects(house.lease('ann/x', { halt }), fault('CANCELLED'));
    assert.equal(house.made.length, 0);
  });

  it('is not waited for without end', async () => {
    const house = new House(4);
    const first = await house.lease('ann/x');
    await assert.rejects(house.lease('ann/x', { withinMs: 5 }), fault('UPSTREAM_BUSY'));
    first.giveBack();
    assert.equal(fake(first).leased, false);
  });

  it('is rather one that also lists something than none', async () => {
    const house = new House(4);
    house.share('ann/x').calls = 1;
    const lease = await house.lease('ann/x');
    assert.equal(house.made.length, 1);
    assert.equal(fake(lease).leased, true);
  });
});

describe('places', () => {
  it('are not all taken by one caller, however many kinds of client he pretends to be', () => {
    const house = new House(8);
    for (const key of ['ann/1', 'ann/2']) house.share(key).calls = 1;
    for (let n = 3; n < 1000; n++) assert.throws(() => house.share(`ann/${n}`), fault('TOO_MANY'));
    for (const owner of ['bob', 'cid', 'dan'])
      for (const key of [`${owner}/1`, `${owner}/2`]) house.share(key).calls = 1;
    assert.equal(house.pool.all().length, 8);
    assert.throws(() => house.share('eve/1'), fault('TOO_MANY'));
  });

  it('are one for each caller even where there are few', () => {
    const house = new House(2);
    house.share('ann/1').calls = 1;
    assert.throws(() => house.share('ann/2'), fault('TOO_MANY'));
    assert.ok(house.share('bob/1'));
  });

  it('are none where others have taken all', async () => {
    const house = new House(0);
    assert.throws(() => house.share('ann/1'), fault('TOO_MANY'));
    await assert.rejects(house.lease('ann/1'), fault('TOO_MANY'));
    house.max = -3;
    assert.throws(() => house.share('ann/1'), fault('TOO_MANY'));
  });

  it('are made free by the idle child that was used least recently, of the caller himself first', () => {
    const house = new House(8);
    const [a1, a2] = [house.share('ann/1'), house.share('ann/2')];
    const bob = house.share('bob/1');
    house.share('ann/3');
    assert.deepEqual(
      [a1.dismissed, a2.dismissed, bob.dismissed],
      ['others needed its place', undefined, undefined],
    );
  });

  it('are never made free by a child that works, is leased, or is listened to', async () => {
    const house = new House(3);
    const [calls, follows] = [house.share('ann/1'), house.share('bob/1')];
    calls.calls = 1;
    follows.followers = 1;
    await house.lease('cid/1');
    assert.throws(() => house.share('dan/1'), fault('TOO_MANY'));
    house.clock.now += 1_000_000;
    house.pool.sweep();
    assert.deepEqual(
      house.made.map(({ dismissed }) => dismissed),
      [undefined, undefined, undefined],
    );
  });

  it('are held until a child is gone, so that there are never more processes than places', async () => {
    const house = new House(8);
    // Children that do not leave when they are told, one new kind of client after the other.
    for (let n = 0; n < 200; n++) {
      house.share(`ann/${n}`);
      await turn();
      assert.ok(house.alive <= 8, `${house.alive} processes after ${n}`);
    }
    for (let owner = 0; owner < 50; owner++)
      for (let n = 0; n < 4; n++) {
        house.share(`o${owner}/${n}`);
        await turn();
        assert.ok(house.alive <= 8, `${house.alive} processes`);
      }
    for (const guest of house.made) guest.leave();
    await turn();
    await turn();
    assert.ok(house.alive > 0 && house.alive <= 8);
    assert.equal(house.pool.leaving, 0);
  });

  it('of children that were idle too long are held until these are gone, too', async () => {
    const house = new House(4);
    for (const owner of ['a', 'b', 'c', 'd']) house.share(`${owner}/1`);
    await turn();
    house.clock.now += 5000;
    house.pool.sweep();
    assert.deepEqual([house.pool.all().length, house.pool.leaving, house.alive], [0, 4, 4]);
    const late = ['e', 'f', 'g', 'h'].map((owner) => house.share(`${owner}/1`));
    await turn();
    assert.equal(house.alive, 4);
    for (const guest of house.made.slice(0, 4)) guest.leave();
    await turn();
    assert.deepEqual(
      late.map(({ alive }) => alive),
      [true, true, true, true],
    );
    assert.equal(house.alive, 4);
  });
});

describe('idle children', () => {
  it('are stopped when nobody has used them for long enough', () => {
    const house = new House(8, 1000);
    const guest = house.share('ann/1');
    house.clock.now = guest.usedAt + 1000;
    house.pool.sweep();
    assert.equal(guest.dismissed, undefined);
    house.clock.now++;
    house.pool.sweep();
    assert.equal(guest.dismissed, 'nobody used it');
    assert.notEqual(house.share('ann/1'), guest);
  });
});

describe('a pool that stops', () => {
  it('lets nobody wait, takes nobody in, and is over when all are gone', async () => {
    const house = new House(4);
    await house.lease('ann/1');
    house.share('bob/1');
    const waiting = house.lease('ann/1');
    waiting.catch(() => undefined);
    await turn();
    let over = false;
    const stopped = house.pool.stop('the daemon is stopping').then(() => (over = true));
    await assert.rejects(waiting, fault('UPSTREAM_DOWN'));
    assert.throws(() => house.share('ann/1'), fault('UPSTREAM_DOWN'));
    await assert.rejects(house.lease('ann/1'), fault('UPSTREAM_DOWN'));
    house.made[0]?.leave();
    await turn();
    assert.equal(over, false);
    house.made[1]?.leave();
    await stopped;
    assert.equal(house.pool.all().length, 0);
  });
});
