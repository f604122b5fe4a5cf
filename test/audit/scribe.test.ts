import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { bench, disk, linesIn, tempDir } from './sample.ts';

const realWrite = (fd: number, bytes: Buffer, offset: number, length: number) =>
  writeSync(fd, bytes, offset, length);
const kinds = (dir: string) => linesIn(dir).map((it) => it['kind']);
const seqs = (dir: string) => linesIn(dir).map((it) => it['seq']);
const line = (kind: string) => `{"kind":"${kind}"}`;

test('lines said in one turn go out with one write, in their order, and share one promise', async (t) => {
  const dir = tempDir(t);
  const real = disk(realWrite);
  const { scribe } = bench(t, dir, { writeSome: real.writeSome });
  real.writes = 0;
  const one = scribe.append(line('a'));
  scribe.note(line('b'));
  const two = scribe.append(line('c'));
  assert.equal(one, two);
  assert.deepEqual(kinds(dir), ['started']);
  await one;
  assert.equal(real.writes, 1);
  assert.deepEqual(kinds(dir), ['started', 'a', 'b', 'c']);
  assert.deepEqual(seqs(dir), [1, 2, 3, 4]);
});

test('numbers go on after a restart', async (t) => {
  const dir = tempDir(t);
  const before = bench(t, dir);
  await before.scribe.append(line('a'));
  await before.scribe.close();
  const after = bench(t, dir);
  await after.scribe.append(line('b'));
  assert.deepEqual(seqs(dir), [1, 2, 3, 4]);
});

test('a torn tail is on record with its size', (t) => {
  const dir = tempDir(t);
  bench(t, dir);
  appendFileSync(join(dir, 'journal-000001.jsonl'), '{"seq":2,"ki');
  bench(t, dir);
  const [, torn, started] = linesIn(dir);
  assert.deepEqual(
    [torn?.['kind'], torn?.['bytes'], torn?.['seq'], started?.['kind']],
    ['torn-tail', 12, 2, 'started'],
  );
});

test('a full disk fails the whole group, and what nobody waits for is written when there is room again', async (t) => {
  const dir = tempDir(t);
  const small = disk(realWrite);
  const told: (Fault | undefined)[] = [];
  const { scribe, clock } = bench(t, dir, {
    writeSome: small.writeSome,
    onTrouble: (fault) => told.push(fault),
  });
  small.freeBytes = 30;
  const one = scribe.append(line('intent'));
  scribe.note(line('outcome'));
  await assert.rejects(one, { code: 'AUDIT_UNAVAILABLE' });
  assert.equal(scribe.healthy, false);
  assert.deepEqual(kinds(dir), ['started']);
  small.freeBytes = Infinity;
  await assert.rejects(scribe.append(line('too soon')), { code: 'AUDIT_UNAVAILABLE' });
  clock.now += 1000;
  await scribe.append(line('later'));
  assert.equal(scribe.healthy, true);
  assert.deepEqual(kinds(dir), ['started', 'recovered', 'outcome', 'later']);
  assert.deepEqual(seqs(dir), [1, 2, 3, 4]);
  assert.deepEqual(
    told.map((it) => it?.code),
    ['AUDIT_UNAVAILABLE', undefined],
  );
});

test('a journal that still fails is left alone for another second', async (t) => {
  const dir = tempDir(t);
  const small = disk(realWrite);
  const { scribe, clock } = bench(t, dir, { writeSome: small.writeSome });
  small.freeBytes = 0;
  await assert.rejects(scribe.append(line('a')));
  clock.now += 1000;
  assert.equal(scribe.ready(), false);
  small.freeBytes = Infinity;
  clock.now += 999;
  assert.equal(scribe.ready(), false);
  clock.now += 1;
  assert.equal(scribe.ready(), true);
});

test('a journal recovers by itself, without a call that asks for it', async (t) => {
  const dir = tempDir(t);
  const small = disk(realWrite);
  const { scribe, clock, timers } = bench(t, dir, { writeSome: small.writeSome });
  small.freeBytes = 0;
  await assert.rejects(scribe.append(line('a')));
  clock.now += 1000;
  timers.shift()?.();
  assert.equal(scribe.healthy, false);
  small.freeBytes = Infinity;
  clock.now += 1000;
  timers.shift()?.();
  assert.equal(scribe.healthy, true);
  assert.deepEqual(timers, []);
});

test('what could not be kept is counted and put on record', async (t) => {
  const dir = tempDir(t);
  const small = disk(realWrite);
  const { scribe, clock } = bench(t, dir, { writeSome: small.writeSome, keptLinesMax: 2 });
  small.freeBytes = 0;
  await assert.rejects(scribe.append(line('a')));
  for (const kind of ['kept-1', 'kept-2', 'lost-1', 'lost-2', 'lost-3']) scribe.note(line(kind));
  small.freeBytes = Infinity;
  clock.now += 1000;
  await scribe.flush();
  assert.deepEqual(kinds(dir), ['started', 'recovered', 'lost', 'kept-1', 'kept-2']);
  assert.equal(linesIn(dir)[2]?.['count'], 3);
});

test('a turn that says more than the bound loses nothing while the disk works', async (t) => {
  const dir = tempDir(t);
  const { scribe } = bench(t, dir, { keptLinesMax: 10 });
  for (let count = 0; count < 100; count++) scribe.note(line('a'));
  await scribe.flush();
  assert.equal(linesIn(dir).length, 101);
});

for (const [what, meddle] of [
  [
    'removed',
    (file: string) => {
      rmSync(file);
    },
  ],
  [
    'emptied',
    (file: string) => {
      truncateSync(file, 0);
    },
  ],
  [
    'extended',
    (file: string) => {
      appendFileSync(file, 'forged\n');
    },
  ],
] as const) {
  test(`a journal that somebody ${what} is noticed, goes on, and never counts back`, async (t) => {
    const dir = tempDir(t);
    const { scribe, clock } = bench(t, dir);
    await scribe.append(line('a'));
    meddle(join(dir, 'journal-000001.jsonl'));
    clock.now += 1000;
    await scribe.append(line('b'));
    const text = readFileSync(join(dir, 'journal-000001.jsonl'), 'utf8');
    assert.match(text, /\{"seq":3,"kind":"changed"[^\n]*\n\{"seq":4,"kind":"b"\}\n$/);
  });
}

test('after the end every line is refused, and the end can be told twice', async (t) => {
  const dir = tempDir(t);
  const { scribe } = bench(t, dir);
  scribe.note(line('last'));
  await scribe.close();
  await scribe.close();
  await assert.rejects(scribe.append(line('late')), { code: 'AUDIT_UNAVAILABLE' });
  assert.equal(scribe.healthy, false);
  assert.deepEqual(kinds(dir), ['started', 'last']);
});

test('a disk that fails at start does not keep the daemon from starting; a journal open to others does', (t) => {
  const dir = tempDir(t);
  const small = disk(realWrite);
  small.freeBytes = 0;
  const { scribe } = bench(t, dir, { writeSome: small.writeSome });
  assert.equal(scribe.healthy, false);
  assert.throws(
    () =>
      bench(t, dir, {
        open: () => {
          throw new Fault('CONFIG_INVALID');
        },
      }),
    { code: 'CONFIG_INVALID' },
  );
});
