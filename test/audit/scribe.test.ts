import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Fault } from '../../src/domain/faults.ts';
import { realDisk, type Disk } from '../../src/audit/journal-disk.ts';
import { JournalRig } from './journal-rig.ts';
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
  const one = scribe.append(line('a'), 'os');
  scribe.note(line('b'));
  const two = scribe.append(line('c'), 'os');
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
  await before.scribe.append(line('a'), 'os');
  await before.scribe.close();
  const after = bench(t, dir);
  await after.scribe.append(line('b'), 'os');
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
  const one = scribe.append(line('intent'), 'os');
  scribe.note(line('outcome'));
  await assert.rejects(one, { code: 'AUDIT_UNAVAILABLE' });
  assert.equal(scribe.healthy, false);
  assert.deepEqual(kinds(dir), ['started']);
  small.freeBytes = Infinity;
  await assert.rejects(scribe.append(line('too soon'), 'os'), { code: 'AUDIT_UNAVAILABLE' });
  clock.now += 1000;
  await scribe.append(line('later'), 'os');
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
  await assert.rejects(scribe.append(line('a'), 'os'));
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
  await assert.rejects(scribe.append(line('a'), 'os'));
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
  await assert.rejects(scribe.append(line('a'), 'os'));
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

for (const [what, meddle, kindsAfter] of [
  ['removed', (file: string) => rmSync(file), ['truncated', 'changed', 'b']],
  ['emptied', (file: string) => truncateSync(file, 0), ['truncated', 'changed', 'b']],
  [
    'extended',
    (file: string) => appendFileSync(file, '{"seq":9,"kind":"forged"}\n'),
    ['changed', 'chain-begins', 'changed', 'b'],
  ],
] as const) {
  test(`a journal that somebody ${what} is noticed, goes on, and never counts back`, async (t) => {
    const rig = new JournalRig(t);
    const scribe = rig.open();
    await scribe.append(line('a'), 'os');
    meddle(rig.files[0] ?? '');
    rig.clock.pass(1000);
    await scribe.append(line('b'), 'os');
    const records = rig.files
      .flatMap((file) => rig.lines(file))
      .map((it) => JSON.parse(it) as { kind: string; seq: number });
    assert.deepEqual(
      records.slice(-kindsAfter.length).map(({ kind }) => kind),
      kindsAfter,
    );
    assert.ok((records.at(-kindsAfter.length)?.seq ?? 0) >= 3);
    await scribe.close();
    assert.notEqual((await rig.verify()).findings.length, 0);
  });
}

test('a record to be on the disk waits for a sync that began after it was written, and shares it', async (t) => {
  const rig = new JournalRig(t);
  const slow = slowDisk();
  const scribe = rig.open({ disk: slow.disk, upkeep: false });
  const done: string[] = [];
  const say = (name: string) => void scribe.append(line(name), 'disk').then(() => done.push(name));
  say('a');
  await turn();
  assert.equal(slow.syncs.length, 1);
  // These were written after that sync began, so it says nothing about them.
  for (const name of ['b', 'c', 'd']) {
    say(name);
    await turn();
  }
  await scribe.append(line('not waiting'), 'os');
  assert.deepEqual(rig.kinds(), ['started', 'a', 'b', 'c', 'd', 'not waiting']);
  await slow.finish();
  assert.deepEqual([done, slow.syncs.length], [['a'], 1]);
  await slow.finish();
  assert.deepEqual([done, slow.syncs.length], [['a', 'b', 'c', 'd'], 0]);
  slow.isFree = true;
});

test('a new file begins while a sync is under way, and both files are synced before anybody is told', async (t) => {
  const rig = new JournalRig(t);
  const slow = slowDisk();
  const scribe = rig.open({ disk: slow.disk, upkeep: false, rotateAtBytes: 300 });
  const done: string[] = [];
  const say = (name: string) => void scribe.append(line(name), 'disk').then(() => done.push(name));
  say('a');
  await turn();
  for (const name of ['b', 'c', 'd']) {
    say(name);
    await turn();
  }
  assert.ok(rig.files.length >= 2);
  await slow.finish();
  assert.deepEqual(done, ['a']);
  // The file that was closed meanwhile comes first.
  for (let n = 0; n < rig.files.length - 1; n++) {
    await slow.finish();
    assert.deepEqual(done, ['a'], 'not before the last of them');
  }
  await slow.finish();
  assert.deepEqual(done, ['a', 'b', 'c', 'd']);
  slow.isFree = true;
  await scribe.close();
  assert.deepEqual((await rig.verify()).findings, []);
});

test('C-13 a sync that failed: nobody is told yes, and what follows goes into a new file that says so', async (t) => {
  const rig = new JournalRig(t);
  const slow = slowDisk();
  const scribe = rig.open({ disk: slow.disk, upkeep: false });
  const one = scribe.append(line('a'), 'disk');
  await turn();
  const two = scribe.append(line('b'), 'disk');
  scribe.note(line('kept'));
  await turn();
  const refused = [
    assert.rejects(one, { code: 'AUDIT_UNAVAILABLE', detail: /cannot sync/ }),
    assert.rejects(two, { code: 'AUDIT_UNAVAILABLE' }),
  ];
  await slow.finish(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }));
  await Promise.all(refused);
  assert.equal(scribe.healthy, false);
  scribe.note(line('meanwhile'));
  rig.clock.pass(1000);
  // The disk is asked whether it works, and until it says so nobody gets a yes.
  assert.equal(scribe.ready(), false);
  await turn();
  assert.equal(slow.syncs.length, 1);
  assert.equal(scribe.ready(), false);
  await assert.rejects(scribe.append(line('too soon'), 'os'), { code: 'AUDIT_UNAVAILABLE' });
  scribe.note(line('also meanwhile'));
  await slow.finish();
  assert.equal(scribe.healthy, true);
  assert.equal(rig.files.length, 2);
  assert.deepEqual(rig.kinds(), [
    'started',
    'a',
    'b',
    'kept',
    'io-error',
    'recovered',
    'meanwhile',
    'also meanwhile',
  ]);
  slow.isFree = true;
  await scribe.close();
  const { findings, warnings } = await rig.verify();
  assert.deepEqual(
    [findings, warnings.map(({ kind, from, to }) => [kind, from, to])],
    [[], [['io-error', 1, 4]]],
  );
});

test('C-13 a disk that fails for long: one new file in all, and no word of it twice', async (t) => {
  const rig = new JournalRig(t);
  const slow = slowDisk();
  const scribe = rig.open({ disk: slow.disk, upkeep: false });
  const eio = () => Object.assign(new Error('EIO'), { code: 'EIO' });
  const one = assert.rejects(scribe.append(line('a'), 'disk'));
  await turn();
  await slow.finish(eio());
  await one;
  scribe.note(line('meanwhile'));
  for (let tries = 0; tries < 5; tries++) {
    rig.clock.pass(1000);
    rig.fire(1000);
    await turn();
    await slow.finish(eio());
    assert.equal(scribe.healthy, false);
    // Were mcpd killed now, nothing would seem to be cut off.
    assert.deepEqual((await rig.verify()).findings, []);
  }
  rig.clock.pass(1000);
  rig.fire(1000);
  await turn();
  await slow.finish();
  assert.equal(scribe.healthy, true);
  assert.deepEqual(rig.kinds(), ['started', 'a', 'io-error', 'recovered', 'meanwhile']);
  assert.equal(rig.files.length, 2);
  slow.isFree = true;
  await scribe.close();
  assert.deepEqual((await rig.verify()).findings, []);
});

test('what a disk lost that did not confirm it is named, and is no alarm', async (t) => {
  const rig = new JournalRig(t);
  const slow = slowDisk();
  const scribe = rig.open({ disk: slow.disk, upkeep: false });
  const one = assert.rejects(scribe.append(line('a'), 'disk'));
  await turn();
  await slow.finish(Object.assign(new Error('EIO'), { code: 'EIO' }));
  await one;
  slow.isFree = true;
  rig.clock.pass(1000);
  rig.fire(1000);
  while (!scribe.healthy) await turn();
  await scribe.append(line('b'), 'disk');
  await scribe.close();
  const [file = ''] = rig.files;
  truncateSync(file, readFileSync(file).length - 20);
  const { findings, warnings } = await rig.verify();
  assert.deepEqual(findings, []);
  assert.ok(
    warnings.some(({ kind, from, to }) => kind === 'io-error' && from === 2 && to === 2),
    JSON.stringify(warnings),
  );
});

test('C-14 too many wait for the disk: the next is refused, in words, and those who wait are served', async (t) => {
  const rig = new JournalRig(t);
  const slow = slowDisk();
  const scribe = rig.open({ disk: slow.disk, upkeep: false, waitingMax: 3 });
  const waiting: Promise<void>[] = [];
  for (let n = 0; n < 3; n++) {
    waiting.push(scribe.append(line(`w${n}`), 'disk'));
    await turn();
  }
  await assert.rejects(scribe.append(line('one more'), 'disk'), {
    code: 'AUDIT_UNAVAILABLE',
    detail: /slow/,
  });
  await scribe.append(line('not waiting'), 'os');
  assert.equal(scribe.healthy, true);
  assert.ok(!rig.kinds().includes('one more'), 'what is refused is not written');
  slow.isFree = true;
  await slow.finish();
  await Promise.all(waiting);
  await scribe.append(line('again'), 'disk');
});

test('C-14 a disk that does not answer: whoever waits is told, readiness is false, and it comes back by itself', async (t) => {
  const rig = new JournalRig(t);
  const slow = slowDisk();
  const scribe = rig.open({ disk: slow.disk, upkeep: false, slowAfterMs: 77 });
  const one = scribe.append(line('a'), 'disk');
  await turn();
  const two = scribe.append(line('b'), 'disk');
  await turn();
  rig.fire(77);
  await assert.rejects(one, { code: 'AUDIT_UNAVAILABLE', detail: /slow/ });
  await assert.rejects(two, { code: 'AUDIT_UNAVAILABLE', detail: /slow/ });
  assert.equal(scribe.healthy, false);
  rig.clock.pass(5000);
  assert.equal(scribe.ready(), false, 'it still does not answer');
  scribe.note(line('kept'));
  slow.isFree = true;
  await slow.finish();
  await turn();
  assert.equal(scribe.healthy, true);
  await scribe.append(line('c'), 'disk');
  assert.deepEqual(rig.kinds(), ['started', 'a', 'b', 'recovered', 'kept', 'c']);
  assert.deepEqual(
    rig.told.map((it) => it?.code),
    ['AUDIT_UNAVAILABLE', undefined],
  );
});

test('a disk that is full while a sync is under way refuses whoever waits', async (t) => {
  const rig = new JournalRig(t);
  const slow = slowDisk();
  let isFull = false;
  const scribe = rig.open({
    disk: {
      ...slow.disk,
      append: (fd, bytes, offset) => {
        if (isFull) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
        return writeSync(fd, bytes, offset);
      },
    },
    upkeep: false,
  });
  const one = scribe.append(line('a'), 'disk');
  await turn();
  isFull = true;
  await assert.rejects(scribe.append(line('b'), 'os'), { detail: /no space left/ });
  await assert.rejects(one, { code: 'AUDIT_UNAVAILABLE' });
  isFull = false;
  slow.isFree = true;
  await slow.finish();
  rig.clock.pass(1000);
  await scribe.append(line('c'), 'disk');
  assert.deepEqual(rig.kinds(), ['started', 'a', 'recovered', 'c']);
  await scribe.close();
  assert.deepEqual((await rig.verify()).findings, []);
});

test('C-17 a clock that was set is on record, and the numbers go on', async (t) => {
  const rig = new JournalRig(t);
  const scribe = rig.open({ upkeep: false });
  for (const jump of [3_600_000, -3_600_000, 10 * 365 * 86_400_000]) {
    rig.clock.pass(1000);
    rig.clock.wall += jump;
    await scribe.append(line('a'), 'os');
  }
  const jumps = rig
    .lines()
    .map((it) => JSON.parse(it) as { kind: string; jumpMs?: number })
    .flatMap(({ kind, jumpMs }) => (kind === 'clock' ? [jumpMs] : []));
  assert.deepEqual(jumps, [3_600_000, -3_600_000, 10 * 365 * 86_400_000]);
  await scribe.close();
  const { findings, warnings } = await rig.verify();
  assert.deepEqual([findings, warnings.map(({ kind }) => kind)], [[], ['clock', 'clock', 'clock']]);
});

test('C-17 a clock that was set and set back between two records of one second is on record twice', async (t) => {
  const rig = new JournalRig(t);
  const scribe = rig.open({ upkeep: false });
  await scribe.append(line('a'), 'os');
  for (const jump of [3_600_000, -3_600_000]) {
    rig.clock.wall += jump;
    await scribe.append(line('a'), 'os');
  }
  assert.deepEqual(rig.kinds(), ['started', 'a', 'clock', 'a', 'clock', 'a']);
  await scribe.close();
});

/** A disk whose syncs end when the test says so, and how it says. */
type SlowDisk = {
  readonly disk: Pick<Disk, 'sync' | 'syncDir'>;
  readonly syncs: PromiseWithResolvers<void>[];
  isFree: boolean;
  readonly finish: (reason?: Error) => Promise<void>;
};

function slowDisk(): SlowDisk {
  const it: SlowDisk = {
    syncs: [],
    isFree: false,
    disk: {
      syncDir: () => Promise.resolve(),
      sync: (fd) => {
        if (it.isFree) return realDisk.sync(fd);
        const sync = Promise.withResolvers<void>();
        it.syncs.push(sync);
        return sync.promise;
      },
    },
    finish: async (reason) => {
      const sync = it.syncs.shift();
      assert.ok(sync, 'no sync is under way');
      if (reason === undefined) sync.resolve();
      else sync.reject(reason);
      await turn();
    },
  };
  return it;
}

async function turn(): Promise<void> {
  for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate);
}

test('after the end every line is refused, and the end can be told twice', async (t) => {
  const dir = tempDir(t);
  const { scribe } = bench(t, dir);
  scribe.note(line('last'));
  await scribe.close();
  await scribe.close();
  await assert.rejects(scribe.append(line('late'), 'os'), { code: 'AUDIT_UNAVAILABLE' });
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
