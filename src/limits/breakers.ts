import type { Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { Exhausted } from '../domain/decision.ts';
import { Fault } from '../domain/faults.ts';
import type { Breaker, Orders, Retry, ToolText } from '../domain/orders.ts';
import { realAfter, type After } from './after.ts';
import { admit, failed, healthy, succeeded, type Health } from './breaker.ts';
import { isObserving } from './observing.ts';
import type { RestStore } from './rest-store.ts';
import { backoffMs } from './retry.ts';

export type BreakersParts = {
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly after?: After;
  /** Without one, a restart forgets which tools rest. */
  readonly store?: RestStore;
  /** Tools that are remembered as failing. */
  readonly toolsMax?: number;
};

/** A tool that rests, or is being tried again. Wall clock, milliseconds since 1970. */
export type Resting = {
  readonly server: string;
  readonly tool: string;
  readonly state: 'open' | 'half-open';
  readonly since: number;
  readonly untilMs: number;
};

type Watched = { readonly server: string; readonly tool: string; health: Health; at: number };

const toolsMaxDefault = 10_000;
/** A rest that ended this long before a start says nothing about today. */
const forgottenAfterMs = 86_400_000;

/** Spares tools that fail again and again, and makes calls again where the policy calls that safe. */
export class Breakers {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #after: After;
  readonly #store: RestStore | undefined;
  readonly #toolsMax: number;
  /** Only tools that failed; by server and tool. The one that failed longest ago comes first. */
  readonly #tools = new Map<string, Watched>();

  /** Takes over the rests of earlier runs. */
  constructor({ clock, random, after = realAfter, store, toolsMax = toolsMaxDefault }: BreakersParts) {
    this.#clock = clock;
    this.#random = random;
    this.#after = after;
    this.#store = store;
    this.#toolsMax = toolsMax;
    this.#takeOver();
  }

  /** Tools that failed lately. */
  get count(): number {
    return this.#tools.size;
  }

  /** Why a call has to stay away for now; undefined: it may go. Where the server is only observed, nothing has to. */
  readonly admit = (orders: Orders, call: Call): Exhausted | undefined => {
    const watched = this.#watched(call);
    if (watched === undefined) return undefined;
    const breaker = breakerOf(orders, call);
    if (breaker === undefined || isObserving(orders, call)) return undefined;
    const admission = admit(watched.health, breaker, call.id, this.#clock.steadyMs());
    if ('health' in admission) {
      watched.health = admission.health;
      return undefined;
    }
    return {
      kind: 'exhausted',
      limit: `the tool rests after ${breaker.failures} failures in a row`,
      retryInMs: Math.ceil(admission.retryInMs),
    };
  };

  /** Told how each try ended that says something about the tool; not of cancelled ones. */
  readonly went = (orders: Orders, call: Call, how: 'well' | 'badly'): void => {
    const watched = this.#watched(call);
    if (watched === undefined && how === 'well') return;
    const key = keyOf(call);
    const breaker = breakerOf(orders, call);
    if (key === undefined || breaker === undefined) {
      if (key !== undefined) this.#forget(key);
      return;
    }
    const now = this.#clock.steadyMs();
    const before = watched?.health ?? healthy;
    const health = how === 'well' ? succeeded(before, call.id) : failed(before, breaker, call.id, now);
    this.#keep(key, call, health, now);
    const kept = this.#tools.get(key);
    if (health.kind === 'open' && health !== before && kept?.health === health)
      this.#store?.keep(this.#restOf(kept, health, breaker.restMs));
  };

  /** How long to wait before the call is made again; undefined: it is not made again. */
  readonly retryInMs = (orders: Orders, call: Call, attempt: number, fault: Fault): number | undefined => {
    if (call.halt.reason !== undefined) return undefined;
    const retry = retryOf(orders, call);
    // It would only meet the breaker.
    if (retry === undefined || this.#rests(orders, call)) return undefined;
    return backoffMs(retry, attempt, fault, this.#random());
  };

  /** Rejects with `CANCELLED` when the call is stopped meanwhile. */
  readonly wait = (call: Call, ms: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const callOff = this.#after(ms, () => {
        call.halt.unlisten();
        resolve();
      });
      call.halt.listen((reason) => {
        callOff();
        reject(new Fault('CANCELLED', { detail: reason }));
      });
    });

  /** The tools that rest or are being tried, longest first. */
  states(): readonly Resting[] {
    const toWallMs = this.#clock.wallMs() - this.#clock.steadyMs();
    return [...this.#tools.values()].flatMap(({ server, tool, health }) =>
      health.kind === 'closed'
        ? []
        : [
            {
              server,
              tool,
              state: health.kind,
              since: Math.round(health.since + toWallMs),
              untilMs: Math.round(health.until + toWallMs),
            },
          ],
    );
  }

  #rests(orders: Orders, call: Call): boolean {
    const watched = this.#watched(call);
    if (watched === undefined || watched.health.kind === 'closed') return false;
    return breakerOf(orders, call) !== undefined && !isObserving(orders, call);
  }

  #watched(call: Call): Watched | undefined {
    if (this.#tools.size === 0) return undefined;
    const key = keyOf(call);
    return key === undefined ? undefined : this.#tools.get(key);
  }

  #keep(key: string, call: Call, health: Health, now: number): void {
    if (health === healthy || call.target.kind !== 'tool') {
      this.#forget(key);
      return;
    }
    this.#tools.delete(key);
    // Made-up names behind a server that is down would pile up. Nobody is let off: without a place there is no rest either.
    const oldest = this.#tools.size < this.#toolsMax ? undefined : this.#oldestClosed();
    if (oldest !== undefined) this.#tools.delete(oldest);
    else if (this.#tools.size >= this.#toolsMax) return;
    this.#tools.set(key, { server: call.server, tool: call.target.name, health, at: now });
  }

  #forget(key: string): void {
    const watched = this.#tools.get(key);
    this.#tools.delete(key);
    if (watched !== undefined && watched.health.kind !== 'closed')
      this.#store?.drop(watched.server, watched.tool);
  }

  /** A rest that is over begins with a trial, as it would have without the restart. */
  #takeOver(): void {
    const [now, wallMs] = [this.#clock.steadyMs(), this.#clock.wallMs()];
    for (const { server, tool, since, untilMs, restMs } of this.#store?.load() ?? []) {
      if (this.#tools.size >= this.#toolsMax || wallMs - untilMs > forgottenAfterMs) {
        this.#store?.drop(server, tool);
        continue;
      }
      const leftMs = Math.min(Math.max(0, untilMs - wallMs), restMs);
      const began = now - Math.max(0, wallMs - since);
      const health = { kind: 'open', since: began, until: now + leftMs } as const;
      this.#tools.set(`${server}\0${tool}`, { server, tool, health, at: now });
    }
  }

  #restOf({ server, tool }: Watched, { since, until }: Health & { readonly kind: 'open' }, restMs: number) {
    const toWallMs = this.#clock.wallMs() - this.#clock.steadyMs();
    const at = (steadyMs: number) => Math.max(0, Math.round(steadyMs + toWallMs));
    return { server, tool, since: at(since), untilMs: at(until), restMs };
  }

  /** Of those that failed without resting yet. */
  #oldestClosed(): string | undefined {
    for (const [key, { health }] of this.#tools) if (health.kind === 'closed') return key;
    return undefined;
  }
}

function breakerOf(orders: Orders, call: Call): Breaker | undefined {
  return firstOf(orders, call, ({ breaker }) => breaker);
}

function retryOf(orders: Orders, call: Call): Retry | undefined {
  return firstOf(orders, call, ({ retry }) => retry);
}

/** What the first of the tool's classes says that says anything about it. */
function firstOf<T>(
  orders: Orders,
  { server, target, message }: Call,
  said: (text: ToolText) => T | undefined,
): T | undefined {
  if (target.kind !== 'tool' || message.kind !== 'request') return undefined;
  for (const { text, pattern } of orders.servers.get(server)?.tools ?? []) {
    const found = said(text);
    if (found !== undefined && pattern.test(target.name)) return found;
  }
  return undefined;
}

function keyOf({ server, target }: Call): string | undefined {
  return target.kind === 'tool' ? `${server}\0${target.name}` : undefined;
}
