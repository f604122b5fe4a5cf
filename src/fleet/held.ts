import { randomUUID } from 'node:crypto';
import type { Call } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import type { HaltReason } from '../domain/halt.ts';
import type { Answer, JsonText, Notice, Request } from '../domain/message.ts';
import type { Pass } from '../domain/pass.ts';
import type { Upcall } from '../domain/upstream.ts';
import { encode, member, members, object, withMember } from '../protocol/codec.ts';
import { capabilityFor } from '../protocol/methods.ts';
import { paramsForLegacy, questionForModern } from '../protocol/translate.ts';
import type { Connection } from './connection.ts';
import { progressTokenOf, type Order } from './order.ts';

/** Questions that a child asks together, or nearly, are put to the client in one round. */
const gatherMs = 5;
const questionsMax = 16;
/** Progress and log lines of the time between two rounds; the youngest are kept for the next one. */
const missedMax = 64;
const missedCharsMax = 64 * 1024;

export type HeldWork = {
  readonly connection: Connection;
  readonly server: string;
  /** For each round; and for the client's answers in between. */
  readonly answerWithinMs: number;
  readonly heldWithinMs: number;
  readonly onUpcall: (upcall: Upcall) => void;
  /** Tells the client of `call` what the child said. */
  readonly tell: (notice: Notice, call: Call) => void;
  /** Once, when the child's call is over. */
  readonly over: () => void;
  /** Once, when the client has heard how it ended, or will not come for it any more. */
  readonly told: () => void;
};

type Question = { readonly request: Request; readonly settle: (answer: Answer) => void };
type Round = {
  readonly call: Call;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: Error) => void;
};

/**
 * One call in a child of the legacy era, made by a modern client in as many rounds as the child has questions
 * (2026-07-28, multi round-trip requests). Between two rounds the child's call stays open, for a bounded time.
 */
export class Held {
  readonly id = randomUUID();
  readonly #work: HeldWork;
  #order: Order | undefined;
  /** Decided, put to the client, and not answered. */
  readonly #open = new Map<string, Question>();
  /** Asked while no client was there. */
  #early: Question[] = [];
  /** Said while no client was there. */
  readonly #missed: Notice[] = [];
  #round: Round | undefined;
  /** The call of the last round, also when it is over. */
  #last: Call | undefined;
  /** Whether what was decided about the last round holds still. */
  #stands: () => boolean = () => true;
  #ended: { readonly answer: Answer } | { readonly fault: Error } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(work: HeldWork) {
    this.#work = work;
  }

  /** The first round. Rejects as `Connection.ask`. */
  begin(pass: Pass): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { connection, answerWithinMs } = this.#work;
      const { call } = pass;
      const params = call.message.kind === 'request' ? paramsForLegacy(call.message.params) : undefined;
      this.#round = { call, resolve, reject };
      this.#last = call;
      this.#stands = pass.grounds.stands;
      this.#order = connection.order(
        pass,
        answerWithinMs,
        (answer) => this.#end({ answer }),
        (fault) => this.#end({ fault }),
        { params },
      );
      connection.send(this.#order);
      // A child that greets may ask at once, and then this call is the only one that it can be about.
      for (const question of this.#early.splice(0)) this.asked(question.request, question.settle);
    });
  }

  /** A further round, with the client's answers. Rejects with `STALE_STATE`, `BAD_PARAMS`, or as the first. */
  resume(pass: Pass): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#round !== undefined) throw new Fault('STALE_STATE', { detail: 'another round is under way' });
      const answers = responsesIn(pass.call);
      const call = pass.spend();
      this.#round = { call, resolve, reject };
      this.#last = call;
      this.#stands = pass.grounds.stands;
      this.#catchUp(call);
      if (this.#ended !== undefined) return this.#tell();
      const order = this.#order as Order; // `begin` came before.
      order.about = call;
      order.away = undefined;
      order.progressToken = progressTokenOf(call);
      this.#work.connection.postpone(order, this.#work.answerWithinMs);
      this.#work.connection.follow(order);
      for (const [key, text] of answers) {
        this.#open.get(key)?.settle({ kind: 'result', text });
        this.#open.delete(key);
      }
      for (const question of this.#early.splice(0)) this.asked(question.request, question.settle);
      if (this.#open.size > 0) this.#pauseSoon();
    });
  }

  /** The child asks something while it works on this call. */
  asked(request: Request, settle: (answer: Answer) => void): void {
    if (this.#open.size + this.#early.length >= questionsMax) return settle(tooMany);
    const call = this.#round?.call;
    if (call === undefined) {
      this.#early.push({ request, settle });
      return;
    }
    // Whatever the policy says: a client is asked only what it said that it can answer.
    const needed = capabilityFor(request.method);
    if (needed === undefined || call.session.agreed?.clientCapabilities.includes(needed) !== true)
      return settle(cannot);
    this.#work.onUpcall({
      server: this.#work.server,
      audience: { kind: 'call', callId: call.id },
      message: request,
      callId: call.id,
      hold: () => {
        this.#open.set(String(request.id), { request, settle });
        this.#pauseSoon();
      },
      settle,
    });
  }

  /** The child says something that this call hears, now or in its next round. */
  said(notice: Notice): void {
    const call = this.#round?.call;
    if (call !== undefined) return this.#work.tell(notice, call);
    // Before its first round nothing is about it.
    if (this.#order === undefined) return;
    this.#missed.push(notice);
    while (this.#missed.length > missedMax || charsOf(this.#missed) > missedCharsMax) this.#missed.shift();
  }

  /** A client is there again: it hears first what it missed, progress under the token of its present round. */
  #catchUp(call: Call): void {
    const token = progressTokenOf(call);
    for (const notice of this.#missed.splice(0)) {
      if (notice.method !== 'notifications/progress') this.#work.tell(notice, call);
      else if (token !== undefined && notice.params !== undefined) {
        const params = withMember(notice.params, ['progressToken'], encode(token));
        this.#work.tell({ ...notice, params }, call);
      }
    }
  }

  /** The child takes a question back. */
  withdrawn(id: string): void {
    this.#open.delete(id);
    this.#early = this.#early.filter(({ request }) => request.id !== id);
  }

  /** How the child's call ended, while nobody has come for it: what that holds in memory, in characters. */
  get endedChars(): number | undefined {
    if (this.#ended === undefined) return undefined;
    return 'answer' in this.#ended ? this.#ended.answer.text.length : 0;
  }

  /** The call that hears what the child says now. */
  get call(): Call | undefined {
    return this.#round?.call;
  }

  /** A switch was thrown while the client is away: the child is to stop, and not only to wait in vain. */
  recheck(): void {
    if (!this.#isAway) return;
    try {
      if (!this.#stands())
        this.#drop(new Fault('ORDERS_CHANGED', { detail: 'the policy changed between two rounds' }));
    } catch {
      // The credential of the last round has run out. The next round brings one of its own, or does not come; one that was taken
      // back stops the call by `halt`.
    }
  }

  /** The same at once, for the calls that are meant. Whether this was one. */
  halt(match: (call: Call) => boolean, reason: HaltReason): boolean {
    if (!this.#isAway || this.#last === undefined || !match(this.#last)) return false;
    this.#drop(new Fault('CANCELLED', { detail: reason }));
    return true;
  }

  /** Whether its child works on, or waits, while no round is under way. */
  get #isAway(): boolean {
    return this.#order !== undefined && this.#round === undefined && this.#ended === undefined;
  }

  #drop(why: Fault): void {
    if (this.#order !== undefined) this.#work.connection.drop(this.#order, why);
  }

  /** Nobody will be told how it ended. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#ended = { fault: new Fault('STALE_STATE', { detail: 'nobody came for it' }) };
    this.#refuseAll();
  }

  /** A question outlives its call in no era; and those that nobody answers would use up what the child may ask. */
  #refuseAll(): void {
    for (const { settle } of [...this.#open.values(), ...this.#early.splice(0)]) settle(tooMany);
    this.#open.clear();
  }

  #pauseSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#pause();
    }, gatherMs);
  }

  #pause(): void {
    const round = this.#round;
    const order = this.#order;
    if (round === undefined || order === undefined || this.#open.size === 0) return;
    this.#round = undefined;
    // The client's stream ends with this answer, and that must not be taken for a cancellation of the child's call.
    round.call.halt.unlisten();
    order.about = undefined;
    order.away = (progress) => this.said(progress);
    this.#work.connection.postpone(order, this.#work.heldWithinMs);
    const asked = [...this.#open].map(
      ([key, { request }]) => [key, questionForModern(request.method, request.params)] as const,
    );
    const text = object([
      ['resultType', encode('input_required')],
      ['inputRequests', object(asked)],
    ]);
    round.resolve({ kind: 'result', text, held: this.id });
  }

  #end(how: { readonly answer: Answer } | { readonly fault: Error }): void {
    this.#ended = how;
    this.#work.over();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#refuseAll();
    if (this.#round !== undefined) this.#tell();
    else this.#timer = setTimeout(this.#work.told, this.#work.heldWithinMs).unref();
  }

  #tell(): void {
    const round = this.#round;
    const ended = this.#ended;
    this.#round = undefined;
    clearTimeout(this.#timer);
    this.#work.told();
    if (round === undefined || ended === undefined) return;
    if ('fault' in ended) round.reject(ended.fault);
    else round.resolve(ended.answer);
  }
}

/** The client's answers, by the key of their question. Throws `BAD_PARAMS`. */
function responsesIn({ message }: Call): readonly (readonly [string, JsonText])[] {
  const said = message.kind === 'request' && message.params !== undefined ? message.params : undefined;
  const responses = said === undefined ? undefined : member(said, ['inputResponses']);
  if (responses === undefined) return [];
  if (!responses.startsWith('{'))
    throw new Fault('BAD_PARAMS', { detail: 'inputResponses is not an object' });
  const all = members(responses);
  if (all.some(([, text]) => !text.startsWith('{')))
    throw new Fault('BAD_PARAMS', { detail: 'an input response is not an object' });
  return all;
}

function charsOf(notices: readonly Notice[]): number {
  return notices.reduce((sum, { params }) => sum + (params?.length ?? 0), 0);
}

const cannot: Answer = { kind: 'error', text: encode({ code: -32601, message: 'Method not found' }) };
const tooMany: Answer = {
  kind: 'error',
  text: encode({ code: -32603, message: 'No client can be asked right now.' }),
};
