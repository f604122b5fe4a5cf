import type { Call } from '../domain/call.ts';
import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { Answer, JsonText, Notice, Request } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import { encode, member, valueOf } from '../protocol/codec.ts';
import { legacyRevisions } from '../protocol/era.ts';
import { speaksModern } from '../protocol/translate.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { ownMeta } from './probe.ts';
import { Supervisor } from './supervisor.ts';

/** How a guest child is greeted: the modern way, or with these `initialize` params. */
export type Greeting = { readonly era: 'modern' } | { readonly era: 'legacy'; readonly handshake: JsonText };

/** `key`: who may share it. */
export type Whose = { readonly key: string; readonly owner: string | undefined };

export type GuestHearing = {
  readonly question: (guest: Guest, request: Request, settle: (answer: Answer) => void) => void;
  readonly notice: (guest: Guest, notice: Notice, about: Call | undefined) => void;
  /** A start failed, or its child ended. */
  readonly ended: (guest: Guest) => void;
  /** A child is there, the first one or another. */
  readonly ready: (guest: Guest) => void;
};

/** A child that mcpd greets on behalf of modern clients: they have no session that a child could belong to. */
export class Guest {
  readonly key: string;
  /** Whose clients it serves; undefined where it serves all. */
  readonly owner: string | undefined;
  /** It works on one call alone, in which it may ask its client something; `Pool` sets it. */
  leased = false;
  readonly supervisor: Supervisor;
  /** Steady milliseconds. */
  usedAt: number;
  readonly #deps: ChildDeps;
  readonly #spec: ServerSpec;
  readonly #how: Greeting;
  /** What must be gone before it is started. */
  readonly #after: Promise<void> | undefined;
  #greeting: JsonText | undefined;
  /** Calls that were given this child and have not reached it. */
  #coming = 0;
  #dismissed: Promise<void> | undefined;
  /** Streams and sessions that are open on it. */
  followers = 0;
  readonly #followed = new Map<string, number>();

  constructor(
    deps: ChildDeps,
    spec: ServerSpec,
    whose: Whose,
    how: Greeting,
    hearing: GuestHearing,
    after?: Promise<void>,
  ) {
    this.key = whose.key;
    this.owner = whose.owner;
    this.#deps = deps;
    this.#spec = spec;
    this.#how = how;
    this.#after = after;
    this.usedAt = deps.clock.steadyMs();
    this.supervisor = new Supervisor({
      deps,
      spec,
      sessionId: undefined,
      greet: (connection) => this.#greet(connection),
      trouble: () => hearing.ended(this),
      ready: () => hearing.ready(this),
      hearing: {
        question:
          how.era === 'modern' ? undefined : (request, settle) => hearing.question(this, request, settle),
        notice: (notice, about) => hearing.notice(this, notice, about),
      },
    });
  }

  /** The result of `initialize` or `server/discover`, once it was greeted. */
  get greeting(): JsonText | undefined {
    return this.#greeting;
  }

  get serverInfo(): JsonText | undefined {
    const info = this.#greeting === undefined ? undefined : member(this.#greeting, ['serverInfo']);
    return info?.startsWith('{') === true ? info : undefined;
  }

  /** A stream on it begins, or ends, that follows these resources: the child hears of the first and of the last. */
  join(uris: readonly string[]): void {
    this.followers++;
    for (const uri of uris) {
      const count = (this.#followed.get(uri) ?? 0) + 1;
      this.#followed.set(uri, count);
      if (count === 1) this.#tell('resources/subscribe', uri);
    }
  }

  leave(uris: readonly string[]): void {
    this.followers--;
    for (const uri of uris) {
      const count = (this.#followed.get(uri) ?? 0) - 1;
      if (count > 0) this.#followed.set(uri, count);
      else if (this.#followed.delete(uri)) this.#tell('resources/unsubscribe', uri);
    }
  }

  #tell(method: string, uri: string): void {
    // Whether the child agrees shows in what it sends; there is nobody to tell.
    const asked = this.supervisor.connection?.own(method, encode({ uri }), this.#spec.answerWithinMs);
    asked?.catch(() => undefined);
  }

  get idle(): boolean {
    return this.load + this.followers === 0;
  }

  get load(): number {
    const { inFlight, waiting } = this.supervisor;
    return inFlight + waiting + this.#coming + (this.leased ? 1 : 0);
  }

  /** Begins something on the child; until it has begun, the child is not idle. Rejects like `ready`, or as `begin` does. */
  async use<T>(halt: Halt, begin: (connection: Connection) => T | Promise<T>): Promise<T> {
    this.#coming++;
    try {
      const connection = await this.ready(halt);
      return begin(connection);
    } finally {
      this.#coming--;
    }
  }

  /** The child, started if need be. Rejects like `Supervisor.whenReady`, and with `UPSTREAM_DOWN` when it was dismissed. */
  ready(halt: Halt): Promise<Connection> {
    this.usedAt = this.#deps.clock.steadyMs();
    const { supervisor } = this;
    if (supervisor.connection !== undefined) return Promise.resolve(supervisor.connection);
    // A call that stood in its line must not bring it back: nobody would ever stop it again.
    if (this.#dismissed !== undefined)
      return Promise.reject(new Fault('UPSTREAM_DOWN', { detail: `${this.#spec.name} was stopped` }));
    if (supervisor.state === 'stopped' || supervisor.state === 'stopping') supervisor.start(this.#after);
    const withinMs = Math.max(this.#spec.startWithinMs, this.#deps.pace.readyWithinMs);
    return supervisor.whenReady(withinMs, halt);
  }

  /** Stops it for good. Resolves when it is gone, and whatever had its place before. */
  dismiss(why: string): Promise<void> {
    this.#dismissed ??= Promise.all([this.supervisor.stop(why), this.#after]).then(() => undefined);
    return this.#dismissed;
  }

  async #greet(connection: Connection): Promise<void> {
    const { startWithinMs } = this.#spec;
    if (this.#how.era === 'modern') {
      const params = encode({ _meta: ownMeta(this.#deps.version) });
      const answer = await connection.own('server/discover', params, startWithinMs);
      if (answer.kind === 'error' || !speaksModern(answer.text))
        throw new Fault('UPSTREAM_DOWN', { detail: 'it does not speak the modern protocol' });
      this.#greeting = answer.text;
      return;
    }
    const answer = await connection.own('initialize', this.#how.handshake, startWithinMs);
    if (answer.kind === 'error') throw new Fault('UPSTREAM_DOWN', { detail: 'it refused to initialize' });
    const version = member(answer.text, ['protocolVersion']);
    if (version === undefined || !legacyRevisions.some((it) => encode(it) === version))
      throw new Fault('UPSTREAM_GARBLED', { detail: 'it speaks no protocol version that mcpd knows' });
    connection.agreed(valueOf(version));
    connection.tell('notifications/initialized');
    this.#greeting = answer.text;
  }
}
