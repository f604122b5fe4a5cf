import type { Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { Era } from '../domain/era.ts';
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
import { metaKeys } from '../protocol/era.ts';
import { speaksModern } from '../protocol/translate.ts';
import { Deadlines } from './deadlines.ts';
import { Dispatch, type DispatchWork } from './dispatch.ts';
import { isStream, logLevelOf, progressTokenOf, type Order } from './order.ts';
import { Questions } from './questions.ts';
import { readLine, readLines, wireIdAtTheEdge, type ChildLine } from './read-line.ts';
import type { Tally } from './tally.ts';

/** Calls that became tasks, and may still be told of progress; beyond it the oldest hears no more. */
const tasksMax = 256;

/** Progress that one call may hear in a window; beyond it the rest of the window is left out. */
const progressMax = 20_000;
const progressWindowMs = 10_000;

export type Hearing = {
  /** Undefined: this child may ask nobody anything. */
  readonly question: ((request: Request, settle: (answer: Answer) => void) => void) | undefined;
  /** `about`: the call that a progress notification names. */
  readonly notice: (notice: Notice, about: Call | undefined) => void;
};

export type ConnectionWork = DispatchWork & {
  readonly clock: Clock;
  /** No call takes longer, whatever progress the child reports. */
  readonly answerWithinMsMax: number;
  /** For the answer to this call, where its tool says so. */
  readonly answerWithinMs?: ((call: Call) => number | undefined) | undefined;
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
  /** Names of the callers whose requests this child was given, or other things were done for. */
  readonly served = new Set<string>();
  readonly #work: ConnectionWork;
  readonly #dispatch: Dispatch;
  readonly #questions: Questions;
  readonly #deadlines: Deadlines;
  /** By the id of the call that began the task. */
  readonly #tasks = new Map<number, Order>();
  #introduced = false;
  #ended = false;
  #mayBatch = false;
  #era: Era = 'legacy';
  /** Messages from the child, of whatever kind; what was no message does not count. */
  #heard = 0;
  /** How many had come when a caller's time ran out. */
  #heardWhenLate = -1;

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

  /** The callers' requests that are open, in the order in which the child hears of them. */
  calls(): readonly Call[] {
    return this.#dispatch.open().flatMap(({ about }) => (about === undefined ? [] : [about]));
  }

  /** Another number after each message of the child's: a sign of life. */
  get heard(): number {
    return this.#heard;
  }

  /** A caller's time has run out, and the child has said nothing at all since. */
  get isOverdue(): boolean {
    return this.#heardWhenLate === this.#heard;
  }

  /** What the child speaks, as far as its own greeting has shown. */
  get era(): Era {
    return this.#era;
  }

  /** Nothing is open, not even a greeting: a child that has started and waits to be needed. */
  get isQuiet(): boolean {
    return this.#dispatch.open().length === 0;
  }

  /** Which revision the child speaks. In one of them it may write several messages as one array (2025-03-26 basic). */
  agreed(protocolVersion: unknown): void {
    this.#mayBatch = protocolVersion === '2025-03-26';
  }

  /**
   * Forwards a caller's request. The pass is spent when the line is written: the call may wait for a place before that, and
   * a switch thrown meanwhile is obeyed. Rejects with `UPSTREAM_BUSY`, `UPSTREAM_TIMEOUT`, `UPSTREAM_DIED`,
   * `UPSTREAM_GARBLED`, `CANCELLED`, or what the pass says.
   */
  ask(pass: Pass, withinMs: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const order = this.order(pass, withinMs, resolve, reject);
      this.send(order);
    });
  }

  /** A caller's request that is not sent yet. `other`: what differs from the plain case. */
  order(
    pass: Pass,
    withinMs: number,
    resolve: (answer: Answer) => void,
    reject: (reason: Error) => void,
    other: {
      readonly params?: JsonText | undefined;
      readonly placed?: boolean;
      readonly wantsLog?: boolean;
    } = {},
  ): Order {
    const { call } = pass;
    if (call.message.kind !== 'request') throw new Fault('BUG', { detail: 'only a request is asked' });
    const now = this.#work.clock.steadyMs();
    // A stream has no end of its own, and none is put to it.
    const isStream = withinMs === Number.POSITIVE_INFINITY;
    const mostMs = isStream ? withinMs : this.#work.answerWithinMsMax;
    const ownMs = Math.min(mostMs, this.#patienceFor(call) ?? withinMs);
    return {
      pass,
      method: call.message.method,
      params: 'params' in other ? other.params : call.message.params,
      placed: other.placed ?? true,
      about: call,
      progressToken: progressTokenOf(call),
      wantsLog: other.wantsLog ?? (call.session.era === 'modern' && logLevelOf(call) !== undefined),
      dueAt: now + ownMs,
      withinMs: ownMs,
      lastAt: now + mostMs,
      resolve,
      reject,
      wireId: 0,
      turn: 0,
      state: 'waiting',
    };
  }

  #patienceFor(call: Call): number | undefined {
    return call.target.kind === 'tool' ? this.#work.answerWithinMs?.(call) : undefined;
  }

  /** Puts an order of `order` on its way. Throws what `ask` rejects with, as far as it is known at once. */
  send(order: Order): void {
    if (order.about !== undefined) this.served.add(order.about.principal.name);
    if (order.placed) this.#dispatch.line(order);
    else this.#dispatch.send(order);
    this.#deadlines.by(order.dueAt);
    this.follow(order);
  }

  /** From now on it is the order's present call whose stop signal stops it. */
  follow(order: Order): void {
    order.about?.halt.listen((reason) => this.#halted(order, reason));
  }

  /** Gives an order another deadline, counted from now: what its tool says, while somebody waits for the answer. */
  postpone(order: Order, withinMs: number): void {
    const now = this.#work.clock.steadyMs();
    order.dueAt = now + ((order.about && this.#patienceFor(order.about)) ?? withinMs);
    // The time in which a person thinks is not the child's.
    order.lastAt = Math.max(order.dueAt, now + this.#work.answerWithinMsMax);
    this.#deadlines.by(order.dueAt);
  }

  /** Stops an order: the child is told, and its caller hears why. */
  drop(order: Order, why: Fault): void {
    this.#recall(order, why.detail ?? why.says);
    this.#dispatch.fail(order, why);
  }

  /**
   * A request of mcpd's own. It stands in no line, unless it is a call like any other (`placed`); `stands` says at the last moment
   * whether it may still go out.
   */
  own(
    method: string,
    params: JsonText | undefined,
    withinMs: number,
    as: { readonly placed?: boolean; readonly stands?: () => boolean } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const dueAt = this.#work.clock.steadyMs() + withinMs;
      const heard = (answer: Answer) => {
        if (method === 'server/discover' && answer.kind === 'result' && speaksModern(answer.text))
          this.#era = 'modern';
        resolve(answer);
      };
      const when = { dueAt, lastAt: dueAt, withinMs };
      const order: Order = { ...ours, ...as, ...when, method, params, resolve: heard, reject };
      if (order.placed) this.#dispatch.line(order);
      else this.#dispatch.send(order);
      this.#deadlines.by(dueAt);
    });
  }

  /**
   * A subscription of mcpd's own (2026-07-28 basic/patterns/subscriptions). `ended` is told once when it is over, whoever ended
   * it, or that the child refused it. Gives the way to end it. Throws `UPSTREAM_BUSY`, or why the child is gone.
   */
  listen(
    params: JsonText,
    hears: (notice: Notice) => void,
    ended: (how: 'over' | 'refused') => void,
  ): () => void {
    const never = Number.POSITIVE_INFINITY;
    const forEver = { dueAt: never, lastAt: never, withinMs: never };
    const what = { method: 'subscriptions/listen', params, hears };
    const resolve = ({ kind }: Answer) => ended(kind === 'error' ? 'refused' : 'over');
    const order: Order = { ...ours, ...forEver, ...what, resolve, reject: () => ended('over') };
    this.#dispatch.send(order);
    return () => this.drop(order, new Fault('CANCELLED', { detail: 'nobody listens any more' }));
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
    const { bounds } = this.#work;
    if (!this.#mayBatch) return this.#hear(readLine(bytes, bounds), bytes);
    for (const said of readLines(bytes, bounds)) this.#hear(said, bytes);
  }

  #hear(said: ChildLine, bytes: Buffer): void {
    if (said.kind !== 'garbage') this.#heard++;
    switch (said.kind) {
      case 'answer':
        return this.#answered(said.id, bytes, (order) => order.resolve(namedAsAsked(order, said.answer)));
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
    this.#heard++;
    this.#unplaced(
      `a line of more than ${this.#work.bounds.bytesMax} bytes`,
      wireIdAtTheEdge(head, tail),
      head,
    );
  }

  #answered(id: RequestId, bytes: Buffer, tell: (order: Order) => void): void {
    // The string "1" is another id than the number 1, and we only ever send numbers.
    const order = typeof id === 'number' ? this.#dispatch.find(id) : undefined;
    if (order !== undefined && this.#dispatch.settle(order)) {
      this.#work.tally.answered(bytes.length);
      if (order.progressToken !== undefined && becameTask(order, bytes)) this.#remember(order);
      return tell(order);
    }
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
    const subscription = notice.params?.includes(metaKeys.subscription) === true ? notice.params : undefined;
    if (subscription !== undefined) return this.#published(notice, subscription, bytes);
    if (notice.method === 'notifications/message') return hearing.notice(notice, this.#onlyLogger());
    hearing.notice(notice, undefined);
  }

  /** A message on the stream that a `subscriptions/listen` opened; the client knows that stream by its own request's id. */
  #published(notice: Notice, params: JsonText, bytes: Buffer): void {
    const id = member(params, ['_meta', metaKeys.subscription]);
    const order = id === undefined ? undefined : this.#dispatch.find(Number(id));
    const call = order?.about;
    if (order?.hears !== undefined) return order.hears(notice);
    if (
      order === undefined ||
      !isStream(order) ||
      call?.message.kind !== 'request' ||
      String(order.wireId) !== id
    )
      return this.#work.tally.drop('stray', 'news that nobody subscribed to', bytes);
    const renamed = withMember(params, ['_meta', metaKeys.subscription], encode(call.message.id));
    this.#work.hearing.notice({ ...notice, params: renamed }, call);
  }

  /**
   * The one call under way that asked for log lines. Over a pipe a log line does not say whose it is, so with two of them it
   * is nobody's: it could show one caller what another one did.
   */
  #onlyLogger(): Call | undefined {
    let found: Call | undefined;
    for (const { about, wantsLog } of this.#dispatch.open()) {
      if (!wantsLog) continue;
      if (found !== undefined) return undefined;
      found = about;
    }
    return found;
  }

  /** The token of a call that became a task stays good for the life of the task (2025-11-25 basic/utilities/tasks). */
  #remember(order: Order): void {
    this.#tasks.set(order.wireId, order);
    for (const oldest of this.#tasks.keys()) {
      if (this.#tasks.size <= tasksMax) break;
      this.#tasks.delete(oldest);
    }
  }

  #progressed(notice: Notice, bytes: Buffer): void {
    const { hearing, tally } = this.#work;
    const token = notice.params && member(notice.params, ['progressToken']);
    const wireId = Number(token);
    const order =
      String(wireId) === token ? (this.#dispatch.find(wireId) ?? this.#tasks.get(wireId)) : undefined;
    if (order?.away !== undefined) return order.away(notice);
    if (order?.about === undefined || order.progressToken === undefined || notice.params === undefined) {
      return tally.drop('stray', 'progress that nobody asked for', bytes);
    }
    // Counted against the call that asked for it, and not as nonsense: one caller's progress must not cost all others their child.
    const now = this.#work.clock.steadyMs();
    // Whoever reports progress works, and is given its time anew; but not for ever.
    if (order.state === 'sent') order.dueAt = Math.min(now + order.withinMs, order.lastAt);
    if (!mayHear(order, now)) return tally.drop('dropped', 'more progress of one call than anybody reads');
    const params = withMember(notice.params, ['progressToken'], encode(order.progressToken));
    hearing.notice({ ...notice, params }, order.about);
  }

  /** A child may take back its own questions, and end a subscription; any other request of a caller's is the caller's. */
  #withdrawn(notice: Notice, bytes: Buffer): void {
    const childId = notice.params && member(notice.params, ['requestId']);
    const ourId = childId && this.#questions.withdraw(valueOf(childId));
    if (ourId === undefined || notice.params === undefined) {
      if (childId !== undefined && this.#unsubscribed(childId)) return;
      return this.#work.tally.drop('stray', 'a cancellation of nothing', bytes);
    }
    this.#work.hearing.notice(
      { ...notice, params: withMember(notice.params, ['requestId'], encode(ourId)) },
      undefined,
    );
  }

  /** Over a pipe a server ends a subscription by cancelling the request that opened it (2026-07-28 schema, CancelledNotification). */
  #unsubscribed(id: JsonText): boolean {
    const wireId = Number(id);
    const order = String(wireId) === id ? this.#dispatch.find(wireId) : undefined;
    if (order === undefined || !isStream(order) || !this.#dispatch.settle(order)) return false;
    this.#work.tally.notice();
    order.resolve(namedAsAsked(order, { kind: 'result', text: encode({ resultType: 'complete' }) }));
    return true;
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
    if (order.state === 'sent' && order.about !== undefined) this.#heardWhenLate = this.#heard;
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

function mayHear(order: Order, now: number): boolean {
  if (order.progress === undefined || order.progress.windowEnds <= now)
    order.progress = { windowEnds: now + progressWindowMs, left: progressMax };
  return order.progress.left-- > 0;
}

/** An order of mcpd's own, that is about nobody's call. */
const ours = {
  pass: undefined,
  about: undefined,
  progressToken: undefined,
  wantsLog: false,
  placed: false,
  wireId: 0,
  turn: 0,
  state: 'waiting',
} as const;

/** The result that ends a subscription names it as the client does. */
function namedAsAsked(order: Order, answer: Answer): Answer {
  const { about } = order;
  if (!isStream(order) || answer.kind === 'error' || about?.message.kind !== 'request') return answer;
  const text = withMember(answer.text, ['_meta', metaKeys.subscription], encode(about.message.id));
  return { ...answer, text };
}

/** Whether a call that asked to be a task was answered with one. */
function becameTask({ about }: Order, bytes: Buffer): boolean {
  return about?.params['task'] !== undefined && bytes.includes('"taskId"');
}

function garbled(order: Order, why: string): Fault {
  return new Fault('UPSTREAM_GARBLED', { detail: `${order.method}: ${why}` });
}

function problem(code: number, message: string): Answer {
  return { kind: 'error', text: errorBody(code, message) };
}
