import { Fault } from '../domain/faults.ts';
import type { Answer, JsonText, Notice, Request } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Pass } from '../domain/pass.ts';
import { member, valueOf } from '../protocol/codec.ts';
import { Coalescer, isListChanged } from './coalesce.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { Keepsake } from './keepsake.ts';
import { Supervisor } from './supervisor.ts';

type Opening = {
  readonly pass: Pass;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: Error) => void;
  /** Deaths that are no answer: a spare may have died unnoticed, and then its successor is asked. */
  deathsLeft: number;
  isSpent: boolean;
};

/** One session's own child, and what is needed to bring it back: the handshake that its client once made. */
export class Seat {
  readonly supervisor: Supervisor;
  readonly #deps: ChildDeps;
  readonly #spec: ServerSpec;
  readonly #storms: Coalescer;
  readonly #keepsake = new Keepsake();
  /** Undefined while it is a spare. */
  #sessionId: string | undefined;
  #isSpare = false;
  /** A spare child that is up and waits to be needed. */
  #taken: PromiseWithResolvers<void> | undefined;
  /** The client's `initialize` params, once the child has accepted them. */
  #handshake: JsonText | undefined;
  /** Whether the client has said `notifications/initialized`. */
  #introduced = false;
  #opening: Opening | undefined;
  #unheard = 0;

  constructor(deps: ChildDeps, spec: ServerSpec) {
    this.#deps = deps;
    this.#spec = spec;
    this.#storms = new Coalescer(deps.pace.stormMs, (notice) => this.#upcall(notice));
    const whose = () => this.#sessionId;
    this.supervisor = new Supervisor({
      deps,
      spec,
      get sessionId() {
        return whose();
      },
      greet: (connection) => this.#greet(connection),
      trouble: (fault) => this.#troubled(fault),
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

  /** Starts the child before anybody needs it. */
  waitForSession(): void {
    this.#isSpare = true;
    this.supervisor.start();
  }

  /**
   * Greets the child with the client's own `initialize`, and starts it if it is not up. After a rejection or an error the
   * seat is of no further use.
   */
  open(pass: Pass): Promise<Answer> {
    const { halt, session } = pass.call;
    this.#sessionId = session.id;
    return new Promise((resolve, reject) => {
      this.#opening = { pass, resolve, reject, deathsLeft: this.#isSpare ? 1 : 0, isSpent: false };
      // Until the request stands in the connection's line, which then listens itself.
      halt.listen((reason) => reject(new Fault('CANCELLED', { detail: reason })));
      // The deaths of a spare are not this session's, nor is the pause after them.
      this.supervisor.forgive();
      this.supervisor.start();
      this.#taken?.resolve();
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
    const down = new Fault('UPSTREAM_DOWN', { detail: why });
    this.#taken?.reject(down);
    // There may be no child yet whose end could tell it.
    this.#opening?.reject(down);
    return this.supervisor.stop(why);
  }

  #send(connection: Connection, pass: Pass): Promise<Answer | undefined> {
    const { message } = pass.call;
    if (message.kind === 'request') {
      const asked = connection.ask(pass, this.#spec.answerWithinMs);
      return Keepsake.concerns(message.method) ? this.#noted(pass, asked) : asked;
    }
    this.#carry(connection, pass);
    return Promise.resolve(undefined);
  }

  async #noted(pass: Pass, asked: Promise<Answer>): Promise<Answer> {
    const answer = await asked;
    this.#keepsake.note(pass.call, answer);
    return answer;
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
    if (this.#handshake !== undefined) return this.#greetAgain(connection, this.#handshake);
    if (this.#opening === undefined) {
      this.#taken = Promise.withResolvers();
      await this.#taken.promise;
    }
    const opening = this.#opening;
    if (opening === undefined) throw new Fault('BUG', { detail: 'a child was taken by nobody' });
    try {
      const answer = await this.#initialize(connection, opening);
      this.#opening = undefined;
      if (answer.kind === 'result') {
        const { message } = opening.pass.call;
        this.#handshake = message.kind === 'request' ? message.params : undefined;
        agree(connection, answer);
      }
      opening.resolve(answer);
      if (answer.kind === 'error') throw new Fault('UPSTREAM_DOWN', { detail: 'it refused to initialize' });
    } catch (reason) {
      const fault = Fault.from(reason);
      // A spare's death is told by its supervisor, and what comes of it is settled there.
      if (!this.#isSpare || !isDeath(fault)) opening.reject(fault);
      throw fault;
    }
  }

  #initialize(connection: Connection, opening: Opening): Promise<Answer> {
    const { startWithinMs } = this.#spec;
    const { pass } = opening;
    const { message, halt } = pass.call;
    if (!this.#isSpare || message.kind !== 'request') return connection.ask(pass, startWithinMs);
    // A pass is good for one child, and a spare may turn out to be dead; the successor is asked by ourselves.
    if (!opening.isSpent) pass.spend();
    else if (halt.reason !== undefined || !pass.grounds.stands()) throw new Fault('ORDERS_CHANGED');
    opening.isSpent = true;
    return connection.own('initialize', message.params, startWithinMs);
  }

  async #greetAgain(connection: Connection, handshake: JsonText): Promise<void> {
    const answer = await connection.own('initialize', handshake, this.#spec.startWithinMs);
    if (answer.kind === 'error')
      throw new Fault('UPSTREAM_DOWN', { detail: 'it refused to initialize again' });
    agree(connection, answer);
    if (!this.#introduced) return;
    connection.tell('notifications/initialized');
    // Calls need not wait for that.
    void this.#restore(connection);
  }

  async #restore(connection: Connection): Promise<void> {
    try {
      await this.#keepsake.restore(connection, this.#spec.answerWithinMs);
    } catch (reason) {
      const why = this.#deps.clean(Fault.from(reason).message);
      const fields = { server: this.#spec.name, session: this.#sessionId, why };
      this.#deps.log('warn', fields, 'a child is not as its session wants it');
    }
  }

  #troubled(fault: Fault): void {
    this.#taken?.reject(fault);
    this.#taken = undefined;
    const opening = this.#opening;
    if (opening === undefined) return;
    const { state } = this.supervisor;
    // Only where a successor comes that can be asked.
    if (opening.deathsLeft > 0 && isDeath(fault) && (state === 'starting' || state === 'backing-off'))
      opening.deathsLeft--;
    else opening.reject(fault);
  }

  #upcall(
    message: Request | Notice,
    callId?: string,
    settle: (answer: Answer) => void = () => undefined,
  ): void {
    if (this.#sessionId === undefined) {
      this.#unheard++;
      return;
    }
    const audience = { kind: 'session', sessionId: this.#sessionId } as const;
    this.#deps.onUpcall({ server: this.#spec.name, audience, message, callId, settle });
  }
}

function isDeath({ code }: Fault): boolean {
  return code === 'UPSTREAM_DIED' || code === 'UPSTREAM_DOWN';
}

function agree(connection: Connection, answer: Answer): void {
  const version = member(answer.text, ['protocolVersion']);
  connection.agreed(version === undefined ? undefined : valueOf(version));
}
