import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fuzz } from './engine.ts';
import { maze } from './target-maze.ts';
import { targetNamed, targets } from './targets.ts';
import { watched } from './watch.ts';

/** Enough to notice what broke; `npm run test:fuzz` goes on for as long as it is told to. */
const quick = { seed: 1, runs: 300, withinMs: 4_000 };

describe('no input breaks a promise of', () => {
  for (const { name } of targets)
    test(name, async () => {
      const { failure, runs, blocks } = await watched(name, quick);
      if (failure !== undefined)
        assert.fail(`${failure.says}\n${JSON.stringify(failure.input.toString('latin1'))}`);
      assert.ok(runs > 50 && blocks > 20, `${runs} runs, ${blocks} blocks`);
    });
});

describe('what once broke one holds', () => {
  const folder = join(import.meta.dirname, 'regressions');
  // Named after its target: `framer-cr-before-lf`.
  for (const file of readdirSync(folder).filter((it) => !it.startsWith('.')))
    test(file, async () => targetNamed(file.split('-')[0] ?? '').run(readFileSync(join(folder, file))));
});

describe('the fuzzer', () => {
  test('finds what is behind four doors, one after the other, because it sees each of them open', async () => {
    const report = await fuzz(maze, { seed: 1, runs: 200_000, withinMs: 30_000 }, () => undefined);
    assert.match(report.failure?.says ?? '', /the last door/);
    assert.match(report.failure?.input.toString('latin1') ?? '', /^\n"\\\x7f/);
  });
});
