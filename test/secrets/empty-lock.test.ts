import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { withLock } from '../../src/secrets/own-file.ts';

test('a lock that was left without a mark, by a command that was killed at that moment, holds nobody up for long', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-lock-'));
  try {
    writeFileSync(join(dir, 'x.lock'), '');
    assert.equal(await withLock(join(dir, 'x'), async () => 'done'), 'done');
    assert.deepEqual(readdirSync(dir), []);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
