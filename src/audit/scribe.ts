import type { Durability } from '../domain/care.ts';
import { Fault } from '../domain/faults.ts';
import { Backlog, type Line } from './backlog.ts';
import { HeldJournal, type HeldParts } from './held-journal.ts';
import { Recovery } from './recovery.ts';
import type { Later } from './syncs.ts';
import { Upkeep, type UpkeepTerms } from './upkeep.ts';

export type ScribeParts = HeldParts & {
  /** Called before each write: what must be kept no later than the records. Throws `AUDIT_UNAVAILABLE`, and none is written. */
  readonly before?: () => void;
  /** Told when the journal fails (with the fault) and when it works again (with undefined). Must not throw. */
  readonly onTrouble?: (fault: Fault | undefined) => void;
  /** Checkpoints and retention; without them there are none. */
  readonly upkeep?: UpkeepTerms;
  readonly later?: Later;
  /** Lines that nobody waits for, kept while the journal cannot be written. */
  readonly keptLinesMax?: number;
  readonly keptCharsMax?: number;
  /** Groups of calls that wait for the disk, and how long it may take; beyond both, calls are refused. */
  readonly waitingMax?: number;
  readonly slowAfterMs?: number;
};

/** Who waits for the lines of one write: for the system, and for the disk. */
type Group = Partial<Record<Durability, PromiseWithResolvers<void>>>;

/**
 * Writes what was said in one turn of the event loop with one write, and has the disk confirm it for those who need that.
 * A line is a JSON object text without `seq` and `prev`; it must hold no line feed.
 */
export class Scribe {
  readonly #parts: ScribeParts;
  readonly #later: Later;
  readonly #held: HeldJournal;
  readonly #backlog: Backlog;
  readonly #recovery: Recovery;
  readonly #upkeep: Upkeep | undefined;
  #group: Group = {};
  #isScheduled = false;
  #closed = false;

  /** Throws `CONFIG_INVALID` when the journal is not ours alone. A disk that fails at start is tried again later. */
  constructor(parts: ScribeParts) {
    const { clock, keptLinesMax = 10_000, keptCharsMax = 16 * 1024 * 1024 } = parts;
    this.#parts = parts;
    this.#later = parts.later ?? laterUnref;
    this.#held = new HeldJournal(parts);
    this.#backlog = new Backlog({ linesMax: keptLinesMax, charsMax: keptCharsMax });
    this.#recovery = new Recovery({
      clock,
      later: this.#later,
      held: this.#held,
      backlog: this.#backlog,
      say: (texts) => this.#say(texts),
      onTrouble: (fault) => this.#refuseAll(fault),
      onWorks: () => this.#goOn(),
      waitingMax: parts.waitingMax ?? 4096,
      slowAfterMs: parts.slowAfterMs ?? 5000,
    });
    try {
      this.#say([this.#held.own('started')]);
    } catch (reason) {
      const fault = Fault.from(reason);
      if (fault.code !== 'AUDIT_UNAVAILABLE') throw fault;
      this.#recovery.unwritten(fault, []);
    }
    this.#upkeep = parts.upkeep === undefined ? undefined : this.#startUpkeep(parts.upkeep);
  }

  /** False from a failed write until a successful one. */
  get healthy(): boolean {
    return this.#recovery.trouble === undefined && !this.#closed;
  }

  /** Whether a line would be written now. A journal that failed a second ago or earlier is tried with a real write. */
  ready(): boolean {
    return !this.#closed && this.#recovery.ready();
  }

  /** Throws `AUDIT_UNAVAILABLE`, with the reason, unless `ready`. */
  mustBeReady(): void {
    if (!this.ready()) throw this.#refusal();
  }

  /**
   * Resolves when the line is as safe as is asked for, rejects with `AUDIT_UNAVAILABLE`. `os`: the system has it. `disk`: the
   * disk has it; calls that come at the same time share one sync. All lines of a group share the promise.
   */
  append(text: string, durability: Durability): Promise<void> {
    if (!this.ready()) return Promise.reject(this.#refusal());
    const busy = durability === 'disk' ? this.#recovery.syncs.busy : undefined;
    if (busy !== undefined) return Promise.reject(busy);
    const { promise } = (this.#group[durability] ??= Promise.withResolvers<void>());
    const first = !this.#isScheduled;
    this.#add({ text, kept: false });
    // The first in a turn of the loop does not wait for the turn to end: a lone caller would only lose time. Those that
    // come in the same turn after it are one group.
    if (first) queueMicrotask(() => this.#writeGroup());
    return promise;
  }

  /** Goes with the next group. Kept while the journal fails, up to a bound; what is beyond it is counted as lost. */
  note(text: string): void {
    const usable = this.ready();
    if (this.#closed || (!usable && !this.#backlog.hasRoomFor(text))) this.#backlog.lose();
    else this.#add({ text, kept: true });
  }

  /** Everything said so far is as safe as is asked for when this resolves. Rejects with `AUDIT_UNAVAILABLE`. */
  async flush(durability: Durability = 'os'): Promise<void> {
    this.#writeGroup();
    this.#seal();
    this.mustBeReady();
    if (durability === 'os') return;
    const { busy } = this.#recovery.syncs;
    if (busy !== undefined) throw busy;
    await this.#recovery.syncs.wait();
  }

  /** Writes what is left, syncs, signs, closes. Later lines are refused. Rejects when something could not be saved. */
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.flush('disk');
    } finally {
      await this.#upkeep?.close();
      const isWell = this.healthy;
      this.#closed = true;
      this.#recovery.stop();
      if (isWell) this.#held.shut();
      else this.#held.letGo();
    }
  }

  #add(line: Line): void {
    this.#backlog.add(line);
    if (!this.healthy) return;
    // A turn that says very much does not get to fill the memory.
    if (this.#backlog.isFull) this.#writeGroup();
    else if (!this.#isScheduled) {
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.#writeGroup();
        this.#seal();
      });
    }
  }

  #writeGroup(): void {
    if (!this.healthy || this.#backlog.isEmpty) return;
    const { os, disk } = this.#group;
    this.#group = {};
    const lines = this.#backlog.take();
    try {
      this.#put(lines.map(({ text }) => text));
    } catch (reason) {
      this.#group = { ...(os && { os }), ...(disk && { disk }) };
      return this.#recovery.unwritten(Fault.from(reason), lines);
    }
    os?.resolve();
    if (disk !== undefined) this.#recovery.syncs.wait().then(() => disk.resolve(), disk.reject);
  }

  /** Writes lines now, all or none. */
  #put(texts: readonly string[]): void {
    this.#parts.before?.();
    if (this.#held.write(texts) === 'next file') this.#upkeep?.soon();
  }

  /** At the end of a turn, once for all of its groups: the calls of the turn are on their way and do not wait for it. */
  #seal(): void {
    try {
      this.#held.seal();
    } catch (reason) {
      this.#recovery.unwritten(Fault.from(reason), []);
    }
  }

  /** Writes and seals what the journal says of itself. */
  #say(texts: readonly string[]): void {
    this.#put(texts);
    this.#held.seal();
  }

  #startUpkeep(terms: UpkeepTerms): Upkeep {
    return new Upkeep(terms, {
      clock: this.#parts.clock,
      later: this.#later,
      journal: () => (this.healthy ? this.#held.open : undefined),
      synced: () => this.#recovery.syncs.wait(),
      record: (repairs) => {
        try {
          this.#say(repairs.map((it) => this.#held.own(it.kind, it.members)));
        } catch (reason) {
          this.#recovery.unwritten(Fault.from(reason), []);
          throw reason;
        }
      },
      jumpedWithin: (ms) => this.#held.jumpedWithin(ms),
    });
  }

  /** The calls that wait are not made; the other lines tell of things that happened, so they are not forgotten. */
  #refuseAll(fault: Fault): void {
    const { os, disk } = this.#group;
    this.#group = {};
    this.#backlog.putBack(this.#backlog.take().filter((line) => line.kept));
    os?.reject(this.#refusal());
    disk?.reject(this.#refusal());
    this.#parts.onTrouble?.(fault);
  }

  #goOn(): void {
    this.#parts.onTrouble?.(undefined);
    // What was said while the disk was asked.
    this.#writeGroup();
    this.#seal();
  }

  #refusal(): Fault {
    const fault = this.#recovery.trouble;
    if (fault === undefined || this.#closed)
      return new Fault('AUDIT_UNAVAILABLE', { detail: 'the journal is closed' });
    const { detail, hint } = fault;
    return new Fault('AUDIT_UNAVAILABLE', {
      ...(detail === undefined ? {} : { detail }),
      ...(hint === undefined ? {} : { hint }),
      cause: fault,
    });
  }
}

const laterUnref: Later = (afterMs, run) => {
  const timer = setTimeout(run, afterMs).unref();
  return () => {
    clearTimeout(timer);
  };
};
