/** The state on a disk of its own that is full, and has room again. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import type { Grant } from '../../src/domain/orders.ts';
import { openState } from '../../src/open-state.ts';
import { GrantStore } from '../../src/operate/grants.ts';
import { switchedOff, SwitchStore, withSwitch } from '../../src/operate/switches.ts';

const tool = { kind: 'tool', name: 'fx/echo' } as const;
const other = { kind: 'tool', name: 'fx/other' } as const;
/** Long enough to need pages of its own. */
const off = { at: 1, by: 'ana', reason: 'x'.repeat(50_000) };

/** Mounts a disk of so many bytes for a test. False: that is not allowed here. */
function withDisk(size: string, work: (dir: string) => void): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-disk-'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', dir]).status !== 0) {
    rmSync(dir, { recursive: true });
    return false;
  }
  try {
    work(dir);
    return true;
  } finally {
    execFileSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true });
  }
}

function fill(dir: string): void {
  for (const size of [65_536, 4096])
    try {
      for (;;) appendFileSync(join(dir, 'ballast'), Buffer.alloc(size, '#'));
    } catch {
      // Full, for pieces of this size.
    }
}

const skip = withDisk('64k', () => undefined) ? false : 'needs leave to mount a small disk';

describe('C-28 a full disk', { skip }, () => {
  test('C-28 a switch is in force and not durable, nothing is taken back or granted; then all works again', () => {
    withDisk('1m', (dir) => {
      const state = openState(dir);
      const switches = SwitchStore.open(state.database);
      const grants = GrantStore.open(state.database);
      const short = { ...off, reason: '' };
      assert.deepEqual(switches.impose(withSwitch(switches.current(), other, short)), { durable: true });
      fill(dir);

      const saved = switches.impose(withSwitch(switches.current(), tool, off));
      assert.match(saved.durable ? '' : saved.why, /no room left/);
      assert.ok(switchedOff(switches.current(), tool));
      assert.equal(switches.durable, false);
      assert.equal(switches.relax(withSwitch(switches.current(), other, undefined)).durable, false);
      assert.ok(switchedOff(switches.current(), other));
      const grant: Grant = {
        ...{ id: 'g1', caller: 'ana', server: 'fx', tool: 'echo', by: 'ops', reason: off.reason },
        ...{ at: 1, untilMs: 9 },
      };
      const given = grants.give(grant, 1);
      assert.ok(given !== 'full' && !given.durable);
      assert.deepEqual(grants.current(), []);
      assert.equal(switches.retry().durable, false);

      rmSync(join(dir, 'ballast'));
      assert.deepEqual(switches.retry(), { durable: true });
      assert.deepEqual(grants.give(grant, 1), { durable: true });
      state.close();
      const again = openState(dir);
      assert.equal(SwitchStore.open(again.database).current().tools.size, 2);
      assert.deepEqual(GrantStore.open(again.database).current(), [grant]);
      again.close();
    });
  });

  test('C-28 from the first start on says so, and the next start works', () => {
    withDisk('128k', (dir) => {
      fill(dir);
      assert.throws(
        () => openState(dir),
        // Not as a file that has to be put back: when there is room, the next start is to be made by itself.
        (fault) =>
          fault instanceof Fault && fault.code === 'AUDIT_UNAVAILABLE' && /df /.test(fault.hint ?? ''),
      );
      rmSync(join(dir, 'ballast'));
      const state = openState(dir);
      assert.deepEqual(SwitchStore.open(state.database).retry(), { durable: true });
      state.close();
    });
  });
});
