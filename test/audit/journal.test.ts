import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
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
import { TestClock } from './journal-rig.ts';
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
  journal.write(['{"a":1}', '{"a":2}']);
  journal.close();
  const before = readFileSync(join(dir, first), 'utf8');
  appendFileSync(join(dir, first), '{"seq":3,"a":');
  const again = Journal.open({ dir });
  t.after(() => {
    again.close();
  });
  assert.equal(again.last.seq, 2);
  assert.deepEqual(again.repairs, [{ kind: 'torn-tail', members: ',"bytes":13' }]);
  assert.equal(readFileSync(join(dir, first), 'utf8'), before);
});

test('a file that is nothing but a torn line becomes empty', (t) => {
  const dir = tempDir(t);
  mkdirSync(dir, { mode: 0o700 });
  writeFileSync(join(dir, first), 'x'.repeat(200_000), { mode: 0o600 });
  const journal = Journal.open({ dir });
  journal.close();
  assert.deepEqual([journal.last.seq, statSync(join(dir, first)).size], [0, 0]);
  assert.deepEqual(journal.repairs, [{ kind: 'torn-tail', members: ',"bytes":200000' }]);
});

test('the end is found behind lines longer than any read and lines that are not ours', (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir });
  journal.write(['{"a":1}', `{"long":"${'x'.repeat(300_000)}"}`]);
  const { last } = journal;
  journal.close();
  appendFileSync(join(dir, first), 'not ours\n\n');
  const again = Journal.open({ dir });
  again.close();
  assert.deepEqual([again.last.seq, again.last.hash], [2, last.hash]);
});

test('each record has the hash of the one before it, over the borders of files too', (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir, rotateAtBytes: 150 });
  journal.write(['{"a":"é"}', '{"a":2}', '{"a":"\u{1f600}"}']);
  for (let n = 0; n < 5; n++) journal.write(['{"kind":"b"}']);
  journal.close();
  const again = Journal.open({ dir, rotateAtBytes: 150 });
  again.write(['{"kind":"c"}']);
  again.close();
  const files = journalFiles(dir);
  assert.ok(files.length > 2);
  let prev = 'A'.repeat(43);
  for (const [at, line] of files
    .flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(0, -1))
    .entries()) {
    const record = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual([record['seq'], record['prev']], [at + 1, prev]);
    prev = createHash('sha256').update(line).digest('base64url');
  }
});

test('a group larger than any buffer is one chain', (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir });
  journal.write(Array.from({ length: 3000 }, (_, n) => `{"n":${n},"a":"${'€'.repeat(n)}"}`));
  journal.write(['{"a":1}']);
  const { last } = journal;
  journal.close();
  const lines = readFileSync(join(dir, first), 'utf8').split('\n').slice(0, -1);
  assert.equal(lines.length, 3001);
  assert.equal(
    createHash('sha256')
      .update(lines.at(-1) ?? '')
      .digest('base64url'),
    last.hash,
  );
  assert.ok(
    lines.at(-1)?.includes(
      createHash('sha256')
        .update(lines.at(-2) ?? '')
        .digest('base64url'),
    ),
  );
});

test('a file that would grow too large is followed by the next, which goes on counting', async (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir, rotateAtBytes: 150 });
  for (let n = 0; n < 5; n++) journal.write(['{"a":1}']);
  journal.close();
  assert.deepEqual(
    journalFiles(dir).map((file) => readFileSync(file, 'utf8').split('\n').length - 1),
    [2, 2, 1],
  );
  writeFileSync(join(dir, 'journal-000004.jsonl'), '', { mode: 0o600 });
  const again = Journal.open({ dir });
  again.close();
  assert.equal(again.last.seq, 5);
  const lines: string[] = [];
  for await (const line of readJournal(dir)) lines.push(line);
  assert.equal(lines.length, 5);
});

test('a file that is too old is followed by the next, also after a restart', (t) => {
  const dir = tempDir(t);
  const clock = new TestClock();
  const place = { dir, rotateAtAgeMs: 60_000, clock };
  const record = () => `{"kind":"a","time":"${new Date(clock.wall).toISOString()}"}`;
  const journal = Journal.open(place);
  journal.write([record()]);
  clock.pass(40_000);
  journal.write([record()]);
  journal.close();
  assert.equal(journalFiles(dir).length, 1);
  const again = Journal.open(place);
  clock.pass(19_999);
  again.write([record()]);
  assert.equal(journalFiles(dir).length, 1);
  clock.pass(1);
  again.write([record()]);
  clock.pass(59_999);
  again.write([record()]);
  assert.equal(journalFiles(dir).length, 2);
  clock.pass(1);
  again.write([record()]);
  again.close();
  assert.equal(journalFiles(dir).length, 3);
});

test('a write that fails half way leaves no half line', (t) => {
  const dir = tempDir(t);
  const small = disk((fd, bytes, offset, length) => writeSync(fd, bytes, offset, length));
  const journal = Journal.open({ dir, writeSome: small.writeSome });
  t.after(() => {
    journal.close();
  });
  journal.write(['{"a":1}']);
  const before = readFileSync(join(dir, first), 'utf8');
  small.freeBytes = 100;
  assert.throws(
    () => {
      journal.write(['{"a":2}', '{"a":3}']);
    },
    { code: 'AUDIT_UNAVAILABLE' },
  );
  assert.equal(readFileSync(join(dir, first), 'utf8'), before);
});

test('a short write is completed', (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir, writeSome: (fd, bytes, offset) => writeSync(fd, bytes, offset, 1) });
  journal.write(['{"a":"é"}']);
  journal.close();
  assert.match(readFileSync(join(dir, first), 'utf8'), /^\{"seq":1,"prev":"A{43}","a":"é"\}\n$/);
});

test('a reader gives whole lines, however the chunks fall, and leaves out the torn one', async (t) => {
  const dir = tempDir(t);
  const journal = Journal.open({ dir });
  const long = 'é'.repeat(300_000);
  journal.write(['{"a":1}', `{"a":"${long}"}`, '{"a":3}']);
  journal.close();
  appendFileSync(join(dir, first), '{"seq":4');
  const found: unknown[] = [];
  for await (const line of readJournal(dir)) found.push((JSON.parse(line) as { a: unknown }).a);
  assert.deepEqual(found, [1, long, 3]);
});

test('where there is no journal there are no lines', async (t) => {
  for await (const line of readJournal(tempDir(t))) assert.fail(line);
});
