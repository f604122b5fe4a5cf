import { Fault } from '../domain/faults.ts';
import type { Call } from '../domain/call.ts';
import type { JsonText, Notice } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Catalog, Upcall } from '../domain/upstream.ts';
import { encode, objectOf } from '../protocol/codec.ts';
import { legacyRevisions } from '../protocol/era.ts';
import { readCatalog } from './catalog.ts';
import { Coalescer, isListChanged } from './coalesce.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { Supervisor } from './supervisor.ts';

/** What mcpd asks for when it speaks for itself. */
const ourRevision = '2025-11-25';

/**
 * A server's standing child, which mcpd itself initialises, with no client capabilities. It shows that the server is well
 * and what it offers; where sharing is "all" it also serves every session.
 */
export class Standing {
  readonly supervisor: Supervisor;
  readonly #deps: ChildDeps;
  readonly #spec: ServerSpec;
  readonly #storms: Coalescer;
  #greeting: JsonText | undefined;
  #catalog: Catalog | undefined;
  #listing = false;
  #listAgain = false;
  #pingMs: number | undefined;
  #missedPing = false;
  #unheard = 0;

  constructor(deps: ChildDeps, spec: ServerSpec) {
    this.#deps = deps;
    this.#spec = spec;
    this.#storms = new Coalescer(deps.pace.stormMs, (notice) => this.#listChanged(notice));
    this.supervisor = new Supervisor({
      deps,
      spec,
      sessionId: undefined,
      greet: (connection) => this.#greet(connection),
      // Whose question would it be? A child that speaks to all sessions may ask none of them.
      hearing: { question: undefined, notice: (notice, about) => this.#noticed(notice, about) },
    });
  }

  /** The `result` of the child's own `initialize`. */
  get greeting(): JsonText | undefined {
    return this.#greeting;
  }

  get catalog(): Catalog | undefined {
    return this.#catalog;
  }

  get pingMs(): number | undefined {
    return this.#pingMs;
  }

  get missedPing(): boolean {
    return this.#missedPing;
  }

  get dropped(): number {
    return this.supervisor.dropped + this.#unheard;
  }

  /** Whether the first attempt has come to an end, good or bad. */
  get settled(): boolean {
    return this.supervisor.state === 'ready'
      ? this.#catalog !== undefined
      : this.supervisor.state !== 'starting';
  }

  /** Milliseconds there and back. Rejects with `UPSTREAM_DOWN`, `UPSTREAM_TIMEOUT` or `UPSTREAM_DIED`. */
  async ping(): Promise<number> {
    const { connection, state } = this.supervisor;
    const { name } = this.#spec;
    if (connection === undefined) throw new Fault('UPSTREAM_DOWN', { detail: `${name} is ${state}` });
    const from = this.#deps.clock.steadyMs();
    try {
      // An error is an answer, too: whoever does not know `ping` is alive.
      await connection.own('ping', undefined, this.#deps.pace.pingWithinMs);
    } catch (reason) {
      this.#pingMs = undefined;
      this.#missedPing = true;
      throw reason;
    }
    this.#missedPing = false;
    this.#pingMs = this.#deps.clock.steadyMs() - from;
    return this.#pingMs;
  }

  stop(why: string): Promise<void> {
    this.#storms.stop();
    return this.supervisor.stop(why);
  }

  /** Counts a message that has nobody to go to. */
  unheard(): void {
    this.#unheard++;
  }

  async #greet(connection: Connection): Promise<void> {
    const clientInfo = { name: 'mcpd', version: this.#deps.version };
    const params = encode({ protocolVersion: ourRevision, capabilities: {}, clientInfo });
    const answer = await connection.own('initialize', params, this.#spec.startWithinMs);
    if (answer.kind === 'error') throw new Fault('UPSTREAM_DOWN', { detail: 'it refused to initialize' });
    const { protocolVersion } = objectOf(answer.text);
    if (typeof protocolVersion !== 'string' || !legacyRevisions.includes(protocolVersion)) {
      throw new Fault('UPSTREAM_GARBLED', {
        detail: `it speaks no protocol version that mcpd knows (${legacyRevisions.join(', ')})`,
      });
    }
    connection.tell('notifications/initialized');
    this.#greeting = answer.text;
    this.#pingMs = undefined;
    this.#missedPing = false;
    // Calls need not wait for the listings.
    void this.#list(connection);
  }

  async #list(connection: Connection): Promise<void> {
    if (this.#listing) {
      this.#listAgain = true;
      return;
    }
    this.#listing = true;
    do {
      this.#listAgain = false;
      await this.#listOnce(connection);
    } while (this.#listAgain && this.supervisor.connection === connection);
    this.#listing = false;
    // The child was replaced while the old one was asked.
    const { connection: now } = this.supervisor;
    if (this.#listAgain && now !== undefined) void this.#list(now);
  }

  async #listOnce(connection: Connection): Promise<void> {
    const { log, changed } = this.#deps;
    const server = this.#spec.name;
    const failed = (method: string, why: string) =>
      log('warn', { server, method, why: this.#deps.clean(why) }, 'a listing failed and counts as empty');
    const catalog = await readCatalog(
      connection,
      this.#greeting ?? encode({}),
      this.#spec.answerWithinMs,
      failed,
    );
    const { clean } = this.#deps;
    this.#catalog = {
      ...catalog,
      serverName: clean(catalog.serverName),
      serverVersion: clean(catalog.serverVersion),
    };
    changed();
  }

  #noticed(notice: Notice, about: Call | undefined): void {
    if (isListChanged(notice)) return this.#storms.hear(notice);
    // Progress names its call, so it goes to that call's session alone. Anything else from a child that many share says
    // nothing about whose it is: a log line could show one caller another's data.
    if (about === undefined) return this.unheard();
    this.#upcall(notice, { kind: 'session', sessionId: about.session.id }, about.id);
  }

  #listChanged(notice: Notice): void {
    const { connection } = this.supervisor;
    if (connection !== undefined) void this.#list(connection);
    if (this.#spec.sharing === 'all') this.#upcall(notice, { kind: 'everyone' }, undefined);
  }

  #upcall(message: Notice, audience: Upcall['audience'], callId: string | undefined): void {
    this.#deps.onUpcall({ server: this.#spec.name, audience, message, callId, settle: () => undefined });
  }
}
