/**
 * Loaded into every test process, and into every daemon that a test starts: writes down what goes to the stdin of supervised
 * children, so that the run can be judged as a whole when it is over (`judge-lines.ts`).
 */
import childProcess from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { openSync, writevSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { tapEntry } from './tap-entry.ts';

const dir = process.env['MCPD_TEST_TAP'];
/** The mark by which the fleet knows its own children; see `src/fleet/environment.ts`. */
const mark = 'SUPERVISED_BY';

/** One descriptor for all children, however many come and go: tests count them, and run out of them on purpose. */
let file: number | undefined;
let children = 0;
/** So much of one process is judged. A load of minutes writes more than can be read in one go, and would fill the disk. */
const keptMax = 2 ** 30;
let kept = 0;

if (dir !== undefined) {
  const spawn = childProcess.spawn as (...args: unknown[]) => childProcess.ChildProcess;
  const tapped = (...args: unknown[]): childProcess.ChildProcess => {
    const child = spawn(...args);
    const options = args[2] as childProcess.SpawnOptions | undefined;
    // Where no descriptor was left for its pipes, a child has none at all.
    const stdin = child.stdin as Writable | null | undefined;
    if (stdin === null || stdin === undefined || options?.env?.[mark] === undefined) return child;
    const number = ++children;
    const write = stdin.write.bind(stdin) as (...them: unknown[]) => boolean;
    stdin.write = ((chunk: string | Buffer, ...rest: unknown[]) => {
      if (kept < keptMax) {
        file ??= openSync(join(dir, randomUUID()), 'a', 0o600);
        kept += writevSync(
          file,
          tapEntry(number, typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk),
        );
      }
      return write(chunk, ...rest);
    }) as typeof stdin.write;
    return child;
  };
  childProcess.spawn = tapped as typeof childProcess.spawn;
  syncBuiltinESMExports();
}
