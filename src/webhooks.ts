import { setTimeout as sleep } from 'node:timers/promises';
import type { Parcel } from './confirm/webhook.ts';
import type { Clock } from './domain/clock.ts';

export type PostmanParts = {
  readonly clock: Clock;
  readonly version: string;
  readonly log: (level: 'info' | 'warn', fields: Record<string, unknown>, message: string) => void;
  /** Between tries. Rejects when the signal does. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  readonly random?: () => number;
  readonly answerWithinMs?: number;
};

type Waiting = { readonly parcel: Parcel; readonly done: () => void };
type Line = { underWay: number; readonly waiting: Waiting[] };
type Try =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'broken'; readonly why: string };

const triesMax = 3;
const firstWaitMs = 500;
const answerWithinMsDefault = 5_000;
/** Of one webhook, so that one that hangs does not hold up the others. */
const underWayMax = 4;
const waitingMax = 256;

/**
 * Takes questions to webhooks: the one file that speaks HTTP outwards. It goes to the configured address and nowhere else,
 * follows no redirect, reads nothing of what is answered but the status, and gives up in the end.
 */
export class Postman {
  readonly #parts: PostmanParts;
  readonly #lines = new Map<string, Line>();
  readonly #closing = new AbortController();

  constructor(parts: PostmanParts) {
    this.#parts = parts;
  }

  /** Resolves when the question is delivered or given up; never rejects. */
  readonly post = (parcel: Parcel): Promise<void> => {
    const name = parcel.webhook;
    const line = this.#lines.get(name) ?? { underWay: 0, waiting: [] };
    this.#lines.set(name, line);
    // Not in the breath of whoever asked: nobody is told that something failed before it was begun.
    if (line.waiting.length >= waitingMax)
      return Promise.resolve().then(() => this.#giveUp(parcel, 'has too many questions waiting'));
    const { promise, resolve } = Promise.withResolvers<void>();
    line.waiting.push({ parcel, done: resolve });
    if (line.underWay < underWayMax) void this.#work(line, name);
    return promise;
  };

  /** Gives up what is under way. */
  close(): void {
    this.#closing.abort();
  }

  async #work(line: Line, name: string): Promise<void> {
    line.underWay++;
    await Promise.resolve();
    for (let next = line.waiting.shift(); next !== undefined; next = line.waiting.shift()) {
      await this.#deliver(next.parcel);
      next.done();
    }
    line.underWay--;
    if (line.underWay === 0) this.#lines.delete(name);
  }

  async #deliver(parcel: Parcel): Promise<void> {
    const { log } = this.#parts;
    const fields = { webhook: parcel.webhook };
    for (let tried = 1; ; tried++) {
      if (this.#parts.clock.wallMs() >= parcel.untilMs) return;
      const { kind, ...more } = await this.#try(parcel);
      if (kind === 'delivered') return;
      const why = 'why' in more ? more.why : '';
      const last = kind === 'refused' || tried >= triesMax || this.#closing.signal.aborted;
      log(
        'warn',
        { ...fields, tried, why },
        last ? 'a question was not delivered' : 'a question is sent again',
      );
      if (last || !(await this.#waited(tried))) return this.#giveUp(parcel, `cannot be reached (${why})`);
    }
  }

  #giveUp(parcel: Parcel, why: string): void {
    try {
      parcel.failed(why);
    } catch (reason) {
      // Whoever is told of a failure must not end the daemon by failing too.
      const fields = { webhook: parcel.webhook, why: whyOf(reason) };
      this.#parts.log('warn', fields, 'a question was not delivered, and its call could not be told');
    }
  }

  async #try({ url, body, headersAt }: Parcel): Promise<Try> {
    const { clock, version, answerWithinMs = answerWithinMsDefault } = this.#parts;
    const signal = AbortSignal.any([AbortSignal.timeout(answerWithinMs), this.#closing.signal]);
    try {
      const response = await fetch(url, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/json',
          'user-agent': `mcpd/${version}`,
          ...headersAt(clock.wallMs()),
        },
        // Never followed: a question and its signature belong to the address that the owner wrote. Node shows the status.
        redirect: 'manual',
        signal,
      });
      // Nothing in the answer matters, and it may have no end.
      await response.body?.cancel();
      const { status } = response;
      if (status >= 200 && status < 300) return { kind: 'delivered' };
      return { kind: status >= 500 ? 'broken' : 'refused', why: `HTTP ${status}` };
    } catch (reason) {
      return { kind: 'broken', why: whyOf(reason) };
    }
  }

  /** Doubles, with full jitter. False when the daemon stops meanwhile. */
  async #waited(tried: number): Promise<boolean> {
    const { wait = pause, random = Math.random } = this.#parts;
    try {
      await wait(firstWaitMs * 2 ** tried * random(), this.#closing.signal);
      return true;
    } catch {
      return false; // The only thing that ends a wait early.
    }
  }
}

const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal, ref: false });

/** A short word for what went wrong. Never the address: its path may be a secret of its own. */
function whyOf(reason: unknown): string {
  if (!(reason instanceof Error)) return 'unknown';
  const { cause } = reason;
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string') return cause.code;
  return reason.name;
}
