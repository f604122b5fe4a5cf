import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Appetite, excess } from '../../src/fleet/appetite.ts';
import { useOf } from '../../src/fleet/tree.ts';
import { noWall } from './support.ts';

const { resources } = noWall;

test('what is within the limits is not too much, and one more is', () => {
  const use = {
    memoryBytes: resources.memoryBytesMax,
    processes: resources.processesMax,
    cpuMs: resources.cpuMsMax,
  };
  assert.equal(excess(use, resources), undefined);
  assert.match(excess({ ...use, memoryBytes: use.memoryBytes + 1 }, resources) ?? '', /memory_max/);
  assert.match(excess({ ...use, processes: use.processes + 1 }, resources) ?? '', /processes_max/);
  assert.match(excess({ ...use, cpuMs: use.cpuMs + 1 }, resources) ?? '', /cpu_max/);
});

test('output is counted for a span, and a new span begins with what crossed its border', () => {
  const told: string[] = [];
  const limits = { ...resources, output: { bytesMax: 100, perMs: 1000 } };
  const appetite = new Appetite(
    limits,
    0,
    () => 0,
    (why) => told.push(why),
  );
  appetite.wrote(100, () => assert.fail('the clock is not asked before a span is full'));
  appetite.wrote(60, () => 1500);
  appetite.wrote(40, () => assert.fail('the new span has room'));
  assert.deepEqual(told, []);
  appetite.wrote(1, () => 2000);
  assert.deepEqual(told, ['wrote more than 100 bytes in 500 ms (output_max)']);
});

test('answers that somebody waited for are not counted, however many', () => {
  const told: string[] = [];
  const limits = { ...resources, output: { bytesMax: 100, perMs: 1000 } };
  let asked = 0;
  const appetite = new Appetite(
    limits,
    0,
    () => asked,
    (why) => told.push(why),
  );
  for (let i = 0; i < 100; i++) {
    asked += 50;
    appetite.wrote(50, () => 1);
  }
  assert.deepEqual(told, []);
  appetite.wrote(101, () => 2);
  assert.deepEqual(told, ['wrote more than 100 bytes in 2 ms (output_max)']);
});

test('a process and what it started are added up, dead children with them', () => {
  const proc = mkdtempSync(join(tmpdir(), 'mcpd-proc-'));
  const process = (pid: number, children: string, status: string, stat: string, threads = [pid]) => {
    for (const thread of threads) mkdirSync(join(proc, `${pid}`, 'task', `${thread}`), { recursive: true });
    writeFileSync(join(proc, `${pid}`, 'task', `${threads.at(-1)}`, 'children'), children);
    writeFileSync(join(proc, `${pid}`, 'status'), status);
    writeFileSync(join(proc, `${pid}`, 'stat'), stat);
  };
  const ticks = (parent: number, ...four: number[]) =>
    `S ${parent} 1 1 0 -1 0 0 0 0 0 ${four.join(' ')} 20 0 1 0 5000 0`;
  // Its name tries to look like the fields that follow.
  process(
    10,
    '11 12 ',
    'RssAnon:\t 100 kB\nRssFile:\t 900 kB\nRssShmem:\t 5 kB\nVmSwap:\t 1 kB\n',
    `10 (a) S 9 9) ${ticks(1, 1, 2, 3, 4)}`,
    [10, 20],
  );
  process(11, '', 'RssAnon:\t 50 kB\n', `11 (b) ${ticks(10, 1, 0, 0, 0)}`);
  // Listed as a child, and by now a stranger's.
  process(12, '', 'RssAnon:\t 7 kB\n', `12 (c) ${ticks(99, 1, 0, 0, 0)}`);
  assert.deepEqual(useOf(10, proc), { memoryBytes: 156 * 1024, processes: 3, cpuMs: 110 });
  assert.equal(useOf(99, proc), undefined);
  rmSync(proc, { recursive: true });
});

test('a real process has memory and threads', { skip: globalThis.process.platform !== 'linux' }, async () => {
  const child = spawn('/bin/sh', ['-c', 'sleep 30 & echo up; wait'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const use = useOf(child.pid ?? 0);
  globalThis.process.kill(-(child.pid ?? 0), 'SIGKILL');
  assert.ok(use !== undefined && use.memoryBytes > 10_000);
  assert.equal(use.processes, 2);
});
