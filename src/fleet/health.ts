import type { ServerSpec } from '../domain/orders.ts';
import { encode } from '../protocol/codec.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { ownMeta } from './probe.ts';
import type { Supervisor } from './supervisor.ts';

/** A server and those who keep its children. */
export type Watched = {
  readonly spec: ServerSpec;
  readonly supervisors: () => readonly Supervisor[];
  /** Other things that come round. */
  readonly look: (now: number) => void;
};

export type Around = {
  readonly servers: () => Iterable<Watched>;
  /** What else comes round with every look. */
  readonly look: () => void;
};

/** What is known of one child. */
type Record = { heard: number; dueAt: number; misses: number; isAsked: boolean };

/** Between two looks around, whatever the owners want: a thousand children are looked at in well under a millisecond. */
const tickMs = { least: 10, most: 1_000 } as const;

/**
 * Asks children that have been silent for a while whether they are there, and has those replaced that do not answer. One timer
 * for all of them. Whoever says anything is not asked; an error is an answer, too: who does not know `ping` is alive.
 */
export class Health {
  readonly #deps: ChildDeps;
  readonly #around: Around;
  readonly #records = new WeakMap<Connection, Record>();
  /** Servers whose children end when they are asked anything before they were greeted. */
  readonly #shy = new Set<string>();
  /** Spares that were asked and have said nothing yet. */
  readonly #askedSpares = new Map<Connection, { readonly supervisor: Supervisor; readonly server: string }>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(deps: ChildDeps, around: Around) {
    this.#deps = deps;
    this.#around = around;
    this.#again();
  }

  /** Looks around now. */
  look(): void {
    this.#around.look();
    this.#learn();
    const now = this.#deps.clock.steadyMs();
    for (const watched of this.#around.servers()) {
      watched.look(now);
      if (watched.spec.care.health.everyMs === 0) continue;
      for (const supervisor of watched.supervisors()) this.#lookAt(supervisor, watched.spec, now);
    }
  }

  /** Servers have come or gone. */
  changed(): void {
    clearTimeout(this.#timer);
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #again(): void {
    if (this.#stopped) return;
    const wanted = [...this.#around.servers()].flatMap(({ spec }) => {
      const { everyMs, proof } = spec.care.health;
      return [everyMs === 0 ? Infinity : everyMs, proof?.everyMs ?? Infinity, spec.idleMs];
    });
    const inMs = Math.max(tickMs.least, Math.min(tickMs.most, Math.min(...wanted) / 10));
    this.#timer = setTimeout(() => {
      this.look();
      this.#again();
    }, inMs).unref();
  }

  #lookAt(supervisor: Supervisor, spec: ServerSpec, now: number): void {
    const connection = supervisor.audible;
    if (connection === undefined) return;
    const { everyMs } = spec.care.health;
    const record = this.#records.get(connection);
    if (record === undefined) {
      this.#records.set(connection, {
        heard: connection.heard,
        dueAt: now + everyMs,
        misses: 0,
        isAsked: false,
      });
      return;
    }
    if (record.isAsked || now < record.dueAt) return;
    record.dueAt = now + everyMs;
    if (record.heard !== connection.heard) {
      [record.heard, record.misses] = [connection.heard, 0];
      return;
    }
    const isSpare = supervisor.connection === undefined;
    if (isSpare && this.#shy.has(spec.name)) return;
    record.isAsked = true;
    if (isSpare) this.#askedSpares.set(connection, { supervisor, server: spec.name });
    void this.#ask(supervisor, spec, connection, record).finally(() => (record.isAsked = false));
  }

  async #ask(
    supervisor: Supervisor,
    spec: ServerSpec,
    connection: Connection,
    record: Record,
  ): Promise<void> {
    const { clock, version } = this.#deps;
    const { withinMs } = spec.care.health;
    const [from, heard] = [clock.steadyMs(), connection.heard];
    try {
      await askWhetherItIsThere(connection, version, withinMs);
    } catch {
      // What it wrote may be in the pipe already, when it was mcpd itself that was held up.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!supervisor.isOn(connection)) return;
    if (connection.heard !== heard) {
      [record.heard, record.misses] = [connection.heard, 0];
      this.#askedSpares.delete(connection);
      return supervisor.heartbeat(clock.steadyMs() - from);
    }
    supervisor.heartbeat(undefined);
    // Many servers do one thing at a time. Who works on a call may be silent as long as that call may take.
    if (connection.inFlight > 0 && !connection.isOverdue) return;
    if (++record.misses < spec.care.health.failuresMax) return;
    this.#askedSpares.delete(connection);
    supervisor.replace(`hangs: it did not answer ${record.misses} times in a row, ${withinMs} ms each`);
  }

  /** Some servers end when they are asked anything before they were greeted; those are not asked twice. */
  #learn(): void {
    for (const [connection, { supervisor, server }] of this.#askedSpares) {
      if (supervisor.isOn(connection)) continue;
      this.#askedSpares.delete(connection);
      const wasStopped = supervisor.state === 'stopping' || supervisor.state === 'stopped';
      if (!wasStopped) this.#shy.add(server);
    }
  }
}

/** The question that any server of its era answers. Rejects with an upstream fault when it does not, in time. */
export async function askWhetherItIsThere(
  connection: Connection,
  version: string,
  withinMs: number,
): Promise<void> {
  const isModern = connection.era === 'modern';
  const params = isModern ? encode({ _meta: ownMeta(version) }) : undefined;
  await connection.own(isModern ? 'server/discover' : 'ping', params, withinMs);
}
