import { mkdirSync } from 'node:fs';
import { realClock, type Clock } from '../domain/clock.ts';
import { Framer, genesis, type Link, type Position } from './chain.ts';
import { realDisk, type Disk } from './journal-disk.ts';
import { firstIn, journalNumbers, pathOf, refuseSharedDir, unavailable } from './journal-files.ts';
import { HeadFile, type Cold } from './journal-head.ts';
import type { Proof } from './journal-proof.ts';
import { Segments } from './journal-segments.ts';
import { furthest, furthestLink, reconcile, standingIn, type Going, type Repair } from './journal-repairs.ts';

export type JournalPlace = {
  /** Made with mode 0700 when it is not there. */
  readonly dir: string;
  /** A file that would grow beyond this, or is older, is followed by the next one. */
  readonly rotateAtBytes?: number;
  readonly rotateAtAgeMs?: number;
  /** Without it there is a chain, but nobody can tell whether its end was cut off. */
  readonly proof?: Proof;
  readonly disk?: Partial<Disk>;
  /** `disk.append`, for those who want nothing else of a disk. */
  readonly writeSome?: Disk['append'];
  readonly clock?: Clock;
};

/** Told what was found before the head is written, which is what it was found by: should that fail, nobody finds it again. */
export type Owe = (repairs: readonly Repair[]) => void;

const rotateAtBytesDefault = 64 * 1024 * 1024;

/**
 * The file of all records, open for one writer. Each record holds the hash of the one before it, and the head, outside of the
 * folder, holds the hash of the last one. What was written survives the death of the process; what was synced, a power cut.
 */
export class Journal {
  readonly #place: JournalPlace;
  readonly #clock: Clock;
  readonly #segments: Segments;
  readonly #head: HeadFile | undefined;
  readonly #framer = new Framer();
  #last: Position;
  /** The number of the last record that the head knows. */
  #sealed = -1;
  #retired: Link;
  #rotateAtMs: number;
  /** The last record that the disk has confirmed. */
  #confirmed: Link;
  /** What was found when it was opened and belongs on record, oldest first. */
  readonly repairs: readonly Repair[];

  /** Throws `CONFIG_INVALID` when others could change the files, `AUDIT_UNAVAILABLE` when they cannot be opened. */
  static open(place: JournalPlace, going?: Going, owe?: Owe): Journal {
    try {
      return new Journal(place, going, owe);
    } catch (reason) {
      throw unavailable(reason, `cannot open the journal in ${place.dir}`);
    }
  }

  private constructor(place: JournalPlace, going: Going | undefined, owe: Owe | undefined) {
    const { dir, proof } = place;
    const whole = { ...realDisk, ...place.disk };
    const disk = { ...whole, append: place.writeSome ?? whole.append };
    this.#place = place;
    this.#clock = place.clock ?? realClock;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    refuseSharedDir(dir);
    const isSuspect = going?.isSuspect === true;
    const numbers = journalNumbers(dir);
    const newest = numbers.at(-1) ?? 0;
    const head = proof === undefined ? undefined : HeadFile.open(proof.headPath, proof.keys.head, disk);
    this.#head = head?.file;
    const found = head?.found.kind === 'read' ? head.found.head : undefined;
    const expected = going?.last ?? furthest(found?.last, proof?.checkpoints.found?.at);
    try {
      // Never behind the file that was the last one: its number would stand for two files.
      const past = Math.max(newest, expected?.file ?? 0);
      const fresh = past > newest || (isSuspect && newest <= going.last.file);
      const number = fresh ? past + 1 : Math.max(newest, 1);
      // Before anything is made: a file that holds something else is not ours to add to.
      const standing = standingIn(dir, numbers);
      this.#segments = new Segments({ dir, disk, number, fresh, isSuspect });
      const { repairs, last } = reconcile({
        dir,
        standing,
        expected,
        head: head?.found.kind,
        isShut: found?.isShut === true,
        going,
        tornBytes: this.#segments.tornBytes,
        checkpoints: { known: proof?.checkpoints.count ?? 0, told: found?.checkpoints ?? 0 },
      });
      this.repairs = repairs;
      owe?.(repairs);
      this.#last = { ...last, file: number, bytes: this.#segments.bytes };
      this.#retired = going?.retired ?? furthestLink(found?.retired, proof?.checkpoints.found?.retired);
      this.#confirmed = going?.confirmed ?? proof?.checkpoints.at ?? genesis;
      if (found !== undefined) proof?.checkpoints.atLeast(found.checkpoints);
      this.#rotateAtMs = this.#clock.steadyMs() + this.#ageLeftMs(number);
      // Before the first record: a head that comes after it could not be told from one that somebody removed.
      if (found === undefined) this.#head?.begin({ last: this.#last, ...this.#cold(false) });
      else if (found.isShut) this.#head?.reopen(this.#cold(false));
      else this.#head?.keep(this.#cold(false));
    } catch (reason) {
      this.close();
      throw reason;
    }
  }

  get file(): string {
    return this.#segments.path;
  }

  get last(): Position {
    return this.#last;
  }

  /** The newest record that retention removed. */
  get retired(): Link {
    return this.#retired;
  }

  /** What the next journal of this process has to know. */
  going(): Going {
    return { last: this.#last, retired: this.#retired, confirmed: this.#confirmed, isSuspect: false };
  }

  /**
   * Appends records, all or none; `seal` is to follow in the same turn of the event loop. Throws `AUDIT_UNAVAILABLE`; then this
   * journal is to be closed and opened anew.
   */
  write(texts: readonly string[]): void {
    const { bytes, last } = this.#framer.frame(this.#last, texts);
    const segments = this.#segments;
    try {
      if (segments.bytes > 0 && this.#isFull(bytes.length)) {
        segments.rotate();
        this.#rotateAtMs = this.#clock.steadyMs() + (this.#place.rotateAtAgeMs ?? Infinity);
      }
      segments.write(bytes);
      this.#last = { seq: last.seq, hash: last.hash, file: segments.number, bytes: segments.bytes };
    } catch (reason) {
      throw unavailable(reason, `cannot write ${segments.path}`);
    }
  }

  /** Brings the head up to what was written. Throws like `write`. */
  seal(): void {
    if (this.#sealed === this.#last.seq) return;
    try {
      this.#head?.advance(this.#last);
      this.#sealed = this.#last.seq;
    } catch (reason) {
      throw unavailable(reason, `cannot write ${this.#place.proof?.headPath ?? ''}`);
    }
  }

  /** False when somebody removed, replaced, cut or extended the file: then what we append may be read by nobody. */
  intact(): boolean {
    return this.#segments.intact();
  }

  /** Gives how far the journal is on the disk: at least as far as it was when this was asked. Rejects with `AUDIT_UNAVAILABLE`. */
  async sync(): Promise<Position> {
    const at = this.#last;
    try {
      await this.#segments.sync();
    } catch (reason) {
      throw unavailable(reason, `cannot sync ${this.#segments.path}`);
    }
    this.#confirmed = furthestLink(this.#confirmed, at);
    return at;
  }

  /** What begins after `retired` is what there should be; `checkpoints`: how many were made. Throws `AUDIT_UNAVAILABLE`. */
  keep(retired: Link): void {
    try {
      this.#retired = retired;
      this.#head?.keep(this.#cold(false));
    } catch (reason) {
      throw unavailable(reason, `cannot write ${this.#place.proof?.headPath ?? ''}`);
    }
  }

  /**
   * Takes everything back that this journal wrote to a file which it began, because the disk never confirmed it: the end is
   * again where `going` says. Never throws: what stays is found when the journal is opened anew.
   */
  undo(going: Going): void {
    try {
      // In this order: after a kill in between there is more than the head says, and not less.
      this.#head?.advance(going.last);
      this.#segments.empty();
    } catch {
      // The disk refuses this too.
    }
  }

  /** Closes it in order: whatever stands behind the last record from now on is not ours. */
  shut(): void {
    try {
      this.#head?.keep(this.#cold(true));
    } catch {
      // Then the next start takes what it finds for what a kill left, and says so.
    }
    this.close();
  }

  close(): void {
    // The constructor closes what it came to open.
    (this.#segments as Segments | undefined)?.close();
    this.#head?.close();
  }

  #isFull(more: number): boolean {
    return (
      this.#segments.bytes + more > (this.#place.rotateAtBytes ?? rotateAtBytesDefault) ||
      this.#clock.steadyMs() >= this.#rotateAtMs
    );
  }

  /** A file that an earlier run began is as old as its first record says. */
  #ageLeftMs(number: number): number {
    const { rotateAtAgeMs, dir } = this.#place;
    if (rotateAtAgeMs === undefined) return Infinity;
    const begun = this.#segments.bytes === 0 ? undefined : firstIn(pathOf(dir, number))?.wallMs;
    const age = begun === undefined ? 0 : this.#clock.wallMs() - begun;
    return Math.min(rotateAtAgeMs, Math.max(0, rotateAtAgeMs - age));
  }

  #cold(isShut: boolean): Cold {
    return { retired: this.#retired, checkpoints: this.#place.proof?.checkpoints.count ?? 0, isShut };
  }
}
