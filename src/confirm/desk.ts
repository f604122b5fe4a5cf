import { stillBound } from '../domain/binding.ts';
import type { Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { Approval, Consent } from '../domain/decision.ts';
import { Fault } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import { encode, noticeText, requestText } from '../protocol/codec.ts';
import type { Leases } from './leases.ts';
import { OpenQuestions, type Ending, type Open } from './open-questions.ts';
import { tellWaiting } from './progress.ts';
import { approvers, leaseOf, stillNeeded, type Vote } from './votes.ts';
import { couldSuffice } from './ways.ts';

export type DeskParts = {
  readonly clock: Clock;
  /** Runs something later; gives the way to call it off. */
  readonly later: (afterMs: number, run: () => void) => () => void;
  readonly redact: (text: JsonText) => RedactedJson;
  /** What a yes to a call is bound to besides its arguments, as it is now. */
  readonly bindingOf: (call: Call) => string;
  /** The version of the orders in force. */
  readonly ordersVersion: () => string;
  readonly leases: Leases;
};

/** The longest a Node timer can wait; a longer one would fire at once. */
const timerMsMax = 2 ** 31 - 1;

/** Where questions lie until they are answered, run out, or mean nothing any more: with their timers, votes and callers. */
export class Desk {
  readonly open = new OpenQuestions();
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  lay(open: Open): void {
    this.open.add(open);
    this.#arm(open);
  }

  /** Lets a call wait for the answer. Rejects with `CANCELLED` when it is stopped, `ORDERS_CHANGED` when it is overtaken. */
  wait(open: Open, call: Call): Promise<Consent> {
    const { promise, resolve, reject } = Promise.withResolvers<Consent>();
    const stopProgress = tellWaiting(call, waitingFor(open), this.#parts);
    open.waiter = { resolve, reject, stopProgress };
    call.halt.listen((reason) => this.#fail(open, 'withdrawn', new Fault('CANCELLED', { detail: reason })));
    return promise;
  }

  /** Puts the form of a question to the client that waits for its answer. */
  sendForm(open: Open, params: JsonText): void {
    if (open.formId === undefined) return;
    const text = this.#parts.redact(requestText(open.formId, 'elicitation/create', params));
    if (open.call.outlet.send(text) === 'gone') this.lose(open, 'caller', 'your client cannot be reached');
  }

  /**
   * Whether an answer to the question would still mean something. What has run out is ended here, because a timer may be late,
   * after a suspend for example; and so is what was asked under another policy, about another definition or another child.
   */
  isGood(open: Open): boolean {
    if (this.open.byId(open.question.id) !== open) return false;
    if (this.#isLate(open)) {
      const afterMs = open.asking.answerWithinMs;
      this.settle(open, { kind: 'expired', afterMs }, 'expired', undefined);
      this.forget(open);
      return false;
    }
    const { ordersVersion, bindingOf } = this.#parts;
    if (open.bound.ordersVersion === ordersVersion() && stillBound(open.bound.binding, bindingOf(open.call)))
      return true;
    this.overtake(open);
    return false;
  }

  overtake(open: Open): void {
    this.#fail(open, 'overtaken', overtaken());
  }

  /** Counts a yes and says how many more are needed; when none is, the call may go. */
  count(open: Open, vote: Vote): number {
    if (!open.votes.some(({ by }) => by === vote.by)) open.votes.push(vote);
    const still = stillNeeded(open.votes, open.asking.approvals);
    if (still > 0) return still;
    this.#leaseOn(open);
    this.settle(open, approvalOf(open), 'approved', approvers(open.votes));
    return 0;
  }

  /** A channel leads nowhere. Where no other can bring what is missing, the call is told at once. */
  lose(open: Open, channel: string, reason: string): void {
    open.reach.delete(channel);
    if (couldSuffice(open.reach, stillNeeded(open.votes, open.asking.approvals))) return;
    this.settle(open, { kind: 'cannot-ask', reason }, 'withdrawn', undefined);
  }

  /** Ends a question. Its call is told: now, where it waits; or when it comes again. */
  settle(open: Open, consent: Consent, ending: Ending, by: string | undefined): void {
    const { waiter } = open;
    this.#close(open, ending, by);
    if (waiter === undefined) open.outcome ??= consent;
    waiter?.resolve(consent);
    if (waiter !== undefined || open.key === undefined) this.forget(open);
  }

  /** Whoever comes for it from now on is asked anew. */
  forget(open: Open): void {
    this.#close(open, 'withdrawn', undefined);
    open.cancelTimer();
    this.open.forget(open);
  }

  #fail(open: Open, ending: Ending, fault: Fault): void {
    const { waiter } = open;
    this.#close(open, ending, undefined);
    this.forget(open);
    waiter?.reject(fault);
  }

  /** Takes a question off the table: no answer finds it, and nobody is told any more that it waits. */
  #close(open: Open, ending: Ending, by: string | undefined): void {
    this.open.close(open, ending, by);
    this.#takeBackForm(open);
    if (open.waiter === undefined) return;
    open.waiter.stopProgress();
    open.call.halt.unlisten();
    open.waiter = undefined;
  }

  /** A form that nobody needs filled in any more should not stay on somebody's screen. */
  #takeBackForm(open: Open): void {
    if (open.formId === undefined) return;
    const params = encode({ requestId: open.formId, reason: 'The question was settled otherwise.' });
    this.open.formAnswered(open);
    open.call.outlet.send(this.#parts.redact(noticeText('notifications/cancelled', params)));
  }

  #leaseOn({ votes, asking, question, bound, call }: Open): void {
    const forMs = leaseOf(votes, asking.leaseMsMax);
    if (forMs === 0) return;
    const given = { id: question.id, by: approvers(votes) };
    this.#parts.leases.add(given, { bound, call, paths: asking.leaseSame, forMs }, this.#parts.redact);
  }

  #isLate(open: Open): boolean {
    return this.#parts.clock.steadyMs() >= open.deadlineMs;
  }

  #arm(open: Open): void {
    const leftMs = open.deadlineMs - this.#parts.clock.steadyMs();
    open.cancelTimer = this.#parts.later(Math.min(Math.ceil(leftMs), timerMsMax), () => {
      if (!this.#isLate(open)) return this.#arm(open);
      // An answer that nobody came for in time is forgotten as well.
      if (!this.isGood(open)) this.forget(open);
    });
  }
}

export function approvalOf(open: Open): Approval {
  return { kind: 'approved', by: approvers(open.votes) };
}

export function overtaken(): Fault {
  return new Fault('ORDERS_CHANGED', { detail: 'what was asked about changed while nobody had answered' });
}

function waitingFor({ reach, question }: Open): string {
  const whom = [...reach].map((name) => {
    if (name === 'operator') return 'the operator';
    return name === 'caller' ? 'your user' : name.replace(/^webhook:/, 'the people behind ');
  });
  return `waiting for a yes from ${whom.join(' or ')} (id ${question.id})`;
}
