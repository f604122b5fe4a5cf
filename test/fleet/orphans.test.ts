import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { isAlive, until } from './support.ts';

/** A fleet in a process of its own, to which the system gives the orphans of its children. */
const adopting = `
  import { createRequire } from 'node:module';
  const here = process.argv[2];
  const { callText, fleetOf, specOf, toolCall } = await import(here + '/support.ts');
  const lib = createRequire(here + '/x.js')('koffi').load(null);
  const prctl = lib.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)');
  const waitpid = lib.func('int waitpid(int, void*, int)');
  if (prctl(36, 1, 0, 0, 0) !== 0) process.exit(9);
  let reaped = 0;
  const { fleet } = fleetOf({ reap: (pid) => (reaped += waitpid(pid, null, 1) > 0 ? 1 : 0) });
  fleet.apply([specOf('leaves-family', { sharing: 'all' })]);
  // Its parent is gone when this returns: nobody has had time to look.
  const told = await callText(fleet, toolCall('start', { ms: 0 }));
  console.log(JSON.stringify({ told: JSON.parse(told), parent: process.pid }));
  await fleet.stop();
  const { processTable } = await import(here + '/../../src/fleet/process-table.ts');
  const left = processTable().filter((row) => row.parent === process.pid);
  console.log(JSON.stringify({ reaped, left }));
`;

it(
  'C-07 whoever forks twice, leaves its group and wipes its environment is ended with the fleet that adopts orphans, and no zombie stays',
  { skip: process.platform !== 'linux' },
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'mcpd-orphans-'));
    const script = join(dir, 'adopting.mts');
    writeFileSync(script, adopting);
    const child = spawn(process.execPath, [script, import.meta.dirname], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes('\n') || child.exitCode !== null);
    const { told } = JSON.parse(said.split('\n')[0] ?? '') as { told: number[] };
    const last = told.at(-1) ?? 0;
    assert.equal(told.length, 5);
    // Its environment is its own by now, and empty of us.
    assert.doesNotMatch(readFileSync(`/proc/${last}/environ`, 'latin1'), /SUPERVISED_BY/);
    await new Promise((resolve) => child.once('exit', resolve));
    assert.ok(!told.some(isAlive));
    const { reaped, left } = JSON.parse(said.split('\n')[1] ?? '') as { reaped: number; left: unknown[] };
    assert.ok(reaped >= 1, said);
    assert.deepEqual(left, []);
    rmSync(dir, { recursive: true });
  },
);
