import { Fault } from '../domain/faults.ts';
import type { JsonText } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Catalog } from '../domain/upstream.ts';
import { encode } from '../protocol/codec.ts';
import { readCatalog } from './catalog.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { askWhetherItIsThere } from './health.ts';
import { ownMeta } from './probe.ts';
import type { Members } from './members.ts';
import { Shared } from './shared.ts';
import type { Supervisor } from './supervisor.ts';

/**
 * A server's standing child, which mcpd itself initialises. It shows that the server is well and what it offers; where
 * sharing is "all" it also serves every session, and otherwise none.
 */
export class Standing {
  readonly shared: Shared;
  readonly #deps: ChildDeps;
  readonly #spec: ServerSpec;
  #catalog: Catalog | undefined;
  /** What is known of the tools, while the rest is being listed. */
  #early: Catalog | undefined;
  #listing = false;
  #listAgain = false;
  #pingMs: number | undefined;
  #missedPing = false;
  #isListed = false;

  constructor(deps: ChildDeps, spec: ServerSpec, members: Members, after: Promise<void> | undefined) {
    this.#deps = deps;
    this.#spec = spec;
    this.shared = new Shared({
      deps,
      spec,
      among: 'all callers',
      members,
      after,
      greeted: () => {
        this.#pingMs = undefined;
        this.#missedPing = false;
        this.#isListed = false;
      },
      heartbeat: (tookMs) => {
        this.#pingMs = tookMs;
        this.#missedPing = tookMs === undefined;
      },
      // Calls need not wait for the listings.
      offersChanged: (connection) => void this.#list(connection),
    });
  }

  get supervisor(): Supervisor {
    return this.shared.supervisor;
  }

  get catalog(): Catalog | undefined {
    return this.#catalog;
  }

  /** The tools as they are known by now; of the rest not everything may be. */
  get tools(): Catalog | undefined {
    return this.#catalog ?? this.#early;
  }

  get pingMs(): number | undefined {
    return this.#pingMs;
  }

  get missedPing(): boolean {
    return this.#missedPing;
  }

  get dropped(): number {
    return this.shared.dropped;
  }

  /** Whether the first attempt has come to an end, good or bad. */
  get settled(): boolean {
    return this.supervisor.state === 'ready'
      ? this.#catalog !== undefined
      : this.supervisor.state !== 'starting';
  }

  /** Whether the child that runs now has said what it offers. */
  get isListed(): boolean {
    return this.#isListed && this.supervisor.connection !== undefined;
  }

  /** Milliseconds there and back. Rejects with `UPSTREAM_DOWN`, `UPSTREAM_TIMEOUT` or `UPSTREAM_DIED`. */
  async ping(): Promise<number> {
    const { connection, state } = this.supervisor;
    const { name } = this.#spec;
    if (connection === undefined) throw new Fault('UPSTREAM_DOWN', { detail: `${name} is ${state}` });
    const from = this.#deps.clock.steadyMs();
    try {
      await askWhetherItIsThere(connection, this.#deps.version, this.#spec.care.health.withinMs);
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
    return this.shared.stop(why);
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
    const { log, changed, clean } = this.#deps;
    const server = this.#spec.name;
    let toolsFailed = false;
    const failed = (method: string, why: string) => {
      toolsFailed ||= method === 'tools/list';
      log('warn', { server, method, why: clean(why) }, 'a listing failed and counts as empty');
    };
    const greeting: JsonText = this.shared.greeting ?? encode({});
    const meta = this.shared.era === 'modern' ? encode(ownMeta(this.#deps.version)) : undefined;
    const listed = (definitions: readonly JsonText[], early: Catalog) => {
      this.#deps.onTools?.(server, definitions);
      // Calls wait for this, and need not wait for the rest.
      this.#early = cleanly(early);
      changed();
    };
    const cleanly = (it: Catalog): Catalog => ({
      ...it,
      serverName: clean(it.serverName),
      serverVersion: clean(it.serverVersion),
    });
    const { answerWithinMs } = this.#spec;
    const catalog = await readCatalog(connection, greeting, meta, answerWithinMs, failed, listed);
    // It ended while it was asked: that says nothing, and its successor is about to be asked.
    if (toolsFailed && this.#catalog === undefined && this.supervisor.connection !== connection)
      return changed();
    // What a tool said of itself makes it graver, and its schema binds: neither is taken back by a listing that fails.
    const { tools, mirrored } = (toolsFailed ? this.tools : undefined) ?? catalog;
    this.#catalog = cleanly({ ...catalog, tools, mirrored });
    if (this.supervisor.connection === connection) this.#isListed = true;
    changed();
  }
}
