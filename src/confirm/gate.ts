import type { BroughtConsent, Call } from '../domain/call.ts';
import type { Approval, Confirmation, Consent, Permit } from '../domain/decision.ts';
import { Fault } from '../domain/faults.ts';
import type { Orders } from '../domain/orders.ts';
import { boundOf, fits, type Bound } from './bound.ts';
import { Desk, overtaken, type DeskParts } from './desk.ts';
import { said, saidIn } from './form.ts';
import { Leases, type Lease } from './leases.ts';
import type { Open } from './open-questions.ts';
import {
  awaitingAnswer,
  formFor,
  formPrefix,
  keyOf,
  keysFor,
  shownWhole,
  type PosingParts,
} from './posing.ts';
import { newQuestionId, questionOf, readQuestionId, type Question } from './question.ts';
import { showWhole } from './show.ts';
import { asItStands, channelOf, userOf, userSaidNo, whyNot, type Answered, type Verdict } from './verdict.ts';
import { leaseOf } from './votes.ts';
import { isForOthers, waysFor } from './ways.ts';

export type { Answered, Verdict } from './verdict.ts';

export type GateParts = Omit<DeskParts, 'later' | 'leases'> &
  PosingParts & {
    /** Runs something later; gives the way to call it off. */
    readonly later?: DeskParts['later'];
    /** Takes a question to a webhook. When that fails for good, `unreachable` is to be called. */
    readonly notify: (question: Question, webhook: string) => void;
    /** Questions that may wait at once, over all callers. */
    readonly pendingMax: number;
    readonly perCallerMax?: number;
    readonly newId?: () => string;
    /** Told of each new question for the operator, once it can be answered. */
    readonly onAsk?: (question: Question) => void;
  };

const perCallerMaxDefault = 8;
/** Questions that only wait for their caller to come again; the oldest gives way, and is asked anew. */
const idlePerCallerMax = 64;
const idleMax = 1000;
const reasonCharsMax = 500;

const byPolicy: Approval = Object.freeze({ kind: 'approved', by: 'policy' });

/**
 * Asks whoever must agree, or says at once that nobody need be asked. A yes belongs to the one call it was given for, in one
 * conversation, under one policy, for one definition of the tool in one child: it lets that call go on, once, and is worth
 * nothing afterwards. Nothing of this outlives the process: after a restart somebody is asked again.
 */
export class Gate {
  readonly #parts: GateParts;
  readonly #leases: Leases;
  readonly #desk: Desk;
  /** Calls of which it was said that they come back: their limits were charged when they were asked about. */
  readonly #goingOn = new WeakSet<Call>();
  #draining = false;

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#leases = new Leases(parts.clock, parts.ordersVersion);
    this.#desk = new Desk({ ...parts, later: parts.later ?? laterUnref, leases: this.#leases });
  }

  /** Throws or rejects with `CANCELLED` when the call is stopped, with `ORDERS_CHANGED` when what it asks is overtaken. */
  readonly ask = (call: Call, permit: Permit, orders: Orders): Consent | Promise<Consent> => {
    if (permit.kind === 'allow') return byPolicy;
    if (call.halt.reason !== undefined) throw new Fault('CANCELLED', { detail: call.halt.reason });
    // The call may have stood in a line. Nobody is asked what is void already.
    if (orders.version !== this.#parts.ordersVersion()) throw overtaken();
    if (this.#draining) return { kind: 'cannot-ask', reason: 'mcpd is stopping, so nobody can be asked' };
    const bound = boundOf(call, permit, orders.version, this.#parts.bindingOf(call));
    const open = call.consent === undefined ? undefined : this.#brought(call.consent, bound);
    // What a call brings goes before every lease: a no counts whoever else said yes, and one paid question pays for one call.
    if (open !== undefined) return this.#goOn(open, call);
    // Somebody else spent it while this call stood in a line. A new question would be one that no limit has counted, and on a
    // lease the same state, sent a hundred times, would let a hundred calls go for the price of one.
    if (this.#goingOn.has(call)) throw new Fault('STALE_STATE', { detail: 'spent while the call waited' });
    const lease = saysNo(call.consent) ? undefined : this.#leases.find(bound, call);
    if (lease !== undefined) return { kind: 'approved', by: `lease: ${lease.by}` };
    return this.#askAnew(call, permit, orders, bound);
  };

  /**
   * Whether a call comes back to the question that it was asked before, with its ticket or with its user's answer. Spends
   * nothing: `ask` does. A call of which this was said goes on with that question or not at all.
   */
  readonly continues = (call: Call, permit: Permit, orders: Orders): boolean => {
    if (permit.kind === 'allow' || call.consent === undefined) return false;
    const open = this.#desk.open.byKey(keyOf(call.consent));
    if (open === undefined || open.waiter !== undefined) return false;
    if (this.#parts.clock.steadyMs() >= open.deadlineMs) return false;
    if (!fits(open.bound, boundOf(call, permit, orders.version, this.#parts.bindingOf(call)))) return false;
    this.#goingOn.add(call);
    return true;
  };

  /** Whether a reply of a client is meant for us: a late one too, because no server knows what it answers. */
  readonly awaits = ({ message }: Call): boolean =>
    message.kind === 'reply' && typeof message.id === 'string' && message.id.startsWith(formPrefix);

  /** A client of the legacy era answers a form. From another session or another caller it is no answer. */
  readonly hear = ({ message, principal, session, server }: Call): void => {
    if (message.kind !== 'reply' || typeof message.id !== 'string') return;
    const open = this.#desk.open.byForm(message.id);
    if (open === undefined || open.bound.caller !== principal.name) return;
    if (open.bound.session !== session.id || open.bound.server !== server) return;
    this.#desk.open.formAnswered(open);
    if (!this.#desk.isGood(open)) return;
    switch (saidIn(message.answer)) {
      case 'yes':
        open.reach.delete('caller');
        this.#desk.count(open, { by: userOf(open), forMs: 0 });
        return;
      case 'no':
        this.#desk.settle(open, userSaidNo(open), 'declined', userOf(open));
        return;
      case 'nothing':
        this.#desk.lose(open, 'caller', 'your client could not put the question to its user');
    }
  };

  /** Answers a question once. A second answer, a late one, or one to nothing is told so and changes nothing. */
  answer(typedId: string, { verdict, by, person, reason, forMs = 0 }: Verdict): Answered {
    const id = readQuestionId(typedId);
    const open = this.#desk.open.byId(id);
    if (open === undefined || !this.#desk.isGood(open)) {
      const ended = this.#desk.open.endOf(id);
      return ended === undefined ? { kind: 'unknown' } : { kind: 'already', ...ended };
    }
    const channel = channelOf(by);
    // To whom it was not sent, it is as unknown as none: who guesses an id learns nothing.
    if (channel !== 'operator' && !open.question.channels.includes(channel)) return { kind: 'unknown' };
    if (verdict === 'deny') {
      const says = (reason ?? '').slice(0, reasonCharsMax);
      this.#desk.settle(open, { kind: 'declined', by, reason: says }, 'declined', by);
      return { kind: 'taken', ending: 'declined', question: asItStands(open), leaseMs: 0 };
    }
    const why = whyNot(open, channel, { by, person, forMs });
    if (why !== undefined) return { kind: 'refused', reason: why };
    const changed = !open.votes.some((vote) => vote.by === by);
    const still = this.#desk.count(open, { by, forMs, person });
    const question = asItStands(open);
    if (still > 0) return { kind: 'counted', question, still, changed };
    const leaseMs = leaseOf(open.votes, open.asking.leaseMsMax);
    return { kind: 'taken', ending: 'approved', question, leaseMs };
  }

  /** A webhook cannot be told of a question. Where nobody else can answer, its call waits no longer. */
  unreachable(id: string, webhook: string, reason: string): void {
    const open = this.#desk.open.byId(id);
    if (open !== undefined && this.#desk.isGood(open)) this.#desk.lose(open, `webhook:${webhook}`, reason);
  }

  /** The questions that wait for an operator or a webhook, oldest first; or the one that waits under what somebody typed. */
  list(typedId?: string): readonly Question[] {
    const id = typedId === undefined ? undefined : readQuestionId(typedId);
    return this.#desk.open
      .all()
      .filter(({ question }) => id === undefined || question.id === id)
      .filter((open) => open.question.channels.some(isForOthers) && this.#desk.isGood(open))
      .map(asItStands);
  }

  /** After a change of the orders or of a child: what waits in vain is told so now, and not when somebody answers. */
  recheck(): void {
    for (const open of this.#desk.open.all()) this.#desk.isGood(open);
  }

  /** The yeses that are good for a while, oldest first. */
  leases(): readonly Lease[] {
    return this.#leases.list();
  }

  /** Ends every lease that matches and says how many there were. */
  endLeases(match: (lease: Lease) => boolean): number {
    return this.#leases.end(match);
  }

  /** Declines everything that waits, and every question from now on. */
  drain(): void {
    this.#draining = true;
    this.#leases.end(() => true);
    const reason = 'mcpd is stopping, so nobody can answer any more.';
    for (const open of this.#desk.open.all()) {
      this.#desk.settle(open, { kind: 'declined', by: 'mcpd', reason }, 'declined', 'mcpd');
      this.#desk.forget(open);
    }
  }

  /**
   * The question that a call comes back to. Undefined where there is none, where it has run out, or where the call is not the
   * one that was asked about: then what it brings counts for nothing, and somebody is asked anew.
   */
  #brought(consent: BroughtConsent, bound: Bound): Open | undefined {
    const open = this.#desk.open.byKey(keyOf(consent));
    // Another caller cannot even spoil it.
    if (open === undefined || open.bound.caller !== bound.caller) return undefined;
    const isOver = this.#parts.clock.steadyMs() >= open.deadlineMs;
    const isIts = fits(open.bound, bound);
    // Somebody waits with it already: the same state was sent twice. It is worth nothing, but a no is one all the same.
    if (!isOver && open.waiter !== undefined) return isIts && saysNo(consent) ? open : undefined;
    if (!isOver && isIts) return open;
    // Shown for another call it is void, so that nobody can try out what it is good for.
    if (isOver) this.#desk.isGood(open);
    else this.#desk.overtake(open);
    this.#desk.forget(open);
    return undefined;
  }

  /** A call comes again, with the answer of its user or with its ticket. */
  #goOn(open: Open, call: Call): Consent | Promise<Consent> {
    const consent = call.consent as BroughtConsent; // It brought one, or nothing was found by it.
    const isNo = saysNo(consent);
    const answered = consent.kind === 'answer' ? consent.said : undefined;
    // Where another call waits with it, that one is to be told.
    if (open.waiter === undefined) open.call = call;
    if (open.outcome === undefined && consent.kind === 'answer' && answered === undefined)
      return awaitingAnswer(open, false, this.#parts);
    if (open.outcome === undefined && !isNo) {
      const by = consent.kind === 'ticket' ? `ticket:${open.bound.caller}` : userOf(open);
      open.reach.delete('caller');
      if (this.#desk.count(open, { by, forMs: 0 }) > 0) return this.#desk.wait(open, open.call);
    }
    // A no of the caller's own user counts, whoever else said yes meanwhile.
    if (isNo && open.outcome?.kind !== 'declined')
      this.#desk.settle(open, (open.outcome = userSaidNo(open)), 'declined', userOf(open));
    this.#desk.forget(open);
    return open.outcome as Consent; // Settled above, or before the call came.
  }

  #askAnew(call: Call, permit: Confirmation, orders: Orders, bound: Bound): Consent | Promise<Consent> {
    const { clock, redact } = this.#parts;
    const { asking } = permit;
    const at = clock.wallMs();
    const draft = questionOf({ id: this.#freshId(), at, call, permit, orders, channels: [], redact });
    const ways = waysFor(call, asking, {
      shown: () => shownWhole(draft, call, this.#parts),
      listed: () => showWhole(draft, at),
    });
    if ('obstacle' in ways) return { kind: 'cannot-ask', reason: ways.obstacle };
    const question = { ...draft, channels: ways.channels };
    const costs = ways.by === 'here' || ways.channels.some(isForOthers);
    const obstacle = costs ? this.#obstacle(call) : undefined;
    if (obstacle !== undefined) return { kind: 'cannot-ask', reason: obstacle };
    const open: Open = {
      ...{ question, asking, bound, costs, call },
      ...keysFor(ways),
      deadlineMs: clock.steadyMs() + asking.answerWithinMs,
      votes: [],
      reach: new Set(ways.channels),
      waiter: undefined,
      outcome: undefined,
      cancelTimer: () => undefined,
    };
    return this.#put(open, call.consent?.kind === 'ticket');
  }

  #put(open: Open, stale: boolean): Consent | Promise<Consent> {
    const { bound, call, key } = open;
    // First, because it is what can fail without a trace.
    const awaiting = key === undefined ? undefined : awaitingAnswer(open, stale, this.#parts);
    if (awaiting?.kind === 'cannot-ask') return awaiting;
    const surplus = this.#desk.open.surplus(bound.caller, idlePerCallerMax, idleMax);
    if (surplus !== undefined) this.#desk.forget(surplus);
    this.#desk.lay(open);
    const waiting = awaiting ?? this.#desk.wait(open, call);
    try {
      this.#announce(open);
    } catch (reason) {
      this.#desk.forget(open);
      throw Fault.from(reason);
    }
    return waiting;
  }

  #announce(open: Open): void {
    const { question } = open;
    if (question.channels.includes('operator')) this.#parts.onAsk?.(question);
    for (const channel of open.asking.channels)
      if (channel.kind === 'webhook') this.#parts.notify(question, channel.name);
    if (open.formId !== undefined) this.#desk.sendForm(open, formFor(open.question, open.call, this.#parts));
  }

  /** Each question costs a person's attention, and each takes memory while it waits. */
  #obstacle(call: Call): string | undefined {
    const { pendingMax, perCallerMax = perCallerMaxDefault } = this.#parts;
    if (this.#desk.open.waiting >= pendingMax)
      return 'Too many questions wait for an answer already. Come back later.';
    if (this.#desk.open.waitingOf(call.principal.name) < perCallerMax) return undefined;
    return 'Too many of your calls wait for an answer already. Come back later.';
  }

  #freshId(): string {
    for (let tries = 0; tries < 100; tries++) {
      const id = (this.#parts.newId ?? newQuestionId)();
      // An id that was used before could be approved by somebody who means the old question.
      if (this.#desk.open.isFresh(id)) return id;
    }
    throw new Fault('BUG', { detail: 'no fresh question id in a hundred tries' });
  }
}

/** Whether the caller's own user said no. */
function saysNo(consent: BroughtConsent | undefined): boolean {
  return consent?.kind === 'answer' && consent.said !== undefined && said(consent.said) === 'no';
}

function laterUnref(afterMs: number, run: () => void): () => void {
  const timer = setTimeout(run, afterMs).unref();
  return () => {
    clearTimeout(timer);
  };
}
