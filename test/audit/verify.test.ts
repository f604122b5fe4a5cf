/** Every kind of tampering, at every place where it may differ. An untouched journal is the control of each. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { after, describe, it, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { Verdict } from '../../src/audit/verdict.ts';
import { realDisk } from '../../src/audit/journal-disk.ts';
import { publicKeyPath } from '../../src/audit/journal-keys.ts';
import { JournalRig, line, written } from './journal-rig.ts';
import { until } from '../support/daemon.ts';
import { times } from '../support/faults.ts';

const kindsOf = ({ findings }: Verdict) => findings.map(({ kind }) => kind);
const fine = (verdict: Verdict) =>
  assert.deepEqual([verdict.findings, verdict.more], [[], 0], JSON.stringify(verdict.findings));

let template: JournalRig | undefined;
after(() => template?.remove());

/** A journal of several files, untouched: a copy of one that is written once. */
async function journal(t: TestContext): Promise<JournalRig> {
  if (template === undefined) await written((template = new JournalRig(undefined)), 60);
  const rig = new JournalRig(t);
  cpSync(template.dir, rig.dir, { recursive: true });
  assert.ok(rig.files.length >= 3);
  fine(await rig.verify());
  return rig;
}

/** What somebody does who knows the format and not the keys. */
function rechain(rig: JournalRig, files = rig.files): void {
  let prev: string | undefined;
  for (const file of files) {
    const lines = rig.lines(file).map((text) => {
      const own = prev === undefined ? text : text.replace(/"prev":"[\w-]{43}"/, `"prev":"${prev}"`);
      prev = hash('sha256', own, 'base64url');
      return own;
    });
    rig.setLines(file, lines);
  }
}

type Spot = { readonly file: string; readonly at: number };

/** The first record, the last one, one in the middle, and those at both sides of a border between two files. */
function spots(rig: JournalRig): ReadonlyMap<string, Spot> {
  const [first = '', second = ''] = rig.files;
  const last = rig.files.at(-1) ?? '';
  return new Map([
    ['the first record', { file: first, at: 0 }],
    ['a record in the middle', { file: second, at: 3 }],
    ['the last record of a file', { file: first, at: rig.lines(first).length - 1 }],
    ['the first record of a file', { file: second, at: 0 }],
    ['the last record', { file: last, at: rig.lines(last).length - 1 }],
  ]);
}

function change(rig: JournalRig, { file, at }: Spot, to: (lines: string[], at: number) => string[]): void {
  rig.setLines(file, to(rig.lines(file), at));
}

const edit = (text: string) => text.replace(/"time":"2026-01-02/, '"time":"2026-01-03');

const deeds: ReadonlyMap<string, (lines: string[], at: number) => string[]> = new Map([
  ['edited', (lines: string[], at: number) => lines.with(at, edit(lines[at] ?? ''))],
  ['removed', (lines: string[], at: number) => lines.toSpliced(at, 1)],
  ['doubled', (lines: string[], at: number) => lines.toSpliced(at, 0, lines[at] ?? '')],
  [
    'followed by one that was made up',
    (lines: string[], at: number) => lines.toSpliced(at + 1, 0, forged(lines[at] ?? '')),
  ],
  ['followed by a foreign line', (lines: string[], at: number) => lines.toSpliced(at + 1, 0, 'not ours')],
  ['replaced by an empty line', (lines: string[], at: number) => lines.with(at, '')],
  [
    'stripped of its chain',
    (lines: string[], at: number) => lines.with(at, (lines[at] ?? '').replace(/"prev":"[\w-]{43}",/, '')),
  ],
]);

/** A record that fits behind another one, as far as anybody can make one. */
function forged(after: string): string {
  const seq = Number(/"seq":(\d+)/.exec(after)?.[1]) + 1;
  return `{"seq":${seq},"prev":"${hash('sha256', after, 'base64url')}","kind":"decision","time":"2026-01-02T03:04:05.006Z"}`;
}

describe('B-31 whatever is done to a record is found, and the record is named', () => {
  for (const [deed, to] of deeds)
    for (const which of [
      'the first record',
      'a record in the middle',
      'the last record of a file',
      'the first record of a file',
      'the last record',
    ])
      it(`${which} ${deed}`, async (t) => {
        const rig = await journal(t);
        const spot = spots(rig).get(which);
        assert.ok(spot);
        const seq = Number(/"seq":(\d+)/.exec(rig.lines(spot.file)[spot.at] ?? '')?.[1]);
        change(rig, spot, to);
        const verdict = await rig.verify();
        assert.notEqual(verdict.findings.length, 0);
        const names = verdict.findings.some(
          ({ from = -9, to: till = from, line: at }) =>
            (seq >= from - 1 && seq <= till + 1) || at !== undefined,
        );
        assert.ok(names, `record ${seq}: ${JSON.stringify(verdict.findings)}`);
      });

  for (const which of [
    'the first record',
    'a record in the middle',
    'the last record of a file',
    'the first record of a file',
    'the last record',
  ])
    it(`${which} edited, and the chain made anew behind it`, async (t) => {
      const rig = await journal(t);
      const spot = spots(rig).get(which);
      assert.ok(spot);
      change(rig, spot, (lines, at) => lines.with(at, edit(lines[at] ?? '')));
      rechain(rig);
      const verdict = await rig.verify();
      assert.ok(
        kindsOf(verdict).some((kind) => kind === 'rewritten' || kind === 'edited'),
        JSON.stringify(verdict.findings),
      );
      assert.equal(verdict.head, 'does not fit');
      // An auditor who has the public key and the checkpoints finds it without any secret.
      const theirs = await rig.verify(publicKeyPath(rig.proof));
      assert.ok(kindsOf(theirs).includes('rewritten'));
    });

  it('two neighbours swapped', async (t) => {
    const rig = await journal(t);
    const [, file = ''] = rig.files;
    const lines = rig.lines(file);
    rig.setLines(file, lines.with(2, lines[3] ?? '').with(3, lines[2] ?? ''));
    const { findings } = await rig.verify();
    const seq = Number(/"seq":(\d+)/.exec(lines[2] ?? '')?.[1]);
    assert.deepEqual(
      findings.map(({ kind, from }) => [kind, from]),
      [['reordered', seq]],
    );
  });

  it('two far apart swapped', async (t) => {
    const rig = await journal(t);
    const [one = '', other = ''] = rig.files;
    const [here, there] = [rig.lines(one), rig.lines(other)];
    rig.setLines(one, here.with(2, there[3] ?? ''));
    rig.setLines(other, there.with(3, here[2] ?? ''));
    assert.ok(kindsOf(await rig.verify()).includes('reordered'));
  });
});

describe('B-31 whatever is cut off is found', () => {
  for (const [what, cut] of [
    [
      'the last byte',
      (rig: JournalRig) => truncateSync(rig.files.at(-1) ?? '', statSync(rig.files.at(-1) ?? '').size - 1),
    ],
    [
      'the last line',
      (rig: JournalRig) => rig.setLines(rig.files.at(-1) ?? '', rig.lines(rig.files.at(-1)).slice(0, -1)),
    ],
    ['everything in the last file', (rig: JournalRig) => truncateSync(rig.files.at(-1) ?? '', 0)],
    ['the last file', (rig: JournalRig) => rmSync(rig.files.at(-1) ?? '')],
    ['the last two files', (rig: JournalRig) => rig.files.slice(-2).forEach((file) => rmSync(file))],
    ['everything', (rig: JournalRig) => rig.files.forEach((file) => rmSync(file))],
    ['the whole folder', (rig: JournalRig) => rmSync(rig.audit, { recursive: true })],
  ] as const)
    it(what, async (t) => {
      const rig = await journal(t);
      const last = rig.lines(rig.files.at(-1)).length;
      assert.ok(last > 0);
      cut(rig);
      const verdict = await rig.verify();
      assert.ok(kindsOf(verdict).includes('truncated'), JSON.stringify(verdict.findings));
      assert.equal(verdict.findings.find(({ kind }) => kind === 'truncated')?.to, 61);
      // Also without the head: the last checkpoint is of the last record.
      rmSync(rig.head);
      const without = kindsOf(await rig.verify());
      assert.ok(without.includes('truncated') && without.includes('head'));
    });

  it('the first file', async (t) => {
    const rig = await journal(t);
    const gone = rig.lines().length;
    rmSync(rig.files[0] ?? '');
    const { findings } = await rig.verify();
    assert.deepEqual(
      findings.map(({ kind, from, to }) => [kind, from, to]),
      [['missing', 1, gone]],
    );
  });

  it('a file in the middle', async (t) => {
    const rig = await journal(t);
    rmSync(rig.files[1] ?? '');
    assert.deepEqual(kindsOf(await rig.verify()).toSorted(), ['missing', 'missing-file']);
  });

  it('the end of a file that is not the last one', async (t) => {
    const rig = await journal(t);
    const [file = ''] = rig.files;
    truncateSync(file, statSync(file).size - 5);
    assert.deepEqual(kindsOf(await rig.verify()).toSorted(), ['missing', 'torn']);
  });

  it('and what was found stays found after mcpd has gone on', async (t) => {
    const rig = await journal(t);
    const file = rig.files.at(-1) ?? '';
    rig.setLines(file, rig.lines(file).slice(0, -2));
    await written(rig, 3);
    assert.ok(rig.kinds().includes('truncated'));
    const { findings } = await rig.verify();
    assert.deepEqual(
      findings.map(({ kind, from, to }) => [kind, from, to]),
      [['truncated', 60, 61]],
    );
    const seqs = rig.files
      .flatMap((it) => rig.lines(it))
      .map((text) => (JSON.parse(text) as { seq: number }).seq);
    assert.equal(new Set(seqs).size, seqs.length, 'no number stands for two records');
    // What mcpd wrote next vouches for the last record that was left.
    const kept = rig.lines(file);
    const at = kept.findIndex((text) => text.includes('"kind":"truncated"')) - 1;
    rig.setLines(file, kept.with(at, edit(kept[at] ?? '')));
    assert.deepEqual(kindsOf(await rig.verify()).toSorted(), ['edited', 'truncated']);
  });
});

describe('B-31 a journal that was put in the place of another is found', () => {
  it('one without a chain, beside which the head and the checkpoints were removed', async (t) => {
    const rig = await journal(t);
    for (const file of rig.files.slice(1)) rmSync(file);
    rig.setLines(rig.files[0] ?? '', ['{"seq":1,"kind":"started"}', '{"seq":2,"kind":"decision","n":1}']);
    rmSync(rig.head);
    rmSync(rig.proof.checkpoints, { recursive: true });
    assert.deepEqual(kindsOf(await rig.verify()), ['head']);
  });

  it('an older copy of it', async (t) => {
    const rig = await journal(t);
    const copy = rig.copy();
    await written(rig, 20);
    copy.putBack('journal');
    assert.ok(kindsOf(await rig.verify()).includes('truncated'));
  });

  it('an older copy, with the head of that time', async (t) => {
    const rig = await journal(t);
    const copy = rig.copy();
    await written(rig, 20);
    copy.putBack('journal');
    copy.putBack('head');
    const verdict = await rig.verify();
    assert.equal(verdict.head, 'fits');
    assert.ok(kindsOf(verdict).includes('truncated'), 'the checkpoints know better');
  });

  it('an older copy with its head, and mcpd goes on with it', async (t) => {
    const rig = await journal(t);
    const copy = rig.copy();
    await written(rig, 20);
    copy.putBack('journal');
    copy.putBack('head');
    await written(rig, 5);
    assert.ok(kindsOf(await rig.verify()).includes('truncated'));
  });

  it('that of another mcpd', async (t) => {
    const rig = await journal(t);
    const other = new JournalRig(t);
    await written(other, 80);
    rmSync(rig.audit, { recursive: true });
    renameSync(other.audit, rig.audit);
    assert.ok(kindsOf(await rig.verify()).includes('rewritten'));
  });

  it('two of its files under each other’s names', async (t) => {
    const rig = await journal(t);
    const [, one = '', other = ''] = rig.files;
    renameSync(one, `${one}.away`);
    renameSync(other, one);
    renameSync(`${one}.away`, other);
    assert.ok(kindsOf(await rig.verify()).includes('reordered'));
  });

  it('one of its files a second time', async (t) => {
    const rig = await journal(t);
    copyFileSync(rig.files[1] ?? '', join(rig.audit, 'journal-000009.jsonl'));
    assert.ok(kindsOf(await rig.verify()).includes('inserted'));
  });
});

/** Two files: of the first, the disk may have lost what came last. */
async function mayHaveLost(t: TestContext): Promise<JournalRig> {
  const rig = new JournalRig(t);
  let fails = false;
  const sync = (fd: number) =>
    fails ? Promise.reject(Object.assign(new Error('i/o error'), { code: 'EIO' })) : realDisk.sync(fd);
  const scribe = rig.open({ disk: { sync }, upkeep: false });
  for (const n of [2, 3, 4, 5]) await scribe.append(line('decision', `,"n":${n}`), 'disk');
  fails = true;
  for (const n of [6, 7]) await scribe.append(line('decision', `,"n":${n}`), 'os');
  await assert.rejects(scribe.flush('disk'), { code: 'AUDIT_UNAVAILABLE' });
  fails = false;
  rig.clock.pass(1000);
  await until('the journal works again', () => scribe.ready());
  await scribe.append(line('decision', ',"n":8'), 'disk');
  await scribe.close();
  assert.equal(rig.files.length, 2);
  return rig;
}

describe('B-31 a journal with records that a failing disk may have lost', () => {
  it('still vouches for those that the disk had confirmed before them', async (t) => {
    const rig = await mayHaveLost(t);
    const [file = ''] = rig.files;
    const lines = rig.lines(file);
    // What the disk lost is no finding.
    rig.setLines(file, lines.slice(0, -1));
    const lossy = await rig.verify();
    fine(lossy);
    assert.deepEqual(
      lossy.warnings.map(({ kind }) => kind),
      ['io-error', 'io-error'],
    );
    // With it lost, nothing follows any more from what stands before it.
    rig.setLines(
      file,
      lines.slice(0, -1).map((text) => text.replace('"n":3', '"n":33')),
    );
    rechain(rig, [file]);
    assert.deepEqual(kindsOf(await rig.verify()), ['rewritten']);
  });

  it('also when the file before them is removed in order', async (t) => {
    const rig = await mayHaveLost(t);
    const [file = ''] = rig.files;
    rig.setLines(file, rig.lines(file).slice(0, -1));
    const next = rig.open({ keep: { keepMs: Infinity, keepBytesMax: 1 } });
    await next.append(line('decision'), 'os');
    await until('the oldest file is gone', () => rig.files[0] !== file);
    await next.close();
    const verdict = await rig.verify();
    fine(verdict);
    assert.ok(verdict.warnings.some(({ kind, says }) => kind === 'io-error' && says.includes('begins with')));
  });
});

describe('B-31 what is found at a start on a full disk', () => {
  const forge = (rig: JournalRig) => {
    const file = rig.files.at(-1) ?? '';
    appendFileSync(file, `${forged(rig.lines(file).at(-1) ?? '')}\n`);
  };
  const behead = (rig: JournalRig) => rmSync(rig.head);
  for (const [what, deed, step, kind] of [
    ['a record that fits behind the end', forge, 'append', 'rewritten'],
    ['a record that fits behind the end', forge, 'put', 'rewritten'],
    ['a head that is gone', behead, 'append', 'head'],
    ['a head that is gone', behead, 'syncDirNow', 'head'],
  ] as const)
    it(`is on record once, as soon as there is room: ${what}, ${step}`, async (t) => {
      const rig = await journal(t);
      deed(rig);
      let isFull = true;
      const failing = <Of extends unknown[], Gives>(go: (...of: Of) => Gives) => {
        return (...of: Of): Gives => {
          if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          return go(...of);
        };
      };
      const scribe = rig.open({ disk: { [step]: failing<unknown[], unknown>(realDisk[step] as never) } });
      await assert.rejects(scribe.append(line('decision'), 'os'), { code: 'AUDIT_UNAVAILABLE' });
      // A folder that cannot be synced is asked of a new head alone.
      for (let tries = 0; tries < 3 && step !== 'syncDirNow'; tries++) {
        rig.clock.pass(1000);
        assert.equal(scribe.ready(), false);
      }
      isFull = false;
      rig.clock.pass(1000);
      await until('the journal works again', () => scribe.ready());
      await scribe.append(line('decision'), 'os');
      await scribe.close();
      assert.deepEqual(kindsOf(await rig.verify()), [kind]);
    });
});

describe('B-31 bytes behind the last record of a journal that was closed in order', () => {
  for (const [what, bytes] of [
    ['half a record', '{"seq":62,"prev":"'],
    ['spaces', '   '],
    ['bytes without a meaning', '\0\0\0'],
  ] as const)
    it(`are found, and stay found after mcpd has cut them off: ${what}`, async (t) => {
      const rig = await journal(t);
      appendFileSync(rig.files.at(-1) ?? '', bytes);
      assert.deepEqual(kindsOf(await rig.verify()), ['torn']);
      await written(rig, 1);
      assert.ok(rig.kinds().includes('changed'));
      assert.deepEqual(kindsOf(await rig.verify()), ['rewritten']);
    });
});

describe('B-31 what proves the journal is looked after too', () => {
  const checkpointFiles = (rig: JournalRig) =>
    rig.files.map((file) => join(rig.proof.checkpoints, basename(file).replace('journal', 'checkpoints')));

  /** A journal with a good many checkpoints in one file. */
  async function signedOften(t: TestContext): Promise<{ rig: JournalRig; file: string; lines: string[] }> {
    const rig = new JournalRig(t);
    for (let n = 0; n < 6; n++) await written(rig, 3, 1_000_000);
    const [file = ''] = checkpointFiles(rig);
    const lines = rig.lines(file);
    assert.ok(lines.length >= 6);
    fine(await rig.verify());
    return { rig, file, lines };
  }

  for (const [what, to] of [
    ['the first', 0],
    ['one in the middle', 3],
    ['the last', -1],
  ] as const)
    it(`${what} of the checkpoints edited`, async (t) => {
      const { rig, file, lines } = await signedOften(t);
      const at = to < 0 ? lines.length + to : to;
      rig.setLines(file, lines.with(at, (lines[at] ?? '').replace('"seq":', '"seq":1')));
      assert.ok(kindsOf(await rig.verify()).includes('checkpoint'));
    });

  it('a checkpoint in the middle removed', async (t) => {
    const { rig, file, lines } = await signedOften(t);
    rig.setLines(file, lines.toSpliced(2, 1));
    assert.deepEqual(kindsOf(await rig.verify()), ['checkpoint']);
  });

  it('the last checkpoints removed, or all of them', async (t) => {
    const { rig, file, lines } = await signedOften(t);
    rig.setLines(file, lines.slice(0, -1));
    assert.deepEqual(kindsOf(await rig.verify()), ['checkpoint']);
    rmSync(rig.proof.checkpoints, { recursive: true });
    assert.deepEqual(kindsOf(await rig.verify()), ['checkpoint']);
  });

  it('a checkpoint signed by somebody else', async (t) => {
    const { rig, file, lines } = await signedOften(t);
    const other = await signedOften(t);
    rig.setLines(file, lines.with(-1, other.lines.at(-1) ?? ''));
    assert.ok(kindsOf(await rig.verify()).includes('checkpoint'));
  });

  it('the head removed, emptied, edited, or of another mcpd', async (t) => {
    const rig = await journal(t);
    const text = readFileSync(rig.head);
    for (const spoil of [
      () => undefined,
      () => writeFileSync(rig.head, '', { mode: 0o600 }),
      () => writeFileSync(rig.head, text.subarray(0, 129), { mode: 0o600 }),
      () => writeFileSync(rig.head, text.toString('latin1').replace(/^0/, '1'), { mode: 0o600 }),
    ]) {
      rmSync(rig.head, { force: true });
      spoil();
      assert.deepEqual(kindsOf(await rig.verify()), ['head']);
    }
    const other = new JournalRig(t);
    await written(other, 2);
    copyFileSync(other.head, rig.head);
    assert.deepEqual(kindsOf(await rig.verify()), ['head']);
    writeFileSync(rig.head, text);
    fine(await rig.verify());
  });

  it('a head that was missing is on record for all time', async (t) => {
    const rig = await journal(t);
    rmSync(rig.head);
    await written(rig, 2);
    assert.ok(rig.kinds().includes('head-lost'));
    assert.deepEqual(kindsOf(await rig.verify()), ['head']);
  });

  it('the public key removed', async (t) => {
    const rig = await journal(t);
    rmSync(publicKeyPath(rig.proof));
    assert.ok(kindsOf(await rig.verify()).includes('unsigned'));
  });
});

describe('what is not wrong is not found', () => {
  it('a journal of one record, and an empty one', async (t) => {
    const rig = new JournalRig(t);
    await rig.open({ upkeep: false }).close();
    fine(await rig.verify());
    assert.equal((await rig.verify()).records, 1);
  });

  it('a line of half a record at the end, after a kill', async (t) => {
    const rig = new JournalRig(t);
    const scribe = rig.open();
    await scribe.append(line('decision'), 'os');
    await scribe.flush();
    // As it is when it is killed now: not closed in order.
    const killed = rig.copy();
    await scribe.close();
    killed.putBack('all');
    appendFileSync(rig.files.at(-1) ?? '', '{"seq":3,"prev":"');
    const verdict = await rig.verify();
    fine(verdict);
    assert.deepEqual(
      verdict.warnings.map(({ kind }) => kind),
      ['torn-tail'],
    );
    await written(rig, 1);
    assert.ok(rig.kinds().includes('torn-tail'));
    fine(await rig.verify());
  });

  for (const isFirst of [true, false])
    it(`a power cut soon after ${isFirst ? 'the first' : 'a'} start, with all records on the disk, and of the head what was synced`, async (t) => {
      const rig = isFirst ? new JournalRig(t) : await journal(t);
      let onDisk = isFirst ? Buffer.alloc(0) : readFileSync(rig.head);
      const syncNow = (fd: number) => {
        realDisk.syncNow(fd);
        onDisk = readFileSync(rig.head);
      };
      const scribe = rig.open({ disk: { syncNow } });
      await scribe.append(line('decision'), 'disk');
      const cut = rig.copy();
      await scribe.close();
      cut.putBack('all');
      writeFileSync(rig.head, onDisk);
      fine(await rig.verify());
      await written(rig, 1);
      assert.equal(rig.kinds().includes('unsealed'), !isFirst);
      fine(await rig.verify());
    });

  it('a daemon that writes while it is looked at', async (t) => {
    const rig = new JournalRig(t);
    const scribe = rig.open({ rotateAtBytes: 20_000 });
    let goesOn = true;
    const writing = (async () => {
      for (let n = 0; goesOn; n++) {
        await scribe.append(line('decision', `,"n":${n}`), 'os');
        if (n % 10 === 0) await new Promise(setImmediate);
        if (n % 50 === 0) rig.fire(1000);
      }
    })();
    for (let looks = 0; looks < times(20, 200); looks++) {
      const verdict = await rig.verify();
      fine(verdict);
      assert.deepEqual(verdict.warnings, []);
    }
    goesOn = false;
    await writing;
    await scribe.close();
    fine(await rig.verify());
  });

  it('the format of before: it is read, and vouched for from where the chain begins', async (t) => {
    const rig = new JournalRig(t);
    await written(rig, 1);
    rmSync(rig.dir, { recursive: true });
    const { mkdirSync } = await import('node:fs');
    mkdirSync(rig.audit, { recursive: true, mode: 0o700 });
    const old = Array.from(
      { length: 5 },
      (_, n) => `{"seq":${n + 1},"kind":"outcome","time":"2025-01-02T03:04:05.006Z"}`,
    );
    writeFileSync(join(rig.audit, 'journal-000001.jsonl'), old.map((it) => `${it}\n`).join(''), {
      mode: 0o600,
    });
    await written(rig, 3);
    assert.deepEqual(rig.kinds().slice(5, 7), ['chain-begins', 'started']);
    const verdict = await rig.verify();
    fine(verdict);
    assert.equal(verdict.vouchedFrom, 6);
    const lines = rig.lines();
    rig.setLines(rig.files[0] ?? '', lines.with(4, (lines[4] ?? '').replace('2025', '2024')));
    assert.deepEqual(kindsOf(await rig.verify()), ['edited'], 'the last one before it is vouched for');
  });
});

type Deed = { readonly deed: number; readonly file: number; readonly at: number; readonly other: number };

/** One of everything that somebody could do to the bytes. False: it changed nothing. */
function meddle(rig: JournalRig, { deed, file, at, other }: Deed): boolean {
  const path = rig.files[file % rig.files.length] ?? '';
  const bytes = readFileSync(path);
  const lines = rig.lines(path);
  const n = at % lines.length;
  const m = other % lines.length;
  switch (deed) {
    case 0: {
      // One bit.
      const where = at % bytes.length;
      bytes[where] = (bytes[where] ?? 0) ^ (1 << (other % 8));
      writeFileSync(path, bytes);
      return true;
    }
    case 1:
      rig.setLines(path, lines.toSpliced(n, 1));
      return true;
    case 2:
      rig.setLines(path, lines.toSpliced(n, 0, lines[m] ?? ''));
      return true;
    case 3:
      rig.setLines(path, lines.with(n, lines[m] ?? '').with(m, lines[n] ?? ''));
      return n !== m;
    case 4:
      truncateSync(path, at % bytes.length);
      return true;
    case 5:
      rmSync(path);
      return true;
    case 6:
      writeFileSync(
        path,
        Buffer.concat([
          bytes.subarray(0, at % bytes.length),
          Buffer.from('x'),
          bytes.subarray(at % bytes.length),
        ]),
      );
      return true;
    default:
      rig.setLines(path, lines.with(n, edit(lines[n] ?? '')));
      rechain(rig);
      return true;
  }
}

test('B-31 whatever anybody does to any byte is found, and nothing else is', async () => {
  const deeds = fc.record({
    deed: fc.nat({ max: 7 }),
    file: fc.nat({ max: 20 }),
    at: fc.nat({ max: 100_000 }),
    other: fc.nat({ max: 100_000 }),
  });
  const rig = new JournalRig(undefined);
  await written(rig, 40);
  fine(await rig.verify());
  const clean = rig.copy();
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(deeds, { minLength: 1, maxLength: 3 }), async (all) => {
        clean.putBack('journal');
        const before = rig.files.map((file) => readFileSync(file, 'latin1')).join('|');
        for (const it of all)
          if (rig.files.every((file) => rig.lines(file).length > 0) && rig.files.length > 0) meddle(rig, it);
        const isSame = rig.files.map((file) => readFileSync(file, 'latin1')).join('|') === before;
        const { findings } = await rig.verify();
        assert.equal(findings.length === 0, isSame, JSON.stringify(findings));
      }),
      { numRuns: times(150, 5000) },
    );
  } finally {
    rig.remove();
  }
});
