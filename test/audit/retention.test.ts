import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { genesis } from '../../src/audit/chain.ts';
import { realDisk } from '../../src/audit/journal-disk.ts';
import { openProof } from '../../src/audit/journal-proof.ts';
import { outlived, type ClosedFile } from '../../src/audit/retention.ts';
import type { Scribe } from '../../src/audit/scribe.ts';
import { JournalRig, line, type RigParts } from './journal-rig.ts';

const day = 86_400_000;
const closed = (
  ...files: readonly (readonly [bytes: number, lastWallMs: number | undefined])[]
): ClosedFile[] => files.map(([bytes, at], n) => ({ number: n + 1, bytes, lastWallMs: () => at }));
const numbers = (files: readonly ClosedFile[]) => files.map(({ number }) => number);

test('a file goes when its last record is older than is kept, the oldest first and none out of turn', () => {
  const files = closed([10, 0], [10, 3 * day], [10, day], [10, 4 * day]);
  const terms = { keepMs: 4 * day, keepBytesMax: 1000 };
  assert.deepEqual(numbers(outlived(files, 10, terms, 4 * day)), []);
  assert.deepEqual(numbers(outlived(files, 10, terms, 4 * day + 1)), [1]);
  const later = closed(...[0, 3, 1, 4, 6, 8, 10].map((at) => [10, at * day] as const));
  assert.deepEqual(numbers(outlived(later, 10, terms, 10 * day)), [1, 2, 3, 4]);
});

test('of the time without a record no more than a week counts, or half of what is kept', () => {
  const files = closed([10, 0], [10, day], [10, 2 * day]);
  const after = (days: number, keepMs: number) =>
    numbers(outlived(files, 10, { keepMs, keepBytesMax: 1000 }, days * day));
  for (const years of [1, 10, 100]) {
    assert.deepEqual(after(365 * years, 90 * day), []);
    assert.deepEqual(after(365 * years, 5 * day), []);
    assert.deepEqual(after(365 * years, 2 * day), [1]);
  }
  assert.deepEqual(after(3, 2 * day), [1]);
});

test('a time without records counts whole where mcpd has run, and up to the age of a file where files are long', () => {
  const files = closed([10, 0], [10, day], [10, 2 * day]);
  const terms = { keepMs: 30 * day, keepBytesMax: 1000 };
  assert.deepEqual(outlived(files, 10, terms, 400 * day, 28 * day), []);
  assert.deepEqual(numbers(outlived(files, 10, terms, 400 * day, 29 * day)), [1]);
  assert.deepEqual(numbers(outlived(files, 10, terms, 400 * day, 31 * day)), [1, 2, 3]);
  const long = closed([10, 0], [10, 30 * day], [10, 60 * day]);
  assert.deepEqual(numbers(outlived(long, 10, { ...terms, fileAgeMs: 30 * day }, 61 * day)), [1, 2]);
});

test('nor is more than that believed of a clock that was set while records were written', () => {
  const jumped = closed([10, 0], [10, day], [10, 3651 * day], [10, 3652 * day], [10, 3653 * day]);
  const terms = { keepMs: 90 * day, keepBytesMax: 1000 };
  assert.deepEqual(outlived(jumped, 10, terms, 3654 * day), []);
  assert.deepEqual(outlived(jumped, 10, terms, 5 * day), [], 'and set back');
  assert.deepEqual(numbers(outlived(jumped, 10, { ...terms, keepMs: 7 * day }, 3654 * day)), [1]);
});

test('files go when all together are larger than is kept, and never the open one', () => {
  const files = closed([10, 0], [10, 0], [10, 0]);
  const terms = { keepMs: Infinity, keepBytesMax: 25 };
  assert.deepEqual(numbers(outlived(files, 5, terms, 0)), [1]);
  assert.deepEqual(numbers(outlived(files, 6, terms, 0)), [1, 2]);
  assert.deepEqual(numbers(outlived(files, 1000, terms, 0)), [1, 2, 3]);
});

test('a file from the future, or without a time, keeps none of those that follow it for ever', () => {
  const terms = { keepMs: day, keepBytesMax: 1000 };
  const spread = (...first: (number | undefined)[]) =>
    closed(...[...first, 0, 0.5 * day, day, 1.5 * day].map((at) => [10, at] as const));
  assert.deepEqual(numbers(outlived(spread(3650 * day), 10, terms, 2 * day)), [1, 2, 3]);
  assert.deepEqual(numbers(outlived(spread(undefined), 10, terms, 2 * day)), [1, 2, 3]);
});

test('a clock that is not believed removes nothing, and a file without a time is not old', () => {
  const terms = { keepMs: day, keepBytesMax: 1000 };
  assert.deepEqual(outlived(closed([10, 0]), 10, terms, undefined), []);
  assert.deepEqual(outlived(closed([10, undefined]), 10, terms, 100 * day), []);
});

test('what is kept is bounded, and what goes is never more than has to', () => {
  const file = fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 50 }));
  fc.assert(
    fc.property(
      fc.array(file, { maxLength: 10 }),
      fc.nat({ max: 100 }),
      fc.nat({ max: 500 }),
      (files, open, max) => {
        const all = closed(...files);
        const gone = outlived(all, open, { keepMs: Infinity, keepBytesMax: max }, 0);
        const left = (count: number) => all.slice(count).reduce((sum, { bytes }) => sum + bytes, open);
        assert.ok(left(gone.length) <= max || gone.length === all.length);
        assert.ok(gone.length === 0 || left(gone.length - 1) > max);
      },
    ),
  );
});

const isFirst = (file = ''): boolean => basename(file) === 'journal-000001.jsonl';

/** Writes until retention had something to do, and lets it finish. */
async function run(rig: JournalRig, parts: RigParts, records = 40): Promise<Scribe> {
  const scribe = rig.open({ rotateAtBytes: 1000, ...parts });
  for (let n = 0; n < records; n++) {
    await scribe.append(line('decision', `,"n":${n}`), 'os');
    if (n % 5 === 0) await new Promise(setImmediate);
  }
  // A round that began before the last files were closed may not be over yet; the next one sees them.
  for (let waits = 0; waits < 200 && parts.keep?.keepBytesMax !== Infinity && isFirst(rig.files[0]); waits++)
    await sleep(10);
  return scribe;
}

test('files that were removed are on record before they go, and the journal verifies without them', async (t) => {
  const rig = new JournalRig(t);
  const scribe = await run(rig, { keep: { keepMs: Infinity, keepBytesMax: 3000 } });
  await scribe.close();
  assert.ok(!isFirst(rig.files[0]));
  const records = rig.files
    .flatMap((file) => rig.lines(file))
    .map((it) => JSON.parse(it) as Record<string, unknown>);
  const [newest] = records.filter(({ kind }) => kind === 'retired').slice(-1);
  assert.equal(newest?.['lastSeq'], Number(records[0]?.['seq']) - 1);
  assert.equal(newest?.['lastHash'], records[0]?.['prev']);
  const verdict = await rig.verify();
  assert.deepEqual([verdict.findings, verdict.warnings], [[], []]);
  // The files of checkpoints went along, and the newest ones still vouch for what is left.
  assert.notEqual(verdict.signed, undefined);
});

test('B-31 whoever removes more than retention did is found, however long ago it was said', async (t) => {
  const rig = new JournalRig(t);
  const first = await run(rig, { keep: { keepMs: Infinity, keepBytesMax: 3000 } });
  await first.close();
  // The file with the words about it goes too.
  const second = await run(rig, { keep: { keepMs: Infinity, keepBytesMax: 2000 } }, 60);
  await second.close();
  assert.deepEqual((await rig.verify()).findings, []);
  const [oldest = ''] = rig.files;
  const gone = rig.lines(oldest).length;
  rmSync(oldest);
  const { findings } = await rig.verify();
  assert.deepEqual(
    findings.map(({ kind, from = 0, to = 0 }) => [kind, to - from + 1]),
    [['missing', gone]],
  );
  rmSync(rig.head);
  assert.ok(
    (await rig.verify()).findings.some(({ kind }) => kind === 'missing'),
    'the checkpoints say so too',
  );
});

test('C-11 a crash between a file and its checkpoints leaves no gap, however much goes later', async (t) => {
  const rig = new JournalRig(t);
  const keep = { keepMs: Infinity, keepBytesMax: 3000 };
  // Its file is gone, and its checkpoints are there: so it was killed right after the first.
  const remove = async (path: string): Promise<void> => {
    await realDisk.remove(path);
    throw Object.assign(new Error('input/output error'), { code: 'EIO' });
  };
  const first = rig.open({ rotateAtBytes: 1000 });
  for (let n = 0; n < 30; n++) {
    await first.append(line('decision'), 'disk');
    rig.fire(1000);
    await sleep(5);
  }
  await first.close();
  const all = rig.files.map((_, n) => `checkpoints-00000${n + 1}.jsonl`);
  assert.deepEqual(readdirSync(rig.proof.checkpoints).sort(), all);
  const killed = await run(rig, { keep, disk: { remove } }, 10);
  await killed.close();
  const [oldest = ''] = rig.files;
  const left = readdirSync(rig.proof.checkpoints).sort();
  assert.ok(!isFirst(oldest) && left[0] === 'checkpoints-000001.jsonl', `nothing was left: ${left.join()}`);
  assert.deepEqual((await rig.verify()).findings, []);
  const second = await run(rig, { keep });
  await second.close();
  assert.deepEqual((await rig.verify()).findings, []);
  const after = readdirSync(rig.proof.checkpoints).sort();
  assert.ok(after.length > 0 && after[0] !== left[0], `what was left is still there: ${after.join()}`);
});

test('the newest checkpoint stays, also when all that it vouches for may go', async (t) => {
  const rig = new JournalRig(t);
  const { checkpoints } = openProof(rig.proof, () => undefined);
  const at = (seq: number, file: number) => ({ seq, hash: genesis.hash, file, bytes: 100 });
  await checkpoints.add(at(1, 1), genesis, 0);
  await checkpoints.add(at(2, 2), genesis, 0);
  await checkpoints.retire(2);
  assert.deepEqual(readdirSync(rig.proof.checkpoints), ['checkpoints-000002.jsonl']);
  await checkpoints.add(at(3, 3), genesis, 0);
  await checkpoints.retire(2);
  assert.deepEqual(readdirSync(rig.proof.checkpoints), ['checkpoints-000003.jsonl']);
});

test('C-17 a clock that jumps ten years ahead does not take the journal away', async (t) => {
  const rig = new JournalRig(t);
  const keep = { keepMs: 90 * day, keepBytesMax: Infinity };
  const scribe = await run(rig, { keep });
  const before = rig.files.length;
  assert.ok(before > 3);
  rig.clock.pass(1000);
  rig.clock.wall += 3650 * day;
  await scribe.append(line('decision'), 'os');
  for (let n = 0; n < 20; n++) await scribe.append(line('decision'), 'os');
  rig.fire(1000);
  await scribe.close();
  assert.ok(rig.files.length >= before);
  assert.ok(rig.kinds().includes('clock'));
  assert.ok(readFileSync(rig.files[0] ?? '', 'utf8').startsWith('{"seq":1,'));
});

for (const [what, jumpsFirst] of [
  ['by a start afterwards', true],
  ['at a start that it came before', false],
] as const)
  test(`C-17 nor ${what}`, async (t) => {
    const rig = new JournalRig(t);
    const parts = { keep: { keepMs: 90 * day, keepBytesMax: Infinity } };
    const scribe = await run(rig, parts);
    const { files } = rig;
    assert.ok(files.length > 3);
    const now = () => `{"kind":"decision","time":"${new Date(rig.clock.wall).toISOString()}"}`;
    if (jumpsFirst) rig.clock.wall += 3650 * day;
    await scribe.append(now(), 'os');
    await scribe.close();
    if (!jumpsFirst) rig.clock.wall += 3650 * day;
    const next = rig.open({ rotateAtBytes: 1000, ...parts });
    for (let n = 0; n < 20; n++) await next.append(now(), 'os');
    await sleep(20);
    await next.close();
    assert.deepEqual(rig.files.slice(0, files.length), files);
    assert.deepEqual((await rig.verify()).findings, []);
  });

test('a file that cannot be removed is spoken of once', async (t) => {
  const rig = new JournalRig(t);
  const remove = (): Promise<void> =>
    Promise.reject(Object.assign(new Error('operation not permitted'), { code: 'EPERM' }));
  const first = await run(rig, { keep: { keepMs: Infinity, keepBytesMax: Infinity } });
  await first.close();
  const { length } = rig.files;
  const scribe = rig.open({ keep: { keepMs: Infinity, keepBytesMax: 1 }, disk: { remove } });
  for (let hours = 0; hours < 5; hours++) {
    await scribe.append(line('decision'), 'os');
    rig.clock.pass(3_600_000);
    rig.fire(1000);
    await sleep(10);
  }
  await scribe.close();
  assert.equal(rig.kinds().filter((kind) => kind === 'retired').length, length - 1);
  assert.deepEqual((await rig.verify()).findings, []);
});

test('C-17 nor while nothing is written: the clock is looked at before it is believed', async (t) => {
  const rig = new JournalRig(t);
  const scribe = await run(rig, { keep: { keepMs: 90 * day, keepBytesMax: Infinity } });
  const { files } = rig;
  assert.ok(files.length > 3);
  // Long enough for it to look for old files again, and nobody calls anything meanwhile.
  rig.clock.pass(day / 4);
  rig.clock.wall += 3650 * day;
  await scribe.close();
  assert.deepEqual(rig.files.slice(0, files.length), files);
});
