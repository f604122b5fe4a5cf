import type { Call } from '../domain/call.ts';
import type { Consent } from '../domain/decision.ts';
import type { Fault } from '../domain/faults.ts';
import type { Asking } from '../domain/orders.ts';
import type { Bound } from './bound.ts';
import type { Question } from './question.ts';
import type { Vote } from './votes.ts';

/** How a question ended. `withdrawn`: the call behind it was stopped; `overtaken`: what it was about is no longer so. */
export type Ending = 'approved' | 'declined' | 'expired' | 'withdrawn' | 'overtaken';

/** A question that somebody may still answer, or whose answer the caller has not come for. */
export type Open = {
  readonly question: Question;
  readonly asking: Asking;
  readonly bound: Bound;
  /** The call that asked; of a call that comes again, the last one. */
  call: Call;
  readonly deadlineMs: number;
  readonly votes: Vote[];
  /** Channels by which an answer may still come, by name. */
  readonly reach: Set<string>;
  /** Whether it takes somebody's attention, or holds a call; the others only wait for their caller to come again. */
  readonly costs: boolean;
  /** `answer MARK` or `ticket TICKET`: under which the call comes again. Undefined: it waits here. */
  readonly key: string | undefined;
  /** The id of the form that the client of the legacy era was sent, until it was answered. */
  formId: string | undefined;
  /** The call that waits here now. */
  waiter: Waiter | undefined;
  /** What the call will be told when it comes again. */
  outcome: Consent | undefined;
  cancelTimer: () => void;
};

export type Waiter = {
  readonly resolve: (consent: Consent) => void;
  readonly reject: (fault: Fault) => void;
  readonly stopProgress: () => void;
};

/** Ended questions whose end is still known, so that a late answer gets a true word. */
const endedMax = 1000;

/** The questions that are open, by all the names under which an answer finds them. */
export class OpenQuestions {
  readonly #all = new Set<Open>();
  readonly #byId = new Map<string, Open>();
  readonly #byKey = new Map<string, Open>();
  readonly #byForm = new Map<string, Open>();
  readonly #byCaller = new Map<string, Set<Open>>();
  readonly #ended = new Map<string, { readonly ending: Ending; readonly by: string | undefined }>();
  #waiting = 0;

  /** Oldest first. */
  all(): readonly Open[] {
    return [...this.#all];
  }

  /** Those that cost something. */
  get waiting(): number {
    return this.#waiting;
  }

  waitingOf(caller: string): number {
    let count = 0;
    for (const open of this.#byCaller.get(caller) ?? []) if (this.#costsNow(open)) count++;
    return count;
  }

  /** The oldest that costs nothing, where one caller or all together have too many of those. */
  surplus(caller: string, ownMax: number, allMax: number): Open | undefined {
    const own = this.#byCaller.get(caller) ?? new Set();
    if (own.size - this.waitingOf(caller) >= ownMax) return this.#oldestIdle(own);
    return this.#all.size - this.#waiting >= allMax ? this.#oldestIdle(this.#all) : undefined;
  }

  isFresh(id: string): boolean {
    return !this.#byId.has(id) && !this.#ended.has(id);
  }

  add(open: Open): void {
    this.#all.add(open);
    this.#byId.set(open.question.id, open);
    if (open.key !== undefined) this.#byKey.set(open.key, open);
    if (open.formId !== undefined) this.#byForm.set(open.formId, open);
    const { caller } = open.question;
    const own = this.#byCaller.get(caller);
    if (own === undefined) this.#byCaller.set(caller, new Set([open]));
    else own.add(open);
    if (open.costs) this.#waiting++;
  }

  byId(id: string): Open | undefined {
    return this.#byId.get(id);
  }

  byKey(key: string): Open | undefined {
    return this.#byKey.get(key);
  }

  byForm(formId: string): Open | undefined {
    return this.#byForm.get(formId);
  }

  endOf(id: string): { readonly ending: Ending; readonly by: string | undefined } | undefined {
    return this.#ended.get(id);
  }

  /** Its form was answered, or taken back. */
  formAnswered(open: Open): void {
    if (open.formId !== undefined) this.#byForm.delete(open.formId);
    open.formId = undefined;
  }

  /** Nobody can answer it any more; its caller may still come for what was said. */
  close(open: Open, ending: Ending, by: string | undefined): void {
    const { id } = open.question;
    if (!this.#byId.delete(id)) return;
    if (open.costs) this.#waiting--;
    this.#ended.set(id, { ending, by });
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= endedMax) break;
      this.#ended.delete(oldest);
    }
  }

  /** Its caller will not come for it, or has. */
  forget(open: Open): void {
    this.#all.delete(open);
    if (open.key !== undefined) this.#byKey.delete(open.key);
    const own = this.#byCaller.get(open.question.caller);
    own?.delete(open);
    if (own?.size === 0) this.#byCaller.delete(open.question.caller);
  }

  #costsNow(open: Open): boolean {
    return open.costs && this.#byId.has(open.question.id);
  }

  #oldestIdle(among: ReadonlySet<Open>): Open | undefined {
    for (const open of among) if (!this.#costsNow(open)) return open;
    return undefined;
  }
}
