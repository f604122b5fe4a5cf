/**
 * `npm run test:faults [-- PART…]`: the whole of the fault suite, at full size, and its figures. Writes them into
 * docs/reliability.md when everything was run. Exits with what the tests exited with, or with 1 when one was left out that a
 * release waits for: a machine that lacks strace has shown nothing.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { readOr } from '../support/daemon.ts';
import { inserted, readFigures, tableOf } from './figures.ts';
import { leftOut } from './left-out.ts';
import { processorTime, stolenShare, type ProcessorTime } from './support/stolen.ts';

const parts = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const document = 'docs/reliability.md';
/** Everything here, and the tests elsewhere that have a size for this run. */
const everything = [
  'test/faults/',
  'test/audit/crash.test.ts',
  'test/fleet/supervision.test.ts',
  'test/state/crashes.test.ts',
  'test/stories/sessions-outlive-a-restart.test.ts',
];
/** Ninety minutes: for the longest of the tests, the crashes at every step. */
const testTimeoutMs = 5_400_000;

const dir = mkdtempSync(join(tmpdir(), 'mcpd-figures-'));
const file = join(dir, 'figures.jsonl');
const seed = process.env['MCPD_SEED'] ?? String(Date.now() % 1_000_000_000);
const from = performance.now();
const before = processorTime();
console.log(`seed ${seed}; MCPD_SEED=${seed} makes the same choices again`);

const runner = spawn(
  process.execPath,
  [
    'test/support/run-tests.ts',
    ...(parts.length === 0 ? everything : parts),
    `--test-timeout=${testTimeoutMs}`,
    // One after the other: what is measured is not the other tests.
    '--test-concurrency=1',
    ...options,
  ],
  {
    stdio: ['inherit', 'pipe', 'inherit'],
    env: { ...process.env, MCPD_FAULTS: '1', MCPD_FIGURES: file, MCPD_SEED: seed },
  },
);
let said = '';
runner.stdout.on('data', (chunk: Buffer) => {
  process.stdout.write(chunk);
  said = (said + chunk.toString()).slice(-65_536);
});
runner.on('close', (code) => {
  const figures = readFigures(readOr(file, ''));
  rmSync(dir, { recursive: true, force: true });
  const lines = (pattern: RegExp): string => pattern.exec(said)?.[0] ?? 'unknown';
  const run = [
    ['date', new Date().toISOString().slice(0, 10)],
    ['result', lines(/\d+ passed, \d+ failed, \d+ skipped/)],
    ['took', `${Math.round((performance.now() - from) / 60_000)} min`],
    ['seed', seed],
    ['mcpd', version('package.json')],
    ['Node', process.version],
    ['processor time asked for that the host gave to others', stolen(before, processorTime())],
    ['machine', `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`],
    ['lines to children judged by the oracle', lines(/\d+ lines to \d+ children judged, \d+ wrong/)],
    ['canaries', lines(/\d+ canaries in \d+ daemons, \d+ places searched, \d+ found/)],
  ] as const;
  const table = tableOf(run, figures);
  console.log(`\n${table}`);
  // A part of the tests says nothing about the others.
  if (parts.length === 0 && options.length === 0) {
    const text = readFileSync(document, 'utf8');
    const filled = inserted(text, table);
    if (filled === undefined) console.error(`${document} has no place for figures`);
    else writeFileSync(document, filled);
  }
  const left = leftOut(said);
  for (const what of left) console.error(`✖ left out, and a release waits for it: ${what}`);
  process.exitCode = code === 0 && left.length > 0 ? 1 : (code ?? 1);
});

function version(path: string): string {
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

/** Criteria of the clock say little where this is much. */
function stolen(before: ProcessorTime, after: ProcessorTime): string {
  return after.asked === before.asked ? 'unknown' : `${Math.round(100 * stolenShare(before, after))} %`;
}
