import { Fault } from '../domain/faults.ts';
import type { Answer, JsonText, Notice, Request } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import { Coalescer, isListChanged } from './coalesce.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { Supervisor } from './supervisor.ts';

/** One session's own child, and what is needed to bring it back: the handshake that its client once made. */
export class Seat {
  readonly supervisor: Supervisor;
  readonly #deps: ChildDeps;
  readonly #spec: ServerSpec;
  readonly #sessionId: string;
  readonly #storms: Coalescer;
  /** The client's `initialize` params, once the child has accepted them. */
  #handshake: JsonText | undefined;
  /** Whether the client has said `notifications/initialized`. */
  #introduced = false;
  #opening:
    | {
        readonly pass: Pass;
        readonly resolve: (answer: Answer) => void;
        readonly reject: (reason: Error) => void;
      }
    | undefined;
  #unheard = 0;

  constructor(deps: ChildDeps, spec: ServerSpec, sessionId: string) {
    this.#deps = deps;
    this.#spec = spec;
    this.#sessionId = sessionId;
    this.#storms = new Coalescer(deps.pace.stormMs, (notice) => this.#upcall(notice));
    this.supervisor = new Supervisor({
      deps,
      spec,
      sessionId,
      greet: (connection) => this.#greet(connection),
      trouble: (fault) => this.#opening?.reject(fault),
      hearing: {
        question: (request, settle) => this.#upcall(request, undefined, settle),
        notice: (notice, about) =>
          isListChanged(notice) ? this.#storms.hear(notice) : this.#upcall(notice, about?.id),
      },
    });
  }

  get dropped(): number {
    return this.supervisor.dropped + this.#unheard;
  }

  /** Starts the child with the client's own `initialize`. After a rejection or an error the seat is of no further use. */
  open(pass: Pass): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#opening = { pass, resolve, reject };
      // Until the request stands in the connection's line, which then listens itself.
      pass.call.halt.listen((reason) => reject(new Fault('CANCELLED', { detail: reason })));
      this.supervisor.start();
    });
  }

  /** Carries a message to the child, now or when it is back. */
  forward(pass: Pass): Promise<Answer | undefined> {
    const { message, halt } = pass.call;
    const { connection } = this.supervisor;
    // A reply is to a question of the child that is running now, or to none.
    if (
      message.kind === 'reply' ||
      (message.kind === 'notice' && message.method === 'notifications/initialized')
    ) {
      this.#carry(connection, pass);
      return Promise.resolve(undefined);
    }
    if (connection !== undefined) return this.#send(connection, pass);
    const withinMs = Math.min(this.#spec.answerWithinMs, this.#deps.pace.readyWithinMs);
    return this.supervisor.whenReady(withinMs, halt).then((ready) => this.#send(ready, pass));
  }

  stop(why: string): Promise<void> {
    this.#storms.stop();
    return this.supervisor.stop(why);
  }

  #send(connection: Connection, pass: Pass): Promise<Answer | undefined> {
    if (pass.call.message.kind === 'request') return connection.ask(pass, this.#spec.answerWithinMs);
    this.#carry(connection, pass);
    return Promise.resolve(undefined);
  }

  #carry(connection: Connection | undefined, pass: Pass): void {
    const { message } = pass.spend();
    if (message.kind === 'reply') {
      if (connection?.answer(message.id, message.answer) !== true) this.#unheard++;
      return;
    }
    if (message.method === 'notifications/initialized') {
      // Said once to each child; one that is being restarted hears it at the end of its handshake.
      if (this.#introduced) return;
      this.#introduced = true;
    }
    connection?.tell(message.method, message.params);
  }

  async #greet(connection: Connection): Promise<void> {
    const opening = this.#opening;
    if (opening !== undefined) {
      try {
        const answer = await connection.ask(opening.pass, this.#spec.startWithinMs);
        this.#opening = undefined;
        if (answer.kind === 'result')
          this.#handshake =
            opening.pass.call.message.kind === 'request' ? opening.pass.call.message.params : undefined;
        opening.resolve(answer);
        if (answer.kind === 'error') throw new Fault('UPSTREAM_DOWN', { detail: 'it refused to initialize' });
      } catch (reason) {
        opening.reject(Fault.from(reason));
        throw reason;
      }
      return;
    }
    const answer = await connection.own('initialize', this.#handshake, this.#spec.startWithinMs);
    if (answer.kind === 'error')
      throw new Fault('UPSTREAM_DOWN', { detail: 'it refused to initialize again' });
    if (this.#introduced) connection.tell('notifications/initialized');
  }

  #upcall(
    message: Request | Notice,
    callId?: string,
    settle: (answer: Answer) => void = () => undefined,
  ): void {
    const audience = { kind: 'session', sessionId: this.#sessionId } as const;
    this.#deps.onUpcall({ server: this.#spec.name, audience, message, callId, settle });
  }
}
