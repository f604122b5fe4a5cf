import { genesis, hashOf, openingOf, type Link, type Opening } from './chain.ts';
import { records, type Notes } from './verdict.ts';
import { OwnRecords } from './own-records.ts';

/** Records that are not where they should be; they may still come. */
type Gap = { from: number; to: number; readonly file: string; readonly before: number };

const gapsMax = 1000;
/** As many as are written while a disk confirms nothing, and more. */
const recentMax = 65_536;

/**
 * Goes through the lines of a journal in order and says where one does not follow from the one before it. Pure: it is given
 * lines and knows of no file but its name.
 */
export class ChainJudge {
  readonly #notes: Notes;
  readonly own: OwnRecords;
  #first: (Opening & { readonly file: string }) | undefined;
  #last: Link = genesis;
  /** The one before the last: two records that both follow it cannot both be ours. */
  #beforeLast: Link | undefined;
  /** The last records, by their numbers. */
  readonly #recent = new Array<Link | undefined>(recentMax);
  #count = 0;
  #vouchedFrom: number | undefined;
  readonly #gaps: Gap[] = [];
  /** A file ended in half a line; what follows says whether that may be. */
  #torn: { readonly file: string; readonly bytes: number } | undefined;

  constructor(notes: Notes) {
    this.#notes = notes;
    this.own = new OwnRecords(notes);
  }

  get first(): (Opening & { readonly file: string }) | undefined {
    return this.#first;
  }

  get last(): Link {
    return this.#last;
  }

  get count(): number {
    return this.#count;
  }

  get vouchedFrom(): number | undefined {
    return this.#vouchedFrom;
  }

  /** One line, without its line feed. Gives its place in the chain; undefined for a line that is no record. */
  see(line: Buffer, file: string, number: number): Link | undefined {
    const opening = openingOf(line);
    if (opening === undefined) {
      const says = `line ${number} of ${file} is no record of mcpd: somebody put it there, or damaged the one that was`;
      this.#notes.find({ kind: 'foreign-line', file, line: number, says });
      return undefined;
    }
    const link = { seq: opening.seq, hash: hashOf(line) };
    this.#count++;
    const own = this.own.read(opening.kind, line);
    if (this.#first === undefined) this.#begin(opening, file);
    else if (!this.#place(opening, file, link)) return link;
    if (own !== undefined) this.own.weigh(own, file);
    const confirmed = own === undefined ? undefined : this.own.confirmedBy(own);
    if (confirmed !== undefined) this.#judgeConfirmed(confirmed, opening.seq, file);
    if (opening.prev !== undefined) this.#vouchedFrom ??= opening.seq;
    this.#beforeLast = this.#last;
    this.#last = link;
    this.#recent[link.seq % recentMax] = link;
    return link;
  }

  /** A file that is not the last one ended in half a line. */
  tornAt(file: string, bytes: number): void {
    this.#torn = { file, bytes };
  }

  /** To be called when everything was seen: what is still missing is missing, unless it was retired while we read. */
  end(retired: number): void {
    this.#judgeTorn(undefined, 0);
    for (const { from, to, file, before } of this.#gaps.filter((it) => it.to > retired)) {
      const lost = this.own.unconfirmed(from, to);
      const says = `${records(from, to)} ${from === to ? 'is' : 'are'} missing before record ${before} in ${file}`;
      if (lost) this.#notes.warn({ kind: 'io-error', file, from, to, says: `${says}: the disk lost them` });
      else if (!this.own.toldTruncated(from, to)) this.#notes.find({ kind: 'missing', file, from, to, says });
    }
  }

  #begin({ seq, prev, kind }: Opening, file: string): void {
    this.#first = { seq, prev, kind, file };
    this.#last = { seq: seq - 1, hash: prev ?? '' };
  }

  /** Whether the chain goes on with this record; one that is out of place is told and left aside. */
  #place(opening: Opening, file: string, link: Link): boolean {
    const { seq, prev, kind } = opening;
    this.#judgeTorn(kind, seq);
    if (seq <= this.#last.seq) return this.#isBehind(opening, file, link);
    const goesOn = seq === this.#last.seq + 1;
    if (!goesOn) this.#missing(this.#last.seq + 1, seq - 1, file, seq);
    if (prev === undefined) return this.#unchained(seq, file);
    if (this.#vouchedFrom === undefined && kind !== 'chain-begins') {
      const says = `the chain begins at record ${seq} in ${file}, and nothing says that it should`;
      this.#notes.find({ kind: 'unchained', file, from: seq, to: seq, says });
    }
    // What mcpd wrote after records had been cut off follows the last one that was left.
    if ((goesOn || kind === 'truncated') && prev !== this.#last.hash) this.#edited(this.#last.seq, seq, file);
    return true;
  }

  /**
   * Behind what a disk confirmed it may have lost records, and the chain has a hole there that proves nothing: whoever removes one
   * of them could edit all that comes before it, up to a checkpoint.
   */
  #judgeConfirmed({ seq, hash }: Link, by: number, file: string): void {
    const found = this.#recent[seq % recentMax];
    if (found?.seq !== seq || found.hash === hash) return;
    const says = `record ${seq} is not the one that the disk had confirmed, as record ${by} in ${file} says: it was changed, or something before it`;
    this.#notes.find({ kind: 'rewritten', file, from: seq, to: seq, says });
  }

  #edited(before: number, seq: number, file: string): void {
    const says = `record ${before} is not what record ${seq} in ${file} says that it follows: one of them was changed`;
    this.#notes.find({ kind: 'edited', file, from: before, to: before, says });
  }

  /** A number that was there before, or is behind. */
  #isBehind({ seq, prev }: Opening, file: string, link: Link): boolean {
    const gap = this.#gaps.find(({ from, to }) => seq >= from && seq <= to);
    if (gap !== undefined) {
      this.#fill(gap, seq);
      const says = `record ${seq} stands after record ${this.#last.seq} in ${file}`;
      this.#notes.find({ kind: 'reordered', file, from: seq, to: seq, says });
      return false;
    }
    const says = `there is more than one record ${seq}; `;
    if (seq === this.#last.seq && prev === this.#beforeLast?.hash && link.hash !== this.#last.hash) {
      // This one fits what was before both, and the one that was taken for it may not be followed by anything.
      this.#notes.find({
        kind: 'inserted',
        file,
        from: seq,
        to: seq,
        says: `${says}one of them was put in before the other, in ${file}`,
      });
      this.#last = link;
      return false;
    }
    this.#notes.find({
      kind: 'inserted',
      file,
      from: seq,
      to: seq,
      says: `${says}one stands after record ${this.#last.seq} in ${file}`,
    });
    return false;
  }

  #unchained(seq: number, file: string): boolean {
    if (this.#vouchedFrom === undefined) return true;
    const says = `record ${seq} in ${file} carries no chain, and records before it do: an older mcpd wrote it, or somebody else`;
    this.#notes.find({ kind: 'unchained', file, from: seq, to: seq, says });
    return true;
  }

  #missing(from: number, to: number, file: string, before: number): void {
    if (this.#gaps.length < gapsMax) this.#gaps.push({ from, to, file, before });
    else this.#notes.find({ kind: 'missing', file, from, to, says: `${records(from, to)}: missing` });
  }

  /** A record that was missing is here after all. */
  #fill(gap: Gap, seq: number): void {
    if (seq < gap.to && seq > gap.from) this.#gaps.push({ ...gap, from: seq + 1 });
    if (seq === gap.from) gap.from++;
    else gap.to = seq - 1;
    if (gap.from > gap.to) this.#gaps.splice(this.#gaps.indexOf(gap), 1);
  }

  /** Half a line in the middle is what a disk leaves that lost something, and nothing else. */
  #judgeTorn(nextKind: string | undefined, nextSeq: number): void {
    const torn = this.#torn;
    if (torn === undefined) return;
    this.#torn = undefined;
    const { file, bytes } = torn;
    if (nextKind === 'io-error' || nextKind === 'truncated') return;
    const says = `${file} ends in ${bytes} bytes of an unfinished record, and is not the last file`;
    this.#notes.find({ kind: 'torn', file, ...(nextSeq > 0 ? { to: nextSeq } : {}), says });
  }
}
