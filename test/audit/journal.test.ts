import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Journal } from '../../src/audit/journal.ts';
import { journalFiles, readJournal } from '../../src/audit/journal-files.ts';
import { disk, tempDir } from './sample.ts';

const first = 'journal-000001.jsonl';

test('only the owner can open the directory and the file', (t) => {
  const dir = tempDir(t);
  Journal.open({ dir }).close();
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.equal(statSync(join(dir, first)).mode & 0o777, 0o600);
});

test('a journal that others may write is refused with what to type', (t) => {
  const dir = tempDir(t);
  mkdirSync(dir, { mode: 0o700 });
  chmodSync(dir, 0o777);
  assert.throws(() => Journal.open({ dir }), { code: 'CONFIG_INVALID', hint: /chmod 700/ });
  chmodSync(dir, 0o700);
  writeFileSync(join(dir, first), '');
  chmodSync(join(dir, first), 0o644);
  assert.throws(() => Journal.open({ dir }), { code: 'CONFIG_INVALID', hint: /chmod 600/ });
});

test('a symbolic link is not followed', (t) => {
  const dir = tempDir(t);
  mkdirSync(dir, { mode: 0o700 });
  writeFileSync(join(dir, 'elsewhere'), '', { mode: 0o600 });
  symlinkSync(join(dir, 'elsewhere'), join(dir, first));
  assert.throws(() => Journal.open({ dir }), { code: 'CONFIG_INVALID', hint: /^cp -p / });
});

test('a torn last line is cut off, and the count goes on from the last whole one', (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir });
  journal.write('{"seq":1,"a":1}\n{"seq":2,"a":2}\n');
  journal.close();
  appendFileSync(join(dir, first), '{"seq":3,"a":');
  const again = Journal.open({ dir });
  t.after(() => {
    again.close();
  });
  assert.deepEqual([again.lastSeq, again.tornBytes], [2, 13]);
  assert.equal(readFileSync(join(dir, first), 'utf8'), '{"seq":1,"a":1}\n{"seq":2,"a":2}\n');
});

test('a file that is nothing but a torn line becomes empty', (t) => {
  const dir = tempDir(t);
  mkdirSync(dir, { mode: 0o700 });
  writeFileSync(join(dir, first), 'x'.repeat(200_000), { mode: 0o600 });
  const journal = Journal.open({ dir });
  journal.close();
  assert.deepEqual([journal.lastSeq, journal.tornBytes, statSync(join(dir, first)).size], [0, 200_000, 0]);
});

test('the last number is found behind lines longer than any read and lines that are not ours', (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir });
  journal.write(`{"seq":41,"a":1}\n{"seq":42,"long":"${'x'.repeat(300_000)}"}\nnot ours\n\n`);
  journal.close();
  const again = Journal.open({ dir });
  again.close();
  assert.equal(again.lastSeq, 42);
});

test('a file that would grow too large is followed by the next, which goes on counting', async (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir, rotateAtBytes: 40 });
  for (let seq = 1; seq <= 5; seq++) journal.write(`{"seq":${seq},"a":1}\n`);
  journal.close();
  assert.deepEqual(
    journalFiles(dir).map((file) => readFileSync(file, 'utf8').split('\n').length - 1),
    [2, 2, 1],
  );
  writeFileSync(join(dir, 'journal-000004.jsonl'), '', { mode: 0o600 });
  const again = Journal.open({ dir });
  again.close();
  assert.equal(again.lastSeq, 5);
  const lines: string[] = [];
  for await (const line of readJournal(dir)) lines.push(line);
  assert.equal(lines.length, 5);
});

test('a write that fails half way leaves no half line', (t) => {
  const dir = tempDir(t);
  const small = disk((fd, bytes, offset, length) => writeSync(fd, bytes, offset, length));
  const journal = Journal.open({ dir, writeSome: small.writeSome });
  t.after(() => {
    journal.close();
  });
  journal.write('{"seq":1}\n');
  small.freeBytes = 15;
  assert.throws(
    () => {
      journal.write('{"seq":2}\n{"seq":3}\n');
    },
    { code: 'AUDIT_UNAVAILABLE' },
  );
  assert.equal(readFileSync(join(dir, first), 'utf8'), '{"seq":1}\n');
});

test('a short write is completed', (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir, writeSome: (fd, bytes, offset) => writeSync(fd, bytes, offset, 1) });
  journal.write('{"seq":1,"a":"é"}\n');
  journal.close();
  assert.equal(readFileSync(join(dir, first), 'utf8'), '{"seq":1,"a":"é"}\n');
});

test('a reader gives whole lines, however the chunks fall, and leaves out the torn one', async (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir });
  const long = `{"seq":2,"a":"${'é'.repeat(300_000)}"}`;
  journal.write(`{"seq":1}\n${long}\n{"seq":3}\n{"seq":4`);
  journal.close();
  const lines: string[] = [];
  for await (const line of readJournal(dir)) lines.push(line);
  assert.deepEqual(lines, ['{"seq":1}', long, '{"seq":3}']);
});

test('where there is no journal there are no lines', async (t) => {
  for await (const line of readJournal(tempDir(t))) assert.fail(line);
});
