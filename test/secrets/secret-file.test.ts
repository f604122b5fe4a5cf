import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSecretFile } from '../../src/secrets/secret-file.ts';
import { file, scratch, unavailable } from './scratch.ts';

test('one line end at the close is left off, and only one', async (t) => {
  const dir = scratch(t);
  for (const [content, value] of [
    ['s', 's'],
    ['s\n', 's'],
    ['s\r\n', 's'],
    ['s\n\n', 's\n'],
    [' s ', ' s '],
    ['a\nb\n', 'a\nb'],
  ] as const) {
    assert.equal(await readSecretFile(file(join(dir, 'key'), content)), value);
  }
});

test('a file that others can read is refused, with what to type', async (t) => {
  const dir = scratch(t);
  for (const mode of [0o640, 0o604, 0o620, 0o644, 0o666]) {
    const path = file(join(dir, `key-${mode.toString(8)}`), 'hunter2', mode);
    await assert.rejects(readSecretFile(path), unavailable(/can be read by others/, /^chmod 600 /));
  }
  assert.equal(await readSecretFile(file(join(dir, 'read-only'), 's', 0o400)), 's');
});

test('a link is judged by what it leads to', async (t) => {
  const dir = scratch(t);
  file(join(dir, 'good'), 'good');
  file(join(dir, 'open'), 'hunter2', 0o644);
  for (const [link, target] of [
    ['to-good', 'good'],
    ['to-open', 'open'],
    ['to-nothing', 'nothing'],
    ['loop', 'loop'],
  ] as const) {
    symlinkSync(join(dir, target), join(dir, link));
  }
  assert.equal(await readSecretFile(join(dir, 'to-good')), 'good');
  await assert.rejects(
    readSecretFile(join(dir, 'to-open')),
    unavailable(/can be read by others/, /chmod 600/),
  );
  await assert.rejects(readSecretFile(join(dir, 'to-nothing')), unavailable(/does not exist/, /owner-only/));
  await assert.rejects(readSecretFile(join(dir, 'loop')), unavailable(/cannot be opened \(ELOOP\)/, /./));
});

test(
  'a stranger’s file is refused',
  { skip: process.getuid?.() === 0 ? false : 'only root can give a file away' },
  async (t) => {
    const path = file(join(scratch(t), 'key'), 'hunter2');
    chownSync(path, 65_534, 65_534);
    await assert.rejects(readSecretFile(path), unavailable(/belongs to another user/, /chown/));
  },
);

test('folders, pipes and text that is none are refused without waiting', async (t) => {
  const dir = scratch(t);
  mkdirSync(join(dir, 'folder'), { mode: 0o700 });
  execFileSync('mkfifo', ['-m', '600', join(dir, 'pipe')]);
  for (const name of ['folder', 'pipe']) {
    await assert.rejects(
      readSecretFile(join(dir, name)),
      unavailable(/not a regular file|cannot be opened/, /./),
    );
  }
  const broken = file(join(dir, 'broken'), Buffer.from([0x68, 0xff]));
  await assert.rejects(readSecretFile(broken), unavailable(/is not valid UTF-8/, /./));
});

test('no more is read than a secret may hold', async (t) => {
  const path = file(join(scratch(t), 'key'), 'x'.repeat(1_000_000));
  assert.ok((await readSecretFile(path)).length <= 64 * 1024 + 3);
});
