import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { withLock } from '../../src/files/lock.ts';

test('a lock that was left without a mark, by a command that was killed at that moment, holds nobody up for long', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-lock-'));
  try {
    writeFileSync(join(dir, 'x.lock'), '');
    assert.equal(await withLock(join(dir, 'x.lock'), async () => 'done'), 'done');
    assert.deepEqual(readdirSync(dir), []);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('what is no file is no lock of ours: it is neither waited out nor removed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-lock-'));
  try {
    const path = join(dir, 'x.lock');
    mkdirSync(path);
    utimesSync(path, 0, 0);
    await assert.rejects(
      withLock(path, async () => 'done'),
      /is held by another mcpd command/,
    );
    assert.ok(lstatSync(path).isDirectory());
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
