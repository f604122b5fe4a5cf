import type { Session } from '../domain/caller.ts';
import type { Era } from '../domain/era.ts';
import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { Answer, JsonText, Notice } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import { encode, errorBody, withoutMember } from '../protocol/codec.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { Following } from './following.ts';
import { greetingFor, introduce } from './introduce.ts';
import { Loudness } from './loudness.ts';
import type { Among } from './meant-for.ts';
import type { Members } from './members.ts';
import { News } from './news.ts';
import { Supervisor } from './supervisor.ts';

export type SharedWork = {
  readonly deps: ChildDeps;
  readonly spec: ServerSpec;
  readonly among: Among;
  readonly members: Members;
  /** What must be gone before the child is started. */
  readonly after?: Promise<void> | undefined;
  readonly greeted?: () => void;
  /** See `SupervisorWork`. */
  readonly heartbeat?: (tookMs: number | undefined) => void;
  /** The child is new, or says that one of its listings has changed. */
  readonly offersChanged?: (connection: Connection) => void;
};

/** One child, initialised by mcpd itself with no client capabilities, and the sessions that use it together. */
export class Shared {
  readonly supervisor: Supervisor;
  readonly members: Members;
  readonly #work: SharedWork;
  readonly #following: Following;
  readonly #loudness: Loudness;
  readonly #news: News;
  #greeting: JsonText | undefined;
  #era: Era | undefined;
  /** Which way to ask first at the next start; it changes with each start that fails. */
  #modernFirst = false;
  /** Replies to nothing. */
  #unasked = 0;
  #closed = false;

  constructor(work: SharedWork) {
    const { deps, spec, members } = work;
    this.#work = work;
    this.members = members;
    const { answerWithinMs, concurrency, waitingMax } = spec;
    const forMembers = {
      members,
      answerWithinMs,
      waitingMax: concurrency + waitingMax,
      ask: (pass: Pass) => this.#ask(pass),
      ready: (halt: Halt) => this.#ready(halt),
      failed: (why: string) =>
        deps.log(
          'warn',
          { server: spec.name, why: deps.clean(why) },
          'a child is not as its sessions want it',
        ),
    };
    this.#following = new Following(forMembers);
    this.#loudness = new Loudness(forMembers);
    this.#news = new News({
      deps,
      spec,
      members,
      among: work.among,
      connection: () => this.supervisor.connection,
      lets: (sessionId, line) => this.#loudness.lets(sessionId, line),
      listsChanged: (connection) => work.offersChanged?.(connection),
    });
    this.supervisor = new Supervisor({
      deps,
      spec,
      sessionId: undefined,
      heartbeat: (tookMs) => work.heartbeat?.(tookMs),
      greet: (connection) => this.#greet(connection),
      // Whose question would it be? A child that speaks to several sessions may ask none of them.
      hearing: { question: undefined, notice: (notice, about) => this.#news.hear(notice, about) },
    });
  }

  /** The `result` of the child's own `initialize`. */
  get greeting(): JsonText | undefined {
    return this.#greeting;
  }

  /** What its child speaks; undefined before it has spoken. */
  get era(): Era | undefined {
    return this.#era;
  }

  get dropped(): number {
    return this.supervisor.dropped + this.#news.unheard + this.#unasked;
  }

  /** Carries a message to the child, now or when it is back. */
  forward(pass: Pass): Promise<Answer | undefined> {
    const { message, session, halt, params } = pass.call;
    if (message.kind !== 'request') {
      // Who has said `initialized`, or which roots one client has, is no business of a child that serves several; and it
      // asks nobody anything, so no reply is for it.
      pass.spend();
      if (message.kind === 'reply') this.#unasked++;
      return Promise.resolve(undefined);
    }
    // A straggler of a session that has ended must not make it live again: nobody would end it a second time.
    if (halt.reason !== undefined) return Promise.reject(new Fault('CANCELLED', { detail: halt.reason }));
    if (message.method === 'initialize') return this.#initialize(pass);
    this.#join(session);
    switch (message.method) {
      case 'resources/subscribe':
      case 'resources/unsubscribe': {
        const { uri } = params;
        if (typeof uri !== 'string') return refuse(pass, -32602, 'The uri is not a string');
        return message.method === 'resources/subscribe'
          ? this.#following.subscribe(pass, uri)
          : this.#following.unsubscribe(pass, uri);
      }
      case 'logging/setLevel':
        return this.#loudness.setLevel(pass, params['level']);
      // A task id is as good as a key, and the child would give one client's tasks to all of them.
      case 'tasks/list':
      case 'tasks/get':
      case 'tasks/result':
      case 'tasks/cancel':
        return refuse(pass, -32601, 'Method not found');
      default:
        return this.#ask(pass);
    }
  }

  /** Carries a request of a modern client, whose params were put into the child's era. */
  async carry(pass: Pass, params: JsonText | undefined): Promise<Answer> {
    const connection = await this.#ready(pass.call.halt);
    const { answerWithinMs } = this.#work.spec;
    return new Promise((resolve, reject) =>
      connection.send(connection.order(pass, answerWithinMs, resolve, reject, { params })),
    );
  }

  /** What the child said to `initialize`, as far as several clients may have it. */
  async introduced(halt: Halt): Promise<JsonText> {
    await this.#ready(halt);
    return greetingFor(this.#greeting ?? encode({}), undefined);
  }

  /** A stream of a modern client: it follows these resources, and hears of every change, until it leaves. Throws `TOO_MANY`. */
  listen(session: Session, uris: readonly string[], hears: (notice: Notice) => void): void {
    this.members.join(session);
    this.members.listeners.add(hears);
    try {
      for (const uri of uris) {
        if (this.members.follow(session.id, uri)) void this.#following.want(uri).catch(() => undefined);
      }
    } catch (reason) {
      // A stream that never begins never ends: what it followed so far would be kept from everybody else for all time.
      this.unlisten(session, hears);
      throw reason;
    }
  }

  unlisten(session: Session, hears: (notice: Notice) => void): void {
    this.members.listeners.delete(hears);
    this.leave(session.id);
  }

  /** The session is over: what it wanted is given back. */
  leave(sessionId: string): void {
    if (!this.members.has(sessionId)) return;
    this.#following.leave(sessionId);
    void this.#loudness.settle();
  }

  /** Starts the child if it sleeps. */
  wake(): void {
    const { state } = this.supervisor;
    if (!this.#closed && (state === 'stopped' || state === 'stopping'))
      this.supervisor.start(this.#work.after);
  }

  /** Stops the child until the next message comes. */
  sleep(why: string): Promise<void> {
    return this.supervisor.stop(why);
  }

  stop(why: string): Promise<void> {
    this.#closed = true;
    this.#news.stop();
    return this.supervisor.stop(why);
  }

  #join(session: Session): void {
    if (this.members.has(session.id)) return;
    this.members.join(session);
    // One that says nothing may want more than those that are there.
    void this.#loudness.settle();
  }

  async #initialize(pass: Pass): Promise<Answer> {
    const { session, halt, params } = pass.call;
    await this.#ready(halt);
    const greeting = this.#greeting;
    if (greeting === undefined) throw new Fault('BUG', { detail: 'a child is ready without a greeting' });
    pass.spend();
    this.#join(session);
    return { kind: 'result', text: greetingFor(greeting, params['protocolVersion']) };
  }

  #ask(pass: Pass): Promise<Answer> {
    const { connection } = this.supervisor;
    if (connection !== undefined) return this.#send(connection, pass);
    return this.#ready(pass.call.halt).then((ready) => this.#send(ready, pass));
  }

  #send(connection: Connection, pass: Pass): Promise<Answer> {
    const { answerWithinMs } = this.#work.spec;
    const { message, params } = pass.call;
    if (params['task'] === undefined || message.kind !== 'request' || message.params === undefined)
      return connection.ask(pass, answerWithinMs);
    // Whoever does not offer tasks ignores that one was wanted (2025-11-25 basic/utilities/tasks).
    const other = { params: withoutMember(message.params, 'task') };
    return new Promise((resolve, reject) =>
      connection.send(connection.order(pass, answerWithinMs, resolve, reject, other)),
    );
  }

  /** The child; one that sleeps is woken. */
  #ready(halt: Halt): Promise<Connection> {
    const { connection } = this.supervisor;
    if (connection !== undefined) return Promise.resolve(connection);
    this.wake();
    return this.supervisor.whenReady(this.#patienceMs(), halt);
  }

  /** A child of one caller sleeps at times, and to wake it must fail no call: time to leave, and time to come. */
  #patienceMs(): number {
    const { deps, spec, among } = this.#work;
    const { readyWithinMs, stopStepMs, drainMs } = deps.pace;
    return among === 'one caller'
      ? spec.startWithinMs + 3 * stopStepMs + drainMs
      : Math.min(spec.answerWithinMs, readyWithinMs);
  }

  async #greet(connection: Connection): Promise<void> {
    const { deps, spec, greeted, offersChanged } = this.#work;
    this.#modernFirst = !this.#modernFirst;
    const { era, greeting } = await introduce(connection, deps, spec, !this.#modernFirst);
    this.#modernFirst = era === 'modern';
    this.#era = era;
    this.#greeting = greeting;
    if (era === 'modern') this.#news.follow(connection, greeting);
    greeted?.();
    for (const principal of this.members.principalsToRestore()) connection.served.add(principal);
    // Calls need not wait for either.
    void this.#loudness.restore(connection);
    void this.#following.restore(connection);
    offersChanged?.(connection);
  }
}

function refuse(pass: Pass, code: number, message: string): Promise<Answer> {
  pass.spend();
  return Promise.resolve({ kind: 'error', text: errorBody(code, message) });
}
