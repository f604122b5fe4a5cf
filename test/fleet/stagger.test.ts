import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Stagger, type Turn } from '../../src/fleet/stagger.ts';

/** Which of these turns have come by now. */
async function came(turns: readonly Turn[]): Promise<readonly number[]> {
  const found: number[] = [];
  turns.forEach((turn, at) => void turn.come.then(() => found.push(at)));
  await new Promise((resolve) => setImmediate(resolve));
  return found;
}

it('so many start at once, and the next when one is done', async () => {
  const stagger = new Stagger(2, 60_000);
  const turns = [1, 2, 3, 4].map(() => stagger.take(false));
  assert.deepEqual(await came(turns), [0, 1]);
  turns[0]?.done();
  turns[0]?.done();
  assert.deepEqual(await came(turns), [0, 1, 2]);
  for (const turn of turns) turn.done();
  assert.equal(stagger.waiting, 0);
});

it('those for whom somebody waits come first, also when that is known late', async () => {
  const stagger = new Stagger(1, 60_000);
  const [first, a, b, c] = [false, false, false, true].map((it) => stagger.take(it)) as [
    Turn,
    Turn,
    Turn,
    Turn,
  ];
  b.hurry();
  const order: string[] = [];
  for (const [name, turn] of Object.entries({ a, b, c }))
    void turn.come.then(() => {
      order.push(name);
      turn.done();
    });
  first.done();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(order, ['c', 'b', 'a']);
});

it('who leaves the line holds up nobody, and a slow start gives way', async () => {
  const stagger = new Stagger(1, 20);
  const [slow, gone, next] = [1, 2, 3].map(() => stagger.take(false)) as [Turn, Turn, Turn];
  await slow.come;
  gone.done();
  await next.come;
  slow.done();
  const last = stagger.take(false);
  assert.deepEqual(await came([last]), [], 'a turn that was over is not given back twice');
  next.done();
  await last.come;
  last.done();
});
