/**
 * Coverage-guided fuzzing: `npm run test:fuzz -- [--target NAME] [--seconds N] [--seed N] [--replay FILE]`. Exits with 1 when an
 * input breaks a promise; the input is written to a file, and `--replay` runs it again.
 */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Report } from './engine.ts';
import { targetNamed, targets } from './targets.ts';
import { watched } from './watch.ts';

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    replay: { type: 'string' },
  },
});
if (values.target !== undefined && !targets.some(({ name }) => name === values.target)) {
  console.error(
    `There is no target ${values.target}; there are ${targets.map(({ name }) => name).join(', ')}.`,
  );
  process.exit(64);
}
const names = values.target === undefined ? targets.map(({ name }) => name) : [values.target];

if (values.replay !== undefined) {
  await targetNamed(values.target ?? '').run(readFileSync(values.replay));
  console.log('It holds.');
} else {
  const withinMs = (Number(values.seconds) * 1000) / names.length;
  const reports: Report[] = [];
  for (const name of names) {
    const report = await watched(name, {
      seed: Number(values.seed),
      runs: Number.POSITIVE_INFINITY,
      withinMs,
    });
    reports.push(report);
    tell(report, withinMs);
  }
  process.exitCode = reports.some(({ failure }) => failure !== undefined) ? 1 : 0;
}

function tell({ target, seed, runs, inputs, blocks, failure }: Report, withinMs: number): void {
  const pace = Math.round(runs / (withinMs / 1000));
  console.log(
    `${target.padEnd(10)} ${runs} runs (${pace}/s), ${inputs} inputs kept, ${blocks} blocks, seed ${seed}`,
  );
  if (failure === undefined) return;
  const file = join(mkdtempSync(join(tmpdir(), 'mcpd-fuzz-')), `${target}.input`);
  writeFileSync(file, failure.input);
  console.log(`${failure.says}\n${JSON.stringify(failure.input.toString('latin1').slice(0, 2000))}`);
  console.log(`Again: npm run test:fuzz -- --target ${target} --replay ${file}`);
}
