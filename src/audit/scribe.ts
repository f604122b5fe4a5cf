import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Journal } from './journal.ts';

/** Runs something later; gives the way to call it off. */
export type Later = (afterMs: number, run: () => void) => () => void;

export type ScribeParts = {
  /** Opens the journal: at start, and again after a failure. */
  readonly open: () => Journal;
  readonly clock: Clock;
  /** Called before each write: what must be kept no later than the records. Throws `AUDIT_UNAVAILABLE`, and none is written. */
  readonly before?: () => void;
  /** Told when the journal fails (with the fault) and when it works again (with undefined). Must not throw. */
  readonly onTrouble?: (fault: Fault | undefined) => void;
  readonly later?: Later;
  /** Lines that nobody waits for, kept while the journal cannot be written. */
  readonly keptLinesMax?: number;
  readonly keptCharsMax?: number;
};

type Line = { readonly text: string; readonly kept: boolean };

/** How long a failed journal is left alone before the next try. */
const retryAfterMs = 1000;
/** How often the scribe looks whether the file is still the one it writes to. */
const checkEveryMs = 1000;
const keptLinesMaxDefault = 10_000;
const keptCharsMaxDefault = 16 * 1024 * 1024;

/**
 * Writes what was said in one turn of the event loop with one write. Numbers the records. A line is a JSON object text
 * without a `seq`; it must hold no line feed. A hash chain, once wanted, belongs into `#write`.
 */
export class Scribe {
  readonly #parts: ScribeParts;
  readonly #keptLinesMax: number;
  readonly #keptCharsMax: number;
  #journal: Journal | undefined;
  #lastSeq = 0;
  #lines: Line[] = [];
  #chars = 0;
  #group: PromiseWithResolvers<void> | undefined;
  #scheduled = false;
  #trouble: Fault | undefined;
  #failedAtMs = 0;
  #checkedAtMs: number;
  #lost = 0;
  #cancelRetry: (() => void) | undefined;
  #closed = false;

  /** Throws `CONFIG_INVALID` when the journal is not ours alone. A disk that fails at start is tried again later. */
  constructor(parts: ScribeParts) {
    this.#parts = parts;
    this.#keptLinesMax = parts.keptLinesMax ?? keptLinesMaxDefault;
    this.#keptCharsMax = parts.keptCharsMax ?? keptCharsMaxDefault;
    this.#checkedAtMs = parts.clock.steadyMs();
    try {
      this.#put([this.#own('started')]);
    } catch (reason) {
      const fault = Fault.from(reason);
      if (fault.code !== 'AUDIT_UNAVAILABLE') throw fault;
      this.#fail(fault, []);
    }
  }

  /** False from a failed write until a successful one. */
  get healthy(): boolean {
    return this.#trouble === undefined && !this.#closed;
  }

  /** Whether a line would be written now. A journal that failed a second ago or earlier is tried with a real write. */
  ready(): boolean {
    if (this.#trouble === undefined) return !this.#closed;
    if (this.#closed || this.#parts.clock.steadyMs() - this.#failedAtMs < retryAfterMs) return false;
    return this.#recover();
  }

  /** Throws `AUDIT_UNAVAILABLE`, with the reason, unless `ready`. */
  mustBeReady(): void {
    if (!this.ready()) throw this.#refusal();
  }

  /** Resolves when the line is written, rejects with `AUDIT_UNAVAILABLE`. All lines of a group share the promise. */
  append(text: string): Promise<void> {
    if (!this.ready()) return Promise.reject(this.#refusal());
    this.#group ??= Promise.withResolvers<void>();
    const { promise } = this.#group;
    const first = !this.#scheduled;
    this.#add({ text, kept: false });
    // The first in a turn of the loop does not wait for the turn to end: a lone caller would only lose time. Those that
    // come in the same turn after it are one group.
    if (first) queueMicrotask(() => this.#writeGroup());
    return promise;
  }

  /** Goes with the next group. Kept while the journal fails, up to a bound; what is beyond it is counted as lost. */
  note(text: string): void {
    const usable = this.ready();
    const full = this.#lines.length >= this.#keptLinesMax || this.#chars + text.length > this.#keptCharsMax;
    if (this.#closed || (!usable && full)) this.#lost++;
    else this.#add({ text, kept: true });
  }

  /** Everything said so far is written when this resolves. Rejects with `AUDIT_UNAVAILABLE`. */
  flush(): Promise<void> {
    this.#writeGroup();
    return this.ready() ? Promise.resolve() : Promise.reject(this.#refusal());
  }

  /** Writes what is left, syncs, closes. Later lines are refused. Rejects when something could not be saved. */
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.flush();
      this.#journal?.sync();
    } finally {
      this.#closed = true;
      this.#cancelRetry?.();
      this.#journal?.close();
      this.#journal = undefined;
    }
  }

  #add(line: Line): void {
    this.#lines.push(line);
    this.#chars += line.text.length;
    if (this.#trouble !== undefined) return;
    // A turn that says very much does not get to fill the memory.
    if (this.#chars > this.#keptCharsMax || this.#lines.length > this.#keptLinesMax) this.#writeGroup();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#writeGroup();
      });
    }
  }

  #writeGroup(): void {
    if (this.#trouble !== undefined || this.#closed || this.#lines.length === 0) return;
    const lines = this.#lines;
    const group = this.#group;
    this.#group = undefined;
    this.#lines = [];
    this.#chars = 0;
    try {
      this.#put(lines);
      group?.resolve();
    } catch (reason) {
      this.#fail(Fault.from(reason), lines);
      group?.reject(this.#refusal());
    }
  }

  /** Writes lines now, all or none. */
  #put(lines: readonly Line[]): void {
    this.#parts.before?.();
    this.#write(this.#checked(), lines);
  }

  #write(journal: Journal, lines: readonly Line[]): void {
    let seq = this.#lastSeq;
    let text = '';
    for (const line of lines) text += `{"seq":${++seq},${line.text.slice(1)}\n`;
    journal.write(text);
    this.#lastSeq = seq;
  }

  /** The journal, opened anew when it is not open or when somebody meddled with its file. */
  #checked(): Journal {
    const now = this.#parts.clock.steadyMs();
    const journal = this.#journal;
    if (journal === undefined) return this.#open(undefined);
    if (now - this.#checkedAtMs < checkEveryMs) return journal;
    this.#checkedAtMs = now;
    if (journal.intact()) return journal;
    journal.close();
    this.#journal = undefined;
    return this.#open(journal.file);
  }

  #open(meddledFile: string | undefined): Journal {
    const journal = this.#parts.open();
    this.#journal = journal;
    // Never back: a journal that was removed while we ran goes on counting where the old one stood.
    this.#lastSeq = Math.max(this.#lastSeq, journal.lastSeq);
    const repairs: Line[] = [];
    if (meddledFile !== undefined)
      repairs.push(this.#own('changed', `,"file":${JSON.stringify(meddledFile)}`));
    if (journal.tornBytes > 0) repairs.push(this.#own('torn-tail', `,"bytes":${journal.tornBytes}`));
    if (repairs.length > 0) this.#write(journal, repairs);
    return journal;
  }

  #fail(fault: Fault, lines: readonly Line[]): void {
    this.#journal?.close();
    this.#journal = undefined;
    this.#trouble = fault;
    this.#failedAtMs = this.#parts.clock.steadyMs();
    // The calls behind the other lines are not made; these tell of things that happened, so they are not forgotten.
    this.#lines = [...lines.filter((line) => line.kept), ...this.#lines];
    this.#chars = this.#lines.reduce((sum, line) => sum + line.text.length, 0);
    this.#retryLater();
    this.#parts.onTrouble?.(fault);
  }

  /** Without this, a red readiness check would keep away the very calls that could turn it green. */
  #retryLater(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = (this.#parts.later ?? laterUnref)(retryAfterMs, () => {
      if (!this.ready() && !this.#closed) this.#retryLater();
    });
  }

  #recover(): boolean {
    const lines = this.#lines;
    const lost = this.#lost === 0 ? [] : [this.#own('lost', `,"count":${this.#lost}`)];
    try {
      this.#put([this.#own('recovered'), ...lost, ...lines]);
    } catch (reason) {
      this.#journal?.close();
      this.#journal = undefined;
      this.#trouble = Fault.from(reason);
      this.#failedAtMs = this.#parts.clock.steadyMs();
      return false;
    }
    this.#lines = [];
    this.#chars = 0;
    this.#lost = 0;
    this.#trouble = undefined;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#parts.onTrouble?.(undefined);
    return true;
  }

  /** A record of the journal about itself. */
  #own(kind: 'started' | 'recovered' | 'lost' | 'torn-tail' | 'changed', members = ''): Line {
    const time = new Date(this.#parts.clock.wallMs()).toISOString();
    return { text: `{"kind":"${kind}","time":"${time}"${members}}`, kept: true };
  }

  #refusal(): Fault {
    if (this.#closed) return new Fault('AUDIT_UNAVAILABLE', { detail: 'the journal is closed' });
    const { detail, hint } = this.#trouble ?? {};
    return new Fault('AUDIT_UNAVAILABLE', {
      ...(detail === undefined ? {} : { detail }),
      ...(hint === undefined ? {} : { hint }),
      cause: this.#trouble,
    });
  }
}

const laterUnref: Later = (afterMs, run) => {
  const timer = setTimeout(run, afterMs).unref();
  return () => {
    clearTimeout(timer);
  };
};
