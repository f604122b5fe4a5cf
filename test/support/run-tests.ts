/**
 * Runs every test. Refuses to call a run green that ran nothing: with a wrong glob, node's runner finds no file and is
 * content. `npm test -- test/fleet` narrows it to a folder or file.
 */
import { spawn } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sumUp } from './canary.ts';
import { judgeLines } from './judge-lines.ts';

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const files = globSync('test/**/*.test.ts')
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`No test file matches ${wanted.join(' ') || 'test/**/*.test.ts'}.`);
  process.exit(1);
}
const run = mkdtempSync(join(tmpdir(), 'mcpd-run-'));
const [tap, canaries] = [join(run, 'tap'), join(run, 'canaries')];
for (const dir of [tap, canaries]) mkdirSync(dir);
const runner = spawn(
  process.execPath,
  [
    '--import=./test/support/compile-cache.ts',
    '--import=./test/support/tap.ts',
    '--test',
    '--test-timeout=120000',
    '--test-concurrency=2',
    '--test-reporter=dot',
    '--test-reporter-destination=stdout',
    ...summary(),
    ...options,
    ...files,
  ],
  { stdio: 'inherit', env: { ...process.env, MCPD_TEST_TAP: tap, MCPD_TEST_CANARIES: canaries } },
);
runner.on('exit', (code) => {
  // The oracle over every line that was written to any child, in any of the tests. A daemon's lines lie in a folder of its own.
  const taps = [tap, ...globSync(join(run, 'daemon-*'))].map(judgeLines);
  const sum = (of: (judged: (typeof taps)[number]) => number) => taps.reduce((all, it) => all + of(it), 0);
  const [lines, wrong] = [sum((it) => it.lines), taps.flatMap((it) => it.wrong)];
  const searched = sumUp(canaries);
  rmSync(run, { recursive: true, force: true });
  for (const what of wrong.slice(0, 20)) console.error(`✖ a line to a child: ${what}`);
  console.log(`${lines} lines to ${sum((it) => it.children)} children judged, ${wrong.length} wrong`);
  console.log(
    `${searched.canaries} canaries in ${searched.daemons} daemons, ${searched.places} places searched, ${searched.found} found`,
  );
  // A whole run in which no child was spoken to, or nothing was hidden, has not looked.
  const blind = wanted.length === 0 && (lines === 0 || searched.places === 0);
  const fine = code === 0 && wrong.length === 0 && searched.found === 0;
  process.exit(fine && !blind ? 0 : 1);
});

/** The plain closing lines, which say how many tests there were. */
function summary(): string[] {
  return ['--test-reporter=./test/support/summary.ts', '--test-reporter-destination=stdout'];
}
