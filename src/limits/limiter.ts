import { hash } from 'node:crypto';
import type { Call, Target } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { Charge, Exhausted, Permit, Rate, Receipt } from '../domain/decision.ts';
import type { Orders } from '../domain/orders.ts';
import { lastTake, noTakes, take, waitMs, type Takes } from './window.ts';

export type LimiterParts = {
  readonly clock: Clock;
  /** Windows kept at once, over all callers. */
  readonly windowsMax?: number;
  /** Windows kept for one caller, so that made-up names of targets cannot use up everybody's room. */
  readonly windowsPerCallerMax?: number;
};

/** One limit that a call must respect. */
type Limit = { readonly key: string; readonly rate: Rate; readonly words: string };
type Window = { readonly takes: Takes; perMs: number };

const windowsMaxDefault = 100_000;
const windowsPerCallerMaxDefault = 10_000;
/** How often windows that nobody uses any more are cleared away. */
const sweepEveryMs = 60_000;
/** How often at most, when there is no room left. */
const sweepAgainMs = 1000;
/** Names of targets longer than this are kept as a digest. */
const nameCharsMax = 128;

const paid: Receipt = { kind: 'paid' };

/**
 * Counts calls by the name of the credential, never by session: a new session is free. A window that still counts is never
 * forgotten to make room, because that would refill it.
 */
export class Limiter {
  readonly #clock: Clock;
  readonly #windowsMax: number;
  readonly #windowsPerCallerMax: number;
  /** Caller → limit → window. */
  readonly #windows = new Map<string, Map<string, Window>>();
  #count = 0;
  #sweptAtMs: number;

  constructor({
    clock,
    windowsMax = windowsMaxDefault,
    windowsPerCallerMax = windowsPerCallerMaxDefault,
  }: LimiterParts) {
    this.#clock = clock;
    this.#windowsMax = windowsMax;
    this.#windowsPerCallerMax = windowsPerCallerMax;
    this.#sweptAtMs = clock.steadyMs();
  }

  /** How many windows are kept. */
  get count(): number {
    return this.#count;
  }

  /** Charges all limits of a call, or none and says when to come back. */
  readonly charge = (orders: Orders, call: Call, permit: Permit): Charge => {
    const limits = limitsOf(orders, call, permit);
    if (limits.length === 0) return paid;
    const now = this.#clock.steadyMs();
    if (now - this.#sweptAtMs >= sweepEveryMs) this.#sweep(now);
    const caller = call.principal.name;

    const windows = this.#windows.get(caller);
    let refusal: Exhausted | undefined;
    let missing = 0;
    for (const { key, rate, words } of limits) {
      const window = windows?.get(key);
      if (window === undefined) missing++;
      const retryInMs = waitMs(window?.takes ?? none, rate, now);
      if (retryInMs > (refusal?.retryInMs ?? 0)) {
        refusal = { kind: 'exhausted', limit: `${rate.text} ${words}`, retryInMs: Math.ceil(retryInMs) };
      }
    }
    refusal ??= missing === 0 ? undefined : this.#refusalForRoom(caller, missing, now);
    if (refusal !== undefined) return refusal;

    for (const { key, rate } of limits) {
      const window = this.#window(caller, key, rate);
      window.perMs = rate.perMs;
      take(window.takes, rate, now);
    }
    return paid;
  };

  #refusalForRoom(caller: string, missing: number, now: number): Exhausted | undefined {
    if (this.#hasRoom(caller, missing)) return undefined;
    if (now - this.#sweptAtMs >= sweepAgainMs) this.#sweep(now);
    if (this.#hasRoom(caller, missing)) return undefined;
    return { kind: 'exhausted', limit: 'too many different targets at once', retryInMs: sweepAgainMs };
  }

  #hasRoom(caller: string, missing: number): boolean {
    const own = this.#windows.get(caller)?.size ?? 0;
    return own + missing <= this.#windowsPerCallerMax && this.#count + missing <= this.#windowsMax;
  }

  #window(caller: string, key: string, rate: Rate): Window {
    let windows = this.#windows.get(caller);
    if (windows === undefined) this.#windows.set(caller, (windows = new Map<string, Window>()));
    let window = windows.get(key);
    if (window === undefined) {
      windows.set(key, (window = { takes: noTakes(), perMs: rate.perMs }));
      this.#count++;
    }
    return window;
  }

  /** Clears away windows whose youngest take counts no more. */
  #sweep(now: number): void {
    this.#sweptAtMs = now;
    for (const [caller, windows] of this.#windows) {
      for (const [key, { takes, perMs }] of windows) {
        if (now - lastTake(takes) < perMs) continue;
        windows.delete(key);
        this.#count--;
      }
      if (windows.size === 0) this.#windows.delete(caller);
    }
  }
}

const none = noTakes();

/** Asking how a task goes is not using the tool again. */
const free: ReadonlySet<Target['kind']> = new Set(['protocol', 'upcall', 'task', 'subscription']);

/** The limits of a call. The protocol's own messages, notifications and replies are free. */
function limitsOf(orders: Orders, call: Call, permit: Permit): readonly Limit[] {
  const { target, server } = call;
  if (call.message.kind !== 'request' || free.has(target.kind)) return [];
  const limits: Limit[] = [];
  const add = (rate: Rate | undefined, key: string, words: string) => {
    if (rate !== undefined) limits.push({ key, rate, words });
  };
  const own = orders.servers.get(server)?.limits;
  add(orders.perCaller, 'all', 'per caller');
  add(own?.perCaller, `server\0${server}`, 'per caller and server');
  if (target.kind === 'tool')
    add(own?.perTool, `tool\0${server}\0${short(target.name)}`, 'per caller and tool');
  if (permit.rate !== undefined) {
    add(permit.rate, `rule\0${server}\0${permit.rule}\0${targetKey(call)}`, 'per caller, rule and target');
  }
  return limits;
}

function targetKey({ target }: Call): string {
  switch (target.kind) {
    case 'tool':
    case 'prompt':
      return `${target.kind}\0${short(target.name)}`;
    case 'resource':
      return `resource\0${short(target.uri)}`;
    case 'completion':
      return `completion\0${target.of.kind}\0${short(target.of.kind === 'prompt' ? target.of.name : target.of.uri)}`;
    case 'task':
      return `task\0${short(target.tool ?? target.id)}`;
    case 'subscription':
      return 'subscription';
    case 'listing':
      return `listing\0${target.of}`;
    case 'protocol':
    case 'upcall':
    case 'unknown':
      return `${target.kind}\0${short(target.method)}`;
  }
}

function short(name: string): string {
  return name.length <= nameCharsMax ? name : hash('sha256', name, 'hex');
}
