import type { Clock } from '../domain/clock.ts';
import type { Position } from './chain.ts';
import type { Journal } from './journal.ts';
import type { Checkpoints } from './journal-checkpoints.ts';
import type { Repair } from './journal-repairs.ts';
import type { Outlived, Retention } from './journal-retention.ts';
import type { Later } from './syncs.ts';

export type UpkeepTerms = {
  readonly checkpoints: Checkpoints;
  readonly checkpointEveryMs: number;
  readonly retention: Retention;
};

/** What upkeep reaches of the scribe. */
export type UpkeepReach = {
  readonly clock: Clock;
  readonly later: Later;
  /** Undefined while it is in trouble. */
  readonly journal: () => Journal | undefined;
  /** Everything that was written so far is on the disk. */
  readonly synced: () => Promise<Position>;
  /** Throws `AUDIT_UNAVAILABLE`. */
  readonly record: (repairs: readonly Repair[]) => void;
  /** Whether the wall clock has jumped within so many milliseconds. */
  readonly jumpedWithin: (ms: number) => boolean;
};

const lookForOldEveryMs = 3_600_000;
/** So long a clock that was set counts as one that may be set back. */
const doubtClockForMs = 86_400_000;
/** A checkpoint may lie on a disk far away; the end of the daemon does not wait for that for ever. */
const lastCheckpointWithinMs = 5000;

/** What has to be done beside writing: signs how far the journal is, and lets go of what need not be kept. */
export class Upkeep {
  readonly #terms: UpkeepTerms;
  readonly #reach: UpkeepReach;
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #lookedAtMs: number | undefined;
  #isSoon = false;
  #stopped = false;
  /** The file that is written to, and since when, by the steady clock, at the latest. */
  #open: { readonly file: number; readonly sinceMs: number } = { file: 0, sinceMs: 0 };
  /** Files that are on record as removed, and still there; no more than are removed at once. */
  readonly #spokenOf = new Set<number>();

  constructor(terms: UpkeepTerms, reach: UpkeepReach) {
    this.#terms = terms;
    this.#reach = reach;
    this.#again();
    this.soon();
  }

  /** A file was closed: what is in it should be signed, and another may be too old by now. */
  soon(): void {
    if (this.#isSoon || this.#stopped) return;
    this.#isSoon = true;
    this.#lookedAtMs = undefined;
    setImmediate(() => {
      this.#isSoon = false;
      if (!this.#stopped) void this.run();
    });
  }

  /** One round. Never rejects: what fails is tried again the next time, and a disk that fails is known to the scribe. */
  run(): Promise<void> {
    this.#running ??= this.#round().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Signs the end. Never rejects, and does not take longer than some seconds. */
  async close(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    let callOff: (() => void) | undefined;
    const late = new Promise<void>((resolve) => {
      callOff = this.#reach.later(lastCheckpointWithinMs, resolve);
    });
    const done = this.run().then(() => this.#sign());
    await Promise.race([late, done.then(() => this.#terms.checkpoints.idle)]);
    callOff?.();
  }

  #again(): void {
    this.#cancel = this.#reach.later(this.#terms.checkpointEveryMs, () => {
      if (this.#stopped) return;
      void this.run();
      this.#again();
    });
  }

  async #round(): Promise<void> {
    try {
      await this.#letGo();
    } catch {
      // Then more is kept than has to be.
    }
    await this.#sign();
  }

  async #sign(): Promise<void> {
    const { checkpoints } = this.#terms;
    const journal = this.#reach.journal();
    if (journal === undefined || journal.last.seq === checkpoints.at?.seq) return;
    try {
      const at = await this.#reach.synced();
      await checkpoints.add(at, journal.retired, this.#reach.clock.wallMs());
      // What the head says of checkpoints is true only when it is there.
      const now = this.#reach.journal();
      now?.keep(now.retired);
    } catch {
      // The disk did not confirm it, so it is not signed; the scribe was told.
    }
  }

  async #letGo(): Promise<void> {
    const { clock } = this.#reach;
    const now = clock.steadyMs();
    const journal = this.#reach.journal();
    if (journal === undefined) return;
    if (this.#lookedAtMs !== undefined && now - this.#lookedAtMs < lookForOldEveryMs) return;
    this.#lookedAtMs = now;
    const nowMs = this.#reach.jumpedWithin(doubtClockForMs) ? undefined : clock.wallMs();
    const { retention } = this.#terms;
    const { file } = journal.last;
    if (file !== this.#open.file) this.#open = { file, sinceMs: now };
    await retention.look(file, nowMs);
    // It may have failed, or been closed, while others had their turn.
    if (this.#reach.journal() !== journal) return;
    const outlived = retention.outlived(file, nowMs, now - this.#open.sinceMs);
    if (outlived.length > 0) await this.#remove(outlived);
  }

  /** On record, and on the disk, before anything is removed: a file that is gone without a word was taken by somebody. */
  async #remove(outlived: readonly Outlived[]): Promise<void> {
    // Also where an earlier run was about to: its words may have gone with the power, when the head's stayed. But once in our life
    // for each: a file that cannot be removed would else be spoken of for ever.
    const fresh = outlived.filter(({ number }) => !this.#spokenOf.has(number));
    if (fresh.length > 0) this.#reach.record(fresh.map(({ members }) => ({ kind: 'retired', members })));
    // Not the one from before: to record may have opened the journal anew.
    const journal = this.#reach.journal();
    if (journal === undefined) return;
    const last = outlived.findLast((it) => it.last !== undefined)?.last;
    if (last !== undefined && last.seq > journal.retired.seq) journal.keep(last);
    await this.#reach.synced();
    for (const { number } of fresh) this.#spokenOf.add(number);
    for (const it of outlived) {
      await this.#terms.retention.remove(it);
      this.#spokenOf.delete(it.number);
      await this.#terms.checkpoints.retire(it.number);
    }
  }
}
