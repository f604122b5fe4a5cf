import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Wakes } from '../../src/callers/wakes.ts';

/** Work that ends when it is told to. */
function works() {
  const running: { readonly id: string; readonly end: () => void; readonly fail: () => void }[] = [];
  const work = (id: string) => () =>
    new Promise<void>((resolve, reject) => {
      running.push({ id, end: resolve, fail: () => reject(new Error(id)) });
    });
  return { running, work, ids: () => running.map(({ id }) => id) };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('sessions that come back at once', () => {
  it('are brought back a few at a time for each server, in the order in which they came', async () => {
    const wakes = new Wakes({ atOnce: 2, waitingMax: 10, perCallerMax: 10 });
    const { running, work, ids } = works();
    const all = ['a', 'b', 'c', 'd'].map((id) => wakes.once(id, 'fx', 'alice', work(id)));
    const other = wakes.once('x', 'other', 'alice', work('x'));
    await turn();
    assert.deepEqual(ids(), ['a', 'b', 'x']);
    running[1]?.fail();
    await assert.rejects(all[1] ?? Promise.resolve(), /b/);
    await turn();
    assert.deepEqual(ids(), ['a', 'b', 'x', 'c']);
    for (let at = 0; at < 5; at++) {
      for (const it of running) it.end();
      await turn();
    }
    await Promise.all([all[0], all[2], all[3], other]);
    assert.deepEqual(ids(), ['a', 'b', 'x', 'c', 'd']);
  });

  it('are each brought back once, whoever asks meanwhile, and again afterwards', async () => {
    const wakes = new Wakes();
    const { running, work, ids } = works();
    const [one, other] = [
      wakes.once('a', 'fx', 'alice', work('a')),
      wakes.once('a', 'fx', 'alice', work('a')),
    ];
    assert.equal(one, other);
    running[0]?.end();
    await one;
    await turn();
    const again = wakes.once('a', 'fx', 'alice', work('a'));
    running[1]?.end();
    await again;
    assert.deepEqual(ids(), ['a', 'a']);
  });

  it('are sent away when the line is long, and one caller does not fill it', async () => {
    const wakes = new Wakes({ atOnce: 1, waitingMax: 4, perCallerMax: 3 });
    const { running, work } = works();
    const kept = ['a', 'b', 'c', 'd'].map((id) => wakes.once(id, 'fx', 'alice', work(id)));
    await assert.rejects(wakes.once('e', 'fx', 'alice', work('e')), { code: 'TOO_MANY' });
    kept.push(wakes.once('f', 'fx', 'bob', work('f')));
    await assert.rejects(wakes.once('g', 'fx', 'carol', work('g')), { code: 'TOO_MANY' });
    for (let at = 0; at < 6; at++) {
      for (const it of running) it.end();
      await turn();
    }
    await Promise.all(kept);
    const late = wakes.once('g', 'fx', 'carol', work('g'));
    running.at(-1)?.end();
    await late;
  });
});
