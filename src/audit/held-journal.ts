import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Position } from './chain.ts';
import type { Journal, Owe } from './journal.ts';
import type { Going, OwnKind, Repair } from './journal-repairs.ts';
import { Jumps } from './jumps.ts';

export type HeldParts = {
  readonly open: (going?: Going, owe?: Owe) => Journal;
  readonly clock: Clock;
};

/** What is seen once: to open the journal goes on from there, so that who opens it again finds nothing. */
const seenOnce: ReadonlySet<OwnKind> = new Set(['changed', 'head-lost', 'checkpoints-lost']);
const owedMax = 64;
/** How often somebody looks whether the file is still the one that is written to. */
const checkEveryMs = 1000;

/** The journal, opened when it is needed, and opened anew when it failed or when somebody meddled with its file. */
export class HeldJournal {
  readonly #parts: HeldParts;
  readonly #jumps: Jumps;
  #journal: Journal | undefined;
  #going: Going | undefined;
  /** What was found, and is not on record yet: to open it takes away what it was seen by. */
  #owed: readonly Repair[] = [];
  #checkedAtMs: number;

  constructor(parts: HeldParts) {
    this.#parts = parts;
    this.#jumps = new Jumps(parts.clock);
    this.#checkedAtMs = parts.clock.steadyMs();
  }

  get open(): Journal | undefined {
    return this.#journal;
  }

  /** The disk failed to confirm what was written: it has to confirm what follows before anybody relies on it. */
  get isSuspect(): boolean {
    return this.#going?.isSuspect === true;
  }

  /** Whether the wall clock was set within so many milliseconds. */
  jumpedWithin(ms: number): boolean {
    return this.#jumps.within(ms);
  }

  /** Writes records, all or none, and tells whether a new file was begun. Throws `AUDIT_UNAVAILABLE`. */
  write(texts: readonly string[]): 'same file' | 'next file' {
    const journal = this.#checked();
    const { file } = journal.last;
    journal.write(texts);
    return journal.last.file === file ? 'same file' : 'next file';
  }

  /** Brings the head up to what was written. Throws `AUDIT_UNAVAILABLE`. */
  seal(): void {
    this.#journal?.seal();
  }

  async sync(): Promise<Position> {
    if (this.#journal === undefined)
      throw new Fault('AUDIT_UNAVAILABLE', { detail: 'the journal is not open' });
    return this.#journal.sync();
  }

  /** Closes it and remembers where it stood. */
  letGo(): void {
    const journal = this.#journal;
    if (journal === undefined) return;
    this.#going = journal.going();
    journal.close();
    this.#journal = undefined;
  }

  /** Closes it at the end of everything. */
  shut(): void {
    this.#journal?.shut();
    this.#journal = undefined;
  }

  /** Closes it; what it wrote last is nowhere confirmed, whatever fails after this. */
  suspect(): void {
    this.letGo();
    if (this.#going !== undefined) this.#going = { ...this.#going, isSuspect: true };
  }

  /** The disk has confirmed what was written after it had failed. */
  trust(): void {
    this.#going = undefined;
    this.#owed = [];
  }

  /** Closes it, and takes back what was written since it was opened as a suspect. */
  undo(): void {
    const journal = this.#journal;
    this.#journal = undefined;
    if (journal === undefined || this.#going === undefined) return;
    journal.undo(this.#going);
    journal.close();
  }

  /** A record of the journal about itself. */
  own(kind: OwnKind, members = ''): string {
    const time = new Date(this.#parts.clock.wallMs()).toISOString();
    return `{"kind":"${kind}","time":"${time}"${members}}`;
  }

  #checked(): Journal {
    const now = this.#parts.clock.steadyMs();
    const journal = this.#journal;
    if (journal === undefined) return this.#open([]);
    // At every record: between two looks a clock could be set and set back, and the times of the records would be a riddle.
    const jumpMs = this.#jumps.look();
    if (jumpMs !== 0) {
      journal.write([this.own('clock', `,"jumpMs":${jumpMs}`)]);
      this.#jumps.said();
    }
    if (now - this.#checkedAtMs < checkEveryMs) return journal;
    this.#checkedAtMs = now;
    if (journal.intact()) return journal;
    this.letGo();
    return this.#open([{ kind: 'changed', members: `,"file":${JSON.stringify(journal.file)}` }]);
  }

  #open(known: readonly Repair[]): Journal {
    const owed = this.#owed;
    const journal = this.#parts.open(this.#going, (repairs) => this.#owe(repairs));
    this.#journal = journal;
    // Not before: another file that lay in the place of ours for a while, and is gone again, has changed nothing.
    this.#owe(known);
    // What says why a number is missing, or that a chain begins, comes before all else.
    const repairs = distinct([...journal.repairs, ...owed, ...known]);
    if (repairs.length > 0) journal.write(repairs.map((it) => this.own(it.kind, it.members)));
    // What a suspect wrote may be taken back.
    if (!this.isSuspect) this.#owed = [];
    return journal;
  }

  #owe(repairs: readonly Repair[]): void {
    const once = repairs.filter(({ kind }) => seenOnce.has(kind));
    this.#owed = distinct([...this.#owed, ...once]).slice(0, owedMax);
  }
}

/** What is found again at each try is one finding. */
function distinct(repairs: readonly Repair[]): readonly Repair[] {
  return [...new Map(repairs.map((it) => [`${it.kind}${it.members}`, it])).values()];
}
