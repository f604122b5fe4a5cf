import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inserted, readFigures, tableOf } from './figures.ts';
import { leftOut } from './left-out.ts';
import { undisturbed, type Again, type ProcessorTime } from './support/stolen.ts';

describe('the figures of a run', () => {
  const written = [
    '{"id":"C-10","name":"rss max MiB","value":120}',
    '{"id":"C-01","name":"rss max MiB","value":90}',
    '{"id":"C-10","name":"orphans","value":1}',
    '{"id":"C-01","name":"orphans","value":0}',
    '{"id":"C-01","name":"a|b","val',
  ].join('\n');

  it('are sorted by id, and what is worst of all is said first', () => {
    const table = tableOf([['seed', '7']], readFigures(written));
    assert.match(table, /\| seed \| 7 \|/);
    assert.match(table, /\| rss max MiB, all tests \| 120 \|/);
    assert.match(table, /\| orphans, all tests \| 1 \|/);
    assert.match(table, /\| C-01 \| rss max MiB \*\*90\*\*, orphans \*\*0\*\* \|\n\| C-10 \| rss/);
  });

  it('replace those of the run before, and nothing else', () => {
    const document = 'before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n';
    const filled = inserted(document, 'new');
    assert.equal(filled, 'before\n<!-- figures -->\n\nnew\n\n<!-- /figures -->\nafter\n');
    assert.equal(inserted(filled ?? '', 'new'), filled);
    assert.equal(inserted('no place', 'new'), undefined);
  });
});

describe('a test that was left out', () => {
  const skipped = (name: string): string[] => leftOut(`\n  skipped: ${name} (needs strace)\n\n1 passed\n`);

  it('makes a whole run red where a release waits for it, or where nobody said that it does not', () => {
    for (const name of ['C-11 a crash', 'the disk does not say yes', 'C-17 and C-10 together', 'C-99 new'])
      assert.deepEqual(skipped(name), [`${name} (needs strace)`]);
  });

  it('is said and no more where a release can do without', () => {
    for (const name of ['C-17 the wall clock jumps', 'D-04 connections', 'C-15 or C-16'])
      assert.deepEqual(skipped(name), []);
    assert.deepEqual(leftOut('..\n✖ C-11 a crash\n  C-11 skipped: not at the margin\n'), []);
  });
});

describe('a measurement', () => {
  /** Tries until one counts; `stolen`: what the host takes of a thousand ticks in each. */
  const held = async (stolen: readonly number[]): Promise<{ found: number; again: Again }> => {
    let [tries, asked, taken] = [0, 0, 0];
    const again: Again = { times: 0 };
    const look = (): ProcessorTime => ({ asked, stolen: taken });
    const found = await undisturbed(
      again,
      () => {
        taken += stolen[tries] ?? 0;
        asked += 1000;
        return Promise.resolve(++tries);
      },
      look,
    );
    return { found, again };
  };

  it('counts at once on a machine that is left alone, or that says nothing of it', async () => {
    assert.deepEqual(await held([10]), { found: 1, again: { times: 0 } });
    const unknown = (): ProcessorTime => ({ asked: 0, stolen: 0 });
    assert.equal(await undisturbed({ times: 0 }, () => Promise.resolve('as it is'), unknown), 'as it is');
  });

  it('is made again when the host took the processor, and the last counts whatever it did', async () => {
    assert.deepEqual(await held([11, 300, 3]), { found: 3, again: { times: 2 } });
    assert.deepEqual(await held(Array.from({ length: 20 }, () => 500)), { found: 6, again: { times: 5 } });
  });
});
