import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { Halt } from '../../src/domain/halt.ts';
import { Turns } from '../../src/fleet/turns.ts';

const fault = (code: string) => (reason: unknown) => reason instanceof Fault && reason.code === code;
const patient = 60_000;
/** Lets every promise that is settled be heard of. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('are taken one at a time, in the order in which they were asked for', async () => {
    const turns = new Turns(10);
    const told: number[] = [];
    const takers = [1, 2, 3, 4].map(async (n) => {
      const give = await turns.take(patient, new Halt());
      told.push(n);
      await turn();
      assert.equal(told.at(-1), n, 'somebody else had a turn meanwhile');
      give();
    });
    assert.equal(turns.load, 4);
    await Promise.all(takers);
    assert.deepEqual([told, turns.load], [[1, 2, 3, 4], 0]);
  });

  it('given back twice are given back once', async () => {
    const turns = new Turns(10);
    const first = await turns.take(patient, new Halt());
    const second = turns.take(patient, new Halt());
    const third = turns.take(patient, new Halt());
    first();
    first();
    const giveSecond = await second;
    let early = true;
    void third.then((give) => {
      assert.equal(early, false, 'two had a turn at once');
      give();
    });
    await turn();
    first();
    await turn();
    early = false;
    giveSecond();
    await third;
    await turn();
    assert.equal(turns.load, 0);
  });

  it('are waited for by so many and no more', async () => {
    const turns = new Turns(2);
    const give = await turns.take(patient, new Halt());
    const waiting = [turns.take(patient, new Halt()), turns.take(patient, new Halt())];
    await assert.rejects(turns.take(patient, new Halt()), fault('UPSTREAM_BUSY'));
    give();
    (await waiting[0])?.();
    (await waiting[1])?.();
    assert.equal(turns.load, 0);
  });

  it('with no line at all are there or are not', async () => {
    const turns = new Turns(0);
    const give = await turns.take(patient, new Halt());
    await assert.rejects(turns.take(patient, new Halt()), fault('UPSTREAM_BUSY'));
    give();
    (await turns.take(patient, new Halt()))();
  });

  it('are not waited for by one who was stopped, before or while he waits; the next in the line gets his', async () => {
    const turns = new Turns(10);
    const give = await turns.take(patient, new Halt());
    const [before, during] = [new Halt(), new Halt()];
    before.call('the caller went away');
    await assert.rejects(turns.take(patient, before), fault('CANCELLED'));
    const stopped = turns.take(patient, during);
    const next = turns.take(patient, new Halt());
    during.call('the caller went away');
    await assert.rejects(stopped, fault('CANCELLED'));
    assert.equal(turns.load, 2);
    give();
    (await next)();
    assert.equal(turns.load, 0);
  });

  it('stay with one who was stopped after he got his, until he gives it back', async () => {
    const turns = new Turns(10);
    const give = await turns.take(patient, new Halt());
    const halt = new Halt();
    const mine = turns.take(patient, halt);
    const next = turns.take(patient, new Halt());
    give();
    halt.call('the caller went away');
    const giveMine = await mine;
    assert.equal(turns.load, 2);
    giveMine();
    (await next)();
  });

  it('are not waited for without end', async () => {
    const turns = new Turns(10);
    const give = await turns.take(patient, new Halt());
    const halt = new Halt();
    await assert.rejects(turns.take(5, halt), fault('UPSTREAM_BUSY'));
    halt.call('the caller went away');
    assert.equal(turns.load, 1);
    give();
  });
});
