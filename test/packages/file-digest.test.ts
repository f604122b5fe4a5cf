import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { FileDigests } from '../../src/packages/file-digest.ts';

function scratch(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'mcpd-digest-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');

test('a file is read once, and again when it was changed, whatever its times were set to', async (t) => {
  const path = join(scratch(t), 'program');
  writeFileSync(path, 'one');
  const { atime, mtime } = statSync(path);
  // As if all of it had been a while ago.
  const digests = new FileDigests(() => Date.now() + 10_000);
  for (let i = 0; i < 3; i++) assert.equal(await digests.of(path), sha256('one'));
  assert.equal(digests.reads, 1);
  writeFileSync(path, 'two');
  utimesSync(path, atime, mtime);
  assert.equal(await digests.of(path), sha256('two'));
  assert.equal(digests.reads, 2);
});

test('a file that has just been changed is read each time: the next change may bear the same time', async (t) => {
  const path = join(scratch(t), 'program');
  const digests = new FileDigests();
  for (let i = 0; i < 200; i++) {
    const text = String(1000 + i);
    writeFileSync(path, text);
    assert.equal(await digests.of(path), sha256(text));
  }
});

test('a file that took the place of another is another, of the same size and age too', async (t) => {
  const dir = scratch(t);
  const path = join(dir, 'program');
  writeFileSync(path, 'one');
  writeFileSync(join(dir, 'other'), 'two');
  const { atime, mtime } = statSync(path);
  utimesSync(join(dir, 'other'), atime, mtime);
  const digests = new FileDigests();
  assert.equal(await digests.of(path), sha256('one'));
  renameSync(join(dir, 'other'), path);
  assert.equal(await digests.of(path), sha256('two'));
});

test('a file larger than one read has the digest of all of it', async (t) => {
  const path = join(scratch(t), 'program');
  const bytes = Buffer.alloc(700_001, 'abc');
  writeFileSync(path, bytes);
  assert.equal(await new FileDigests().of(path), sha256(bytes));
});

test('what is no plain file has none', async (t) => {
  const dir = scratch(t);
  await assert.rejects(new FileDigests().of(dir));
  await assert.rejects(new FileDigests().of(join(dir, 'missing')), /ENOENT/);
});
