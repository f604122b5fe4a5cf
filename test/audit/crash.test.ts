/**
 * The writer dies, or its disk fails, at the N-th thing that it does to the disk: for N = 1, 2, … until a whole life goes by in
 * which none is the N-th. After each: what was acknowledged stands in the journal, and the journal verifies. (SQLite tests its
 * files in this way; sqlite.org/testing.html, "anomaly loops".)
 */
import assert from 'node:assert/strict';
import { fstatSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Durability } from '../../src/domain/care.ts';
import { realDisk, type Disk } from '../../src/audit/journal-disk.ts';
import type { Scribe } from '../../src/audit/scribe.ts';
import { isWhole } from '../support/faults.ts';
import { JournalRig, line, type RigParts } from './journal-rig.ts';

/** What happens at the chosen step. */
type Fate =
  /** The process is killed before it, in the middle of a write, or right after it. */
  | 'killed before'
  | 'killed half way'
  | 'killed after'
  /** The step fails, once or from then on for ten steps, and the process goes on. */
  | 'fails once'
  | 'fails for a while'
  /** What was not synced is gone, like the names of new files. */
  | 'power cut';

class Doom {
  readonly #fate: Fate;
  readonly #at: number;
  #step = 0;
  #isDead = false;
  /** By inode: how many bytes the disk has for sure. */
  readonly synced = new Map<number, number>();
  /** New files whose names the disk may not have. */
  named: string[] = [];

  constructor(fate: Fate, at: number) {
    this.#fate = fate;
    this.#at = at;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get came(): boolean {
    return this.#step >= this.#at;
  }

  readonly disk: Disk = {
    append: (fd, bytes, offset) =>
      this.#do(
        () => realDisk.append(fd, bytes, offset),
        () => realDisk.append(fd, bytes.subarray(0, offset + Math.ceil((bytes.length - offset) / 2)), offset),
      ),
    put: (fd, bytes, position) => this.#do(() => realDisk.put(fd, bytes, position)),
    cut: (fd, bytes) => this.#do(() => realDisk.cut(fd, bytes)),
    create: (path) =>
      this.#do(() => {
        this.named.push(path);
        return realDisk.create(path);
      }),
    sync: async (fd) => {
      const { ino, size } = fstatSync(fd);
      await this.#do(() => realDisk.sync(fd));
      this.synced.set(ino, size);
    },
    syncNow: (fd) => this.#do(() => realDisk.syncNow(fd)),
    syncDir: async (dir) => {
      await this.#do(() => realDisk.syncDir(dir));
      this.named = [];
    },
    syncDirNow: (dir) => this.#do(() => realDisk.syncDirNow(dir)),
    remove: (path) => this.#do(() => realDisk.remove(path)),
  };

  #do<T>(step: () => T, half: () => T = step): T {
    const gone = () => Object.assign(new Error('input/output error'), { code: 'EIO' });
    if (this.#isDead) throw gone();
    this.#step++;
    if (this.#fate === 'fails for a while' && this.#step >= this.#at && this.#step < this.#at + 10)
      throw gone();
    if (this.#step !== this.#at || this.#fate === 'fails for a while') return step();
    if (this.#fate === 'fails once') throw gone();
    this.#isDead = true;
    const done =
      this.#fate === 'killed half way' ? half() : this.#fate === 'killed after' ? step() : undefined;
    if (done instanceof Promise) done.catch(() => undefined);
    throw gone();
  }

  /** What a disk has after the power went. */
  cutPower(rig: JournalRig): void {
    for (const file of rig.files) {
      const { ino, size } = statSync(file);
      if (this.named.includes(file)) rmSync(file);
      else if ((this.synced.get(ino) ?? 0) < size) truncateSync(file, this.synced.get(ino) ?? 0);
    }
  }
}

const small: RigParts = { rotateAtBytes: 900, keep: { keepMs: Infinity, keepBytesMax: 3000 } };

/** What a day brings. Gives the marks of what was acknowledged. */
async function live(rig: JournalRig, doom: Doom): Promise<{ os: string[]; disk: string[]; noted: string[] }> {
  const told = { os: [] as string[], disk: [] as string[], noted: [] as string[] };
  const scribe = rig.open({ ...small, disk: doom.disk });
  let n = 0;
  const say = async (durability: Durability): Promise<void> => {
    const mark = `mark-${durability}-${++n};`;
    await scribe.append(line('decision', `,"mark":"${mark}"`), durability).then(
      () => told[durability].push(mark),
      () => undefined,
    );
  };
  for (let day = 0; day < 4 && !doom.isDead; day++) {
    await say('os');
    await Promise.all([say('disk'), say('os'), say('disk')]);
    const mark = `mark-note-${++n};`;
    scribe.note(line('outcome', `,"mark":"${mark}"`));
    told.noted.push(mark);
    await new Promise(setImmediate);
    if (!doom.isDead) await comesBack(rig, scribe);
    await say('disk');
  }
  await scribe.close().catch(() => undefined);
  return told;
}

/** A second goes by, as often as a disk that failed may need; a process that is dead does not come back. */
async function comesBack(rig: JournalRig, scribe: Scribe): Promise<void> {
  for (let seconds = 0; seconds < 30 && !scribe.healthy; seconds++) {
    rig.clock.pass(1000);
    rig.fire(1000);
    for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function text(rig: JournalRig): string {
  return rig.files.map((file) => readFileSync(file, 'utf8')).join('');
}

/** Marks that should stand in the journal and do not, unless retention removed their file. */
function lost(rig: JournalRig, marks: readonly string[]): string[] {
  const found = text(rig);
  const retired = /"kind":"retired"/.test(found);
  const kept = retired ? Number(/mark-\w+-(\d+);/.exec(found)?.[1] ?? Infinity) : 0;
  return marks.filter((mark) => !found.includes(mark) && Number(/\d+/.exec(mark)?.[0]) >= kept);
}

async function loop(fate: Fate, check: (rig: JournalRig, at: number) => Promise<void>): Promise<number> {
  for (let at = 1; at < 2000; at += isWhole ? 1 : 1 + Math.floor(at / 4)) {
    const rig = new JournalRig(undefined);
    try {
      const doom = new Doom(fate, at);
      const told = await live(rig, doom);
      if (!doom.came) return at;
      if (fate === 'power cut') doom.cutPower(rig);
      const must = fate === 'power cut' ? told.disk : [...told.os, ...told.disk];
      assert.deepEqual(lost(rig, must), [], `acknowledged, and gone, after a step ${at} that was: ${fate}`);
      if (fate.startsWith('fails'))
        assert.deepEqual(lost(rig, told.noted), [], `noted, and gone, after step ${at}`);
      await check(rig, at);
      const again = rig.open(small);
      await again.append(line('decision'), 'disk');
      await again.close();
      assert.deepEqual(lost(rig, must), [], `gone after the next start, after step ${at}`);
      await check(rig, at);
    } finally {
      rig.remove();
    }
  }
  throw new Error('every step was tried, and there were always more');
}

async function verifies(rig: JournalRig, at: number): Promise<void> {
  const { findings } = await rig.verify();
  assert.deepEqual(findings, [], `after step ${at}`);
}

describe('C-11 the writer dies at the N-th thing that it does to the disk', () => {
  for (const fate of ['killed before', 'killed half way', 'killed after'] as const)
    it(`C-11 ${fate}`, { timeout: 600_000 }, async (t) => {
      t.diagnostic(`${await loop(fate, verifies)} steps`);
    });

  it('C-11 power cut: what waited for the disk is there', { timeout: 600_000 }, async (t) => {
    const onlyCut = async (rig: JournalRig): Promise<void> => {
      const { findings } = await rig.verify();
      // What the system alone had is gone, and the head knows of it: that is said, and nothing else.
      for (const { kind } of findings)
        assert.ok(['truncated', 'checkpoint'].includes(kind), JSON.stringify(findings));
    };
    t.diagnostic(`${await loop('power cut', onlyCut)} steps`);
  });
});

describe('C-13 the N-th thing that is done to the disk fails, and mcpd goes on', () => {
  for (const fate of ['fails once', 'fails for a while'] as const)
    it(`C-13 ${fate}`, { timeout: 600_000 }, async (t) => {
      t.diagnostic(`${await loop(fate, verifies)} steps`);
    });
});
