/**
 * Runs every test. Refuses to call a run green that ran nothing: with a wrong glob, node's runner finds no file and is
 * content. `npm test -- test/fleet` narrows it to a folder or file.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const options = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const files = globSync('test/**/*.test.ts')
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`No test file matches ${wanted.join(' ') || 'test/**/*.test.ts'}.`);
  process.exit(1);
}
const runner = spawn(
  process.execPath,
  [
    '--test',
    '--test-timeout=120000',
    '--test-concurrency=2',
    '--test-reporter=dot',
    '--test-reporter-destination=stdout',
    ...summary(),
    ...options,
    ...files,
  ],
  { stdio: 'inherit' },
);
runner.on('exit', (code) => process.exit(code ?? 1));

/** The plain closing lines, which say how many tests there were. */
function summary(): string[] {
  return ['--test-reporter=./test/support/summary.ts', '--test-reporter-destination=stdout'];
}
