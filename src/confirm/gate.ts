import type { Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { Approval, Consent, Permit } from '../domain/decision.ts';
import { Fault } from '../domain/faults.ts';
import { newQuestionId, questionOf, readQuestionId, type Question } from './question.ts';

export type GateParts = {
  readonly clock: Clock;
  /** Runs something later; gives the way to call it off. */
  readonly later?: (afterMs: number, run: () => void) => () => void;
  readonly redact: (text: string) => string;
  /** Questions that may wait at once, over all callers. */
  readonly pendingMax: number;
  readonly perCallerMax?: number;
  readonly newId?: () => string;
  /** Told of each new question, once it can be answered. */
  readonly onAsk?: (question: Question) => void;
};

/** What an operator says. `by` names who. */
export type Verdict = {
  readonly verdict: 'approve' | 'deny';
  readonly by: string;
  readonly reason?: string | undefined;
};

/** How a question ended. `withdrawn`: the call behind it was stopped. */
export type Ending = 'approved' | 'declined' | 'expired' | 'withdrawn';

/** What became of an answer. Only `taken` changed anything. */
export type Answered =
  | { readonly kind: 'taken'; readonly ending: 'approved' | 'declined'; readonly question: Question }
  | { readonly kind: 'already'; readonly ending: Ending; readonly by: string | undefined }
  | { readonly kind: 'unknown' };

type Pending = {
  readonly question: Question;
  readonly call: Call;
  readonly deadlineMs: number;
  readonly answerWithinMs: number;
  readonly resolve: (consent: Consent) => void;
  readonly reject: (fault: Fault) => void;
  cancelTimer: () => void;
};

const perCallerMaxDefault = 8;
/** Ended questions whose end is still known, so that a late answer gets a true word. */
const endedMax = 1000;
/** The longest a Node timer can wait; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;
const reasonCharsMax = 500;

const byPolicy: Approval = Object.freeze({ kind: 'approved', by: 'policy' });

/**
 * Asks whoever must agree, or says at once that nobody need be asked. A yes belongs to the one waiting call it was given
 * for: it lets that call go on, once, and is worth nothing afterwards.
 */
export class Gate {
  readonly #parts: GateParts;
  readonly #later: NonNullable<GateParts['later']>;
  readonly #pending = new Map<string, Pending>();
  readonly #ended = new Map<string, { readonly ending: Ending; readonly by: string | undefined }>();
  #draining = false;

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#later = parts.later ?? laterUnref;
  }

  /** Rejects with `CANCELLED` when the call is stopped while it waits. */
  readonly ask = (call: Call, permit: Permit): Consent | Promise<Consent> => {
    if (permit.kind === 'allow') return byPolicy;
    if (call.halt.reason !== undefined) throw new Fault('CANCELLED', { detail: call.halt.reason });
    const obstacle = this.#obstacle(call);
    if (obstacle !== undefined) return { kind: 'cannot-ask', reason: obstacle };

    const question = questionOf(this.#freshId(), call, permit, this.#parts.clock, this.#parts.redact);
    const { promise, resolve, reject } = Promise.withResolvers<Consent>();
    const { answerWithinMs } = permit;
    const deadlineMs = this.#parts.clock.steadyMs() + answerWithinMs;
    const pending: Pending = {
      question,
      call,
      deadlineMs,
      answerWithinMs,
      resolve,
      reject,
      cancelTimer: () => undefined,
    };
    this.#pending.set(question.id, pending);
    this.#arm(pending);
    call.halt.listen((reason) => {
      this.#end(pending, 'withdrawn', undefined);
      reject(new Fault('CANCELLED', { detail: reason }));
    });
    try {
      this.#parts.onAsk?.(question);
    } catch (reason) {
      this.#end(pending, 'withdrawn', undefined);
      reject(Fault.from(reason));
    }
    return promise;
  };

  /** Answers a question once. A second answer, a late one, or one to nothing is told so and changes nothing. */
  answer(typedId: string, { verdict, by, reason }: Verdict): Answered {
    const id = readQuestionId(typedId);
    const pending = this.#pending.get(id);
    // The timer may be late, after a suspend for example; the deadline is not.
    if (pending !== undefined && this.#expire(pending) === 'waits') {
      const { question } = pending;
      if (verdict === 'approve') {
        this.#end(pending, 'approved', by);
        pending.resolve({ kind: 'approved', by });
        return { kind: 'taken', ending: 'approved', question };
      }
      this.#end(pending, 'declined', by);
      pending.resolve({
        kind: 'declined',
        by,
        reason: (reason ?? 'The operator said no.').slice(0, reasonCharsMax),
      });
      return { kind: 'taken', ending: 'declined', question };
    }
    const ended = this.#ended.get(id);
    return ended === undefined ? { kind: 'unknown' } : { kind: 'already', ...ended };
  }

  /** The questions that wait, oldest first. */
  list(): readonly Question[] {
    return [...this.#pending.values()]
      .filter((pending) => this.#expire(pending) === 'waits')
      .map(({ question }) => question);
  }

  /** Declines everything that waits, and every question from now on. */
  drain(): void {
    this.#draining = true;
    for (const pending of this.#pending.values()) {
      this.#end(pending, 'declined', 'mcpd');
      pending.resolve({
        kind: 'declined',
        by: 'mcpd',
        reason: 'mcpd is stopping, so nobody can answer any more.',
      });
    }
  }

  /** Each question costs a person's attention, and each takes memory while it waits. */
  #obstacle(call: Call): string | undefined {
    if (this.#draining) return 'mcpd is stopping, so nobody can be asked.';
    if (this.#pending.size >= this.#parts.pendingMax)
      return 'Too many questions wait for an answer already. Come back later.';
    let own = 0;
    for (const pending of this.#pending.values())
      if (pending.call.principal.name === call.principal.name) own++;
    if (own < (this.#parts.perCallerMax ?? perCallerMaxDefault)) return undefined;
    return 'Too many of your calls wait for an answer already. Come back later.';
  }

  #freshId(): string {
    for (let tries = 0; tries < 100; tries++) {
      const id = (this.#parts.newId ?? newQuestionId)();
      // An id that was used before could be approved by somebody who means the old question.
      if (!this.#pending.has(id) && !this.#ended.has(id)) return id;
    }
    throw new Fault('BUG', { detail: 'no fresh question id in a hundred tries' });
  }

  #arm(pending: Pending): void {
    const leftMs = pending.deadlineMs - this.#parts.clock.steadyMs();
    pending.cancelTimer = this.#later(Math.min(Math.ceil(leftMs), timerMsMax), () => {
      if (this.#expire(pending) === 'waits') this.#arm(pending);
    });
  }

  #expire(pending: Pending): 'expired' | 'waits' {
    if (this.#parts.clock.steadyMs() < pending.deadlineMs) return 'waits';
    this.#end(pending, 'expired', undefined);
    pending.resolve({ kind: 'expired', afterMs: pending.answerWithinMs });
    return 'expired';
  }

  /** Takes a question off the table, with its timer and its listener. */
  #end(pending: Pending, ending: Ending, by: string | undefined): void {
    this.#pending.delete(pending.question.id);
    pending.cancelTimer();
    pending.call.halt.unlisten();
    this.#ended.set(pending.question.id, { ending, by });
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= endedMax) break;
      this.#ended.delete(oldest);
    }
  }
}

function laterUnref(afterMs: number, run: () => void): () => void {
  const timer = setTimeout(run, afterMs).unref();
  return () => {
    clearTimeout(timer);
  };
}
