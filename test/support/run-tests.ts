/**
 * Runs every test. Refuses to call a run green that ran nothing: with a wrong glob, node's runner finds no file and is
 * content. `npm test -- test/fleet` narrows it to a folder or file.
 */
import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
const tap = mkdtempSync(join(tmpdir(), 'mcpd-tap-'));
const runner = spawn(
  process.execPath,
  [
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
  { stdio: 'inherit', env: { ...process.env, MCPD_TEST_TAP: tap } },
);
runner.on('exit', (code) => {
  // The oracle over every line that was written to any child, in any of the tests.
  const { children, lines, wrong } = judgeLines(tap);
  rmSync(tap, { recursive: true, force: true });
  for (const what of wrong.slice(0, 20)) console.error(`✖ a line to a child: ${what}`);
  console.log(`${lines} lines to ${children} children judged, ${wrong.length} wrong`);
  // A whole run in which no child was spoken to has not looked.
  const blind = wanted.length === 0 && lines === 0;
  process.exit(code === 0 && wrong.length === 0 && !blind ? 0 : 1);
});

/** The plain closing lines, which say how many tests there were. */
function summary(): string[] {
  return ['--test-reporter=./test/support/summary.ts', '--test-reporter-destination=stdout'];
}
