import { basename } from 'node:path';
import type { Link } from './chain.ts';
import { ChainJudge } from './chain-judge.ts';
import type { CheckpointRead } from './checkpoint.ts';
import { journalFiles, timeOf } from './journal-files.ts';
import { LineReader } from './journal-lines.ts';
import { records, type Finding, type Notes, type Verdict } from './verdict.ts';

/** Hashes of records behind the head that are remembered, to hold a later head against them. */
const rememberedMax = 1_000_000;

/** One pass over all files, which may grow and become more meanwhile. */
export class Reading {
  readonly judge: ChainJudge;
  readonly #dir: string;
  readonly #notes: Notes;
  readonly #checkpoints: readonly CheckpointRead[];
  readonly #rememberFrom: number;
  readonly #remembered = new Map<number, string>();
  #next = 0;
  #signed: CheckpointRead | undefined;
  #broken = false;
  readonly #done = new Set<string>();
  readonly #gaps: (Finding & { readonly after: number })[] = [];
  #open: { readonly file: string; readonly reader: LineReader } | undefined;
  #firstTime: string | undefined;
  #lastTime: string | undefined;

  constructor(dir: string, notes: Notes, checkpoints: readonly CheckpointRead[], rememberFrom: number) {
    this.#dir = dir;
    this.#notes = notes;
    this.#checkpoints = checkpoints;
    this.#rememberFrom = rememberFrom;
    this.judge = new ChainJudge(notes);
  }

  /** The hash of a record that was read, if it is one that a head may speak of. */
  hashAt(seq: number): string | undefined {
    return seq === this.judge.last.seq ? this.judge.last.hash : this.#remembered.get(seq);
  }

  /** The newest checkpoint that fits. */
  get signed(): CheckpointRead | undefined {
    return this.#signed;
  }

  /** Everything there is now and was not read yet. */
  readOn(): void {
    for (;;) {
      this.#readOpen();
      const next = journalFiles(this.#dir).find((path) => !this.#done.has(path));
      if (next === undefined) return;
      this.#turnTo(next);
    }
  }

  /**
   * Everything was read. `retired`: the newest record that is gone with leave, some of it perhaps while we read. `isShut`: mcpd
   * had ended in order.
   */
  finish(retired: number, isShut: boolean): void {
    const torn = this.#open?.reader.tornBytes ?? 0;
    const file = basename(this.#open?.file ?? '');
    if (torn > 0 && isShut)
      this.#notes.find({
        kind: 'torn',
        file,
        says: `${file} ends in ${torn} bytes of an unfinished record, and mcpd had ended in order: somebody else wrote them`,
      });
    else if (torn > 0)
      this.#notes.warn({
        kind: 'torn-tail',
        file,
        says: `${file} ends in ${torn} bytes of an unfinished record; the next start cuts them off`,
      });
    for (const { after, ...finding } of this.#gaps) {
      const isTold = after < retired || this.judge.own.toldTruncated(after + 1, after + 1);
      if (!isTold) this.#notes.find(finding);
    }
    this.judge.end(retired);
  }

  close(): void {
    this.#open?.reader.close();
    this.#open = undefined;
  }

  verdict(fits: boolean | undefined, checkpoints: number): Verdict {
    const { judge } = this;
    const { first, last, count } = judge;
    return {
      records: count,
      first: first === undefined ? undefined : { seq: first.seq, time: this.#firstTime },
      last: first === undefined ? undefined : { seq: last.seq, time: this.#lastTime },
      files: this.#done.size,
      vouchedFrom: judge.vouchedFrom,
      head: fits === undefined ? 'not looked at' : fits ? 'fits' : 'does not fit',
      checkpoints,
      signed: this.#signed === undefined ? undefined : { seq: this.#signed.at.seq, time: this.#signed.time },
      findings: this.#notes.findings,
      warnings: this.#notes.warnings,
      more: this.#notes.more,
    };
  }

  #readOpen(): void {
    if (this.#open === undefined) return;
    const { reader } = this.#open;
    const file = basename(this.#open.file);
    let lastLine: Buffer | undefined;
    reader.each((line) => {
      const link = this.judge.see(line, file, reader.line);
      if (link === undefined) return;
      if (this.judge.count === 1) this.#firstTime = timeOf(line);
      lastLine = line;
      if (link.seq >= this.#rememberFrom && this.#remembered.size < rememberedMax)
        this.#remembered.set(link.seq, link.hash);
      this.#meet(link);
    });
    if (lastLine !== undefined) this.#lastTime = timeOf(lastLine);
  }

  #turnTo(path: string): void {
    const before = this.#open;
    if (before !== undefined) {
      // A line that was being written when the file was read to its end is whole by the time there is a next file.
      this.#readOpen();
      if (before.reader.tornBytes > 0) this.judge.tornAt(basename(before.file), before.reader.tornBytes);
      before.reader.close();
      this.#gapBetween(basename(before.file), basename(path));
    }
    this.#open = undefined;
    this.#done.add(path);
    try {
      this.#open = { file: path, reader: new LineReader(path) };
    } catch (reason) {
      // Retention may have removed it since it was listed; if it did not, the records are missing and that is found.
      if ((reason as NodeJS.ErrnoException).code !== 'ENOENT') throw reason;
    }
  }

  #gapBetween(before: string, file: string): void {
    const [a = 0, b = 0] = [before, file].map((name) => Number(/\d+/.exec(name)?.[0]));
    if (b <= a + 1) return;
    const says = `between ${before} and ${file}, ${b - a - 1 === 1 ? 'a file is' : `${b - a - 1} files are`} missing`;
    this.#gaps.push({ kind: 'missing-file', file, says, after: this.judge.last.seq });
  }

  /** Holds a record against the checkpoint that was signed at it. */
  #meet(link: Link): void {
    for (;;) {
      const checkpoint = this.#checkpoints[this.#next];
      if (checkpoint === undefined || checkpoint.at.seq > link.seq) return;
      this.#next++;
      if (checkpoint.at.seq < link.seq) continue;
      if (checkpoint.at.hash === link.hash) this.#signed = checkpoint;
      else if (!this.#broken) this.#rewritten(checkpoint);
    }
  }

  #rewritten({ n, at, time }: CheckpointRead): void {
    this.#broken = true;
    const from = (this.#signed?.at.seq ?? 0) + 1;
    const says = `record ${at.seq} is not the one that checkpoint ${n} signed at ${time}: something in ${records(from, at.seq)} was changed, and the chain made anew`;
    this.#notes.find({ kind: 'rewritten', from, to: at.seq, says });
  }
}
