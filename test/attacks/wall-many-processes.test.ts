// A server that starts processes without end costs the daemon a bounded look.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { excess } from '../../src/fleet/appetite.ts';
import { useOf } from '../../src/fleet/tree.ts';
import { noWall } from '../fleet/support.ts';

test('what is too much already is not read to its end', () => {
  const proc = mkdtempSync(join(tmpdir(), 'mcpd-proc-'));
  try {
    const all = Array.from({ length: 500 }, (_, at) => at + 1);
    for (const pid of all) {
      const task = join(proc, String(pid), 'task', String(pid));
      mkdirSync(task, { recursive: true });
      // Each has started the next.
      writeFileSync(join(task, 'children'), pid === all.length ? '' : `${pid + 1} `);
      writeFileSync(join(proc, String(pid), 'status'), 'RssAnon:\t1 kB\n');
      writeFileSync(join(proc, String(pid), 'stat'), `${pid} (x) S ${pid - 1} ${'0 '.repeat(40)}`);
    }
    assert.equal(useOf(1, proc)?.processes, 500);
    const use = useOf(1, proc, 64);
    assert.equal(use?.processes, 65);
    assert.match(
      excess(use ?? assert.fail(), { ...noWall.resources, processesMax: 64 }) ?? '',
      /processes_max/,
    );
  } finally {
    rmSync(proc, { recursive: true });
  }
});
