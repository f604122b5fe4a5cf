import type { Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { HaltReason } from '../domain/halt.ts';
import type { Answer, JsonText, Notice, Request, RequestId } from '../domain/message.ts';
import type { Pass } from '../domain/pass.ts';
import type { Bounds } from '../protocol/codec.ts';
import {
  encode,
  errorBody,
  errorText,
  member,
  noticeText,
  resultText,
  valueOf,
  withMember,
} from '../protocol/codec.ts';
import { Deadlines } from './deadlines.ts';
import { Dispatch, type DispatchWork } from './dispatch.ts';
import { progressTokenOf, type Order } from './order.ts';
import { Questions } from './questions.ts';
import { readLine, wireIdAtTheEdge } from './read-line.ts';
import type { Tally } from './tally.ts';

export type Hearing = {
  /** Undefined: this child may ask nobody anything. */
  readonly question: ((request: Request, settle: (answer: Answer) => void) => void) | undefined;
  /** `about`: the call that a progress notification names. */
  readonly notice: (notice: Notice, about: Call | undefined) => void;
};

export type ConnectionWork = DispatchWork & {
  readonly clock: Clock;
  /** For one line from the child. */
  readonly bounds: Bounds;
  readonly questionWithinMs: number;
  readonly nextQuestionId: () => string;
  readonly hearing: Hearing;
  readonly tally: Tally;
};

/**
 * JSON-RPC with one child. Every request gets a fresh integer id and every answer finds its caller by that id alone, so
 * equal ids of different callers cannot meet (GHSA-345p-7cg4-v4c7). Does no I/O itself.
 */
export class Connection {
  readonly #work: ConnectionWork;
  readonly #dispatch: Dispatch;
  readonly #questions: Questions;
  readonly #deadlines: Deadlines;
  #introduced = false;
  #ended = false;

  constructor(work: ConnectionWork) {
    this.#work = work;
    this.#dispatch = new Dispatch(work);
    this.#questions = new Questions(work.nextQuestionId, (childId, answer) => this.#reply(childId, answer));
    this.#deadlines = new Deadlines(work.clock, (now) => this.#sweep(now));
  }

  get inFlight(): number {
    return this.#dispatch.inFlight;
  }

  get waiting(): number {
    return this.#dispatch.waiting;
  }

  /**
   * Forwards a caller's request. The pass is spent when the line is written: the call may wait for a place before that, and
   * a switch thrown meanwhile is obeyed. Rejects with `UPSTREAM_BUSY`, `UPSTREAM_TIMEOUT`, `UPSTREAM_DIED`,
   * `UPSTREAM_GARBLED`, `CANCELLED`, or what the pass says.
   */
  ask(pass: Pass, withinMs: number): Promise<Answer> {
    const { message, halt } = pass.call;
    if (message.kind !== 'request')
      return Promise.reject(new Fault('BUG', { detail: 'only a request is asked' }));
    return new Promise((resolve, reject) => {
      const order: Order = {
        pass,
        method: message.method,
        params: message.params,
        progressToken: progressTokenOf(pass),
        dueAt: this.#work.clock.steadyMs() + withinMs,
        withinMs,
        resolve,
        reject,
        wireId: 0,
        state: 'waiting',
      };
      this.#dispatch.line(order);
      this.#deadlines.by(order.dueAt);
      halt.listen((reason) => this.#halted(order, reason));
    });
  }

  /** A request of mcpd's own. It stands in no line. */
  own(method: string, params: JsonText | undefined, withinMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const dueAt = this.#work.clock.steadyMs() + withinMs;
      const ours = { pass: undefined, progressToken: undefined, wireId: 0, state: 'waiting' } as const;
      this.#dispatch.send({ ...ours, method, params, dueAt, withinMs, resolve, reject });
      this.#deadlines.by(dueAt);
    });
  }

  /** Sends a notification. Throws `UPSTREAM_BUSY` when the child has stopped reading, or why it is gone. */
  tell(method: string, params?: JsonText): void {
    this.#dispatch.say(noticeText(method, params));
    if (method === 'notifications/initialized') this.#introduced = true;
  }

  /** A caller's answer to a question of the child's. False: there is no such question. */
  answer(ourId: RequestId, answer: Answer): boolean {
    return this.#questions.answer(ourId, answer);
  }

  /** The child's stdin can take more. */
  drained(): void {
    if (!this.#ended) this.#dispatch.drained();
  }

  /** Takes nothing new; what was sent may still be answered. */
  close(why: Fault): void {
    this.#dispatch.close(why);
  }

  /** Everything that is open fails. */
  end(why: Fault): void {
    this.close(why);
    this.#ended = true;
    this.#deadlines.stop();
    for (const order of this.#dispatch.open()) this.#dispatch.fail(order, why);
  }

  /** One line from the child, without its LF. */
  receive(bytes: Buffer): void {
    if (this.#ended) return;
    const said = readLine(bytes, this.#work.bounds);
    switch (said.kind) {
      case 'answer':
        return this.#answered(said.id, bytes, (order) => order.resolve(said.answer));
      case 'garbled':
        return this.#answered(said.id, bytes, (order) => order.reject(garbled(order, said.why)));
      case 'unplaced':
        return this.#unplaced(said.why, undefined, bytes);
      case 'request':
        return this.#asked(said);
      case 'notice':
        return this.#noticed(said, bytes);
      case 'bad-request':
        this.#work.tally.drop('garbage', said.why, bytes);
        return this.#trySaying(errorText(said.id, errorBody(-32600, `Invalid request: ${said.why}`)));
      case 'garbage':
        return this.#work.tally.drop('garbage', said.why, bytes);
    }
  }

  /** A line that was too long to keep. */
  receiveOverlong(head: Buffer, tail: Buffer): void {
    if (this.#ended) return;
    this.#unplaced(
      `a line of more than ${this.#work.bounds.bytesMax} bytes`,
      wireIdAtTheEdge(head, tail),
      head,
    );
  }

  #answered(id: RequestId, bytes: Buffer, tell: (order: Order) => void): void {
    // The string "1" is another id than the number 1, and we only ever send numbers.
    const order = typeof id === 'number' ? this.#dispatch.find(id) : undefined;
    if (order !== undefined && this.#dispatch.settle(order)) return tell(order);
    const late = typeof id === 'number' && this.#dispatch.knows(id);
    this.#work.tally.drop(late ? 'stray' : 'garbage', 'an answer that nobody waits for', bytes);
  }

  /** An answer that cannot be read or does not say to what. When only one request is open, it must be that one's. */
  #unplaced(why: string, wireId: number | undefined, sample: Buffer): void {
    this.#work.tally.drop('garbage', why, sample);
    const order = wireId === undefined ? this.#dispatch.only() : this.#dispatch.find(wireId);
    if (order !== undefined) this.#dispatch.fail(order, garbled(order, why));
  }

  #asked(request: Request): void {
    const { hearing, clock, questionWithinMs, tally } = this.#work;
    tally.notice();
    if (request.method === 'ping') return this.#reply(request.id, { kind: 'result', text: encode({}) });
    if (!this.#introduced) return this.#reply(request.id, problem(-32600, 'Not initialized yet'));
    if (hearing.question === undefined) return this.#reply(request.id, problem(-32601, 'Method not found'));
    const dueAt = clock.steadyMs() + questionWithinMs;
    const ours = this.#questions.open(request, dueAt);
    if (ours.kind === 'refused') {
      tally.drop('garbage', ours.why);
      return this.#reply(request.id, problem(ours.code, ours.why));
    }
    this.#deadlines.by(dueAt);
    hearing.question(ours, (answer) => this.#questions.answer(ours.id, answer));
  }

  #noticed(notice: Notice, bytes: Buffer): void {
    const { hearing, tally } = this.#work;
    if (notice.method === 'notifications/progress') return this.#progressed(notice, bytes);
    if (notice.method === 'notifications/cancelled') return this.#withdrawn(notice, bytes);
    tally.notice();
    hearing.notice(notice, undefined);
  }

  #progressed(notice: Notice, bytes: Buffer): void {
    const { hearing, tally } = this.#work;
    const token = notice.params && member(notice.params, ['progressToken']);
    const wireId = Number(token);
    const order = String(wireId) === token ? this.#dispatch.find(wireId) : undefined;
    if (order?.pass === undefined || order.progressToken === undefined || notice.params === undefined) {
      return tally.drop('stray', 'progress that nobody asked for', bytes);
    }
    tally.notice();
    const params = withMember(notice.params, ['progressToken'], encode(order.progressToken));
    hearing.notice({ ...notice, params }, order.pass.call);
  }

  /** A child may take back its own questions only; a caller's request is the caller's. */
  #withdrawn(notice: Notice, bytes: Buffer): void {
    const childId = notice.params && member(notice.params, ['requestId']);
    const ourId = childId && this.#questions.withdraw(valueOf(childId));
    if (ourId === undefined || notice.params === undefined) {
      return this.#work.tally.drop('stray', 'a cancellation of nothing', bytes);
    }
    this.#work.hearing.notice(
      { ...notice, params: withMember(notice.params, ['requestId'], encode(ourId)) },
      undefined,
    );
  }

  #halted(order: Order, reason: HaltReason): void {
    this.#recall(order, reason);
    this.#dispatch.fail(order, new Fault('CANCELLED', { detail: reason }));
  }

  #sweep(now: number): number {
    let next = this.#questions.sweep(now, problem(-32603, 'Nobody answered in time'));
    for (const order of this.#dispatch.open()) {
      if (order.dueAt <= now) this.#tooLate(order);
      else next = Math.min(next, order.dueAt);
    }
    return next;
  }

  #tooLate(order: Order): void {
    const what = order.state === 'sent' ? 'no answer' : 'no free place';
    this.#recall(order, 'took too long');
    const detail = `${order.method}: ${what} in ${order.withinMs} ms`;
    this.#dispatch.fail(order, new Fault('UPSTREAM_TIMEOUT', { detail }));
  }

  /**
   * Tells the child that nobody waits any more, before its place goes to the next. Not for `initialize`, which must not be
   * cancelled (2025-11-25 cancellation), nor for what it never saw.
   */
  #recall(order: Order, reason: string): void {
    if (order.state !== 'sent' || order.method === 'initialize') return;
    this.#trySaying(noticeText('notifications/cancelled', encode({ requestId: order.wireId, reason })));
  }

  #reply(childId: RequestId, answer: Answer): void {
    this.#trySaying(
      answer.kind === 'result' ? resultText(childId, answer.text) : errorText(childId, answer.text),
    );
  }

  /** For what the child may do without: it has stopped reading or is stopping, and a queue for it would have no end. */
  #trySaying(text: JsonText): void {
    try {
      this.#dispatch.say(text);
    } catch {
      this.#work.tally.drop('stray', 'the child does not read; a message to it was left out');
    }
  }
}

function garbled(order: Order, why: string): Fault {
  return new Fault('UPSTREAM_GARBLED', { detail: `${order.method}: ${why}` });
}

function problem(code: number, message: string): Answer {
  return { kind: 'error', text: errorBody(code, message) };
}
