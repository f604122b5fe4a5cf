import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { SecretUse } from '../domain/orders.ts';
import { Holdings, type Values } from './holdings.ts';
import { Lacks } from './lacks.ts';
import type { Answer, Providers } from './provider.ts';
import { askEach, lackingOf, settle, valuesOf } from './resolve.ts';
import { useReports, type UseReport, type Uses } from './use-report.ts';
import { Waits, type After } from './waits.ts';

export type KeeperParts = {
  readonly clock: Clock;
  /** As mcpd.toml has them now. */
  readonly providers: () => Providers;
  /** From now on the value is redacted; it counts how often it was told. Says when it cannot be. */
  readonly learn: (value: string) => { readonly kind: 'learned' | 'too-short' | 'too-long' };
  readonly forget: (value: string) => void;
  /** Starts the children of a server anew; calls under way are answered first. */
  readonly restart: (server: string, why: string) => void;
  /** Starts the children that lacked a secret. */
  readonly retry: (server: string) => void;
  readonly log: (level: 'info' | 'warn', fields: Record<string, unknown>, message: string) => void;
  /** Handed in by tests. */
  readonly after?: After;
};

/** What came of a change that somebody made; names of servers. */
export type Change = {
  readonly restarted: readonly string[];
  readonly retried: readonly string[];
  /** They run with what they had: the value is the same, or nobody asked for a restart. */
  readonly untouched: readonly string[];
};

/** A rotation while somebody fetches makes them fetch again; more than this is a provider that never stands still. */
const roundsMax = 3;

/**
 * The daemon's keeper of secrets: who holds which value, what has to be fetched again and when, and which values the redactor
 * has to know. A value is learnt before a child gets it, and forgotten only when it was replaced and nobody holds it.
 */
export class SecretKeeper {
  readonly #parts: KeeperParts;
  readonly #holdings: Holdings;
  /** Of the policy in force, by server. */
  #uses: ReadonlyMap<string, Uses> = new Map();
  /** Reference → its value when it was last fetched. */
  readonly #current = new Map<string, { readonly value: string; readonly atMs: number }>();
  readonly #asked = new Map<string, Promise<Answer>>();
  /** Reference → how often somebody said that it changed. */
  readonly #changes = new Map<string, number>();
  readonly #lacks: Lacks;
  /** By reference: when a value that has a time to live is fetched again. */
  readonly #expiries: Waits;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#lacks = new Lacks({
      after: parts.after,
      retry: parts.retry,
      canBeHad: async (references) => ![...(await settle(this.#ask(references))).values()].some(lacks),
    });
    this.#expiries = new Waits(parts.after);
    this.#holdings = new Holdings(parts);
  }

  /** The secrets of the policy in force. What no server uses any more is given up. */
  apply(uses: ReadonlyMap<string, Uses>): void {
    this.#uses = uses;
    this.#lacks.keepOnly((server) => uses.has(server));
    const wanted = new Set([...uses.values()].flatMap((it) => Object.values(it)).map((it) => it.reference));
    for (const [reference, { value }] of [...this.#current]) {
      if (wanted.has(reference)) continue;
      this.#current.delete(reference);
      this.#changes.delete(reference);
      this.#expiries.cancel(reference);
      this.#holdings.giveUp(value);
    }
  }

  /**
   * Variable → value, for one child; to be given back with `release` when that child is gone, or never came. Rejects with
   * `SECRET_UNAVAILABLE`, which names the variables and what to type; the server is told when that may have changed.
   */
  async resolve(server: string, uses: Uses): Promise<Values> {
    const wanted = Object.entries(uses);
    if (wanted.length === 0) return {};
    const answers = await this.#answers(wanted.map(([, use]) => use));
    const texts = wanted.map(([name, { reference }]) => [name, reference] as const);
    let values: Record<string, string>;
    try {
      values = valuesOf(texts, answers);
    } catch (reason) {
      this.#lacks.note(server, lackingOf(texts, answers));
      throw reason;
    }
    this.#lacks.forget(server);
    for (const [, { reference, ttlMs }] of wanted) if (ttlMs !== undefined) this.#watch(reference);
    return this.#holdings.hold(server, values, texts);
  }

  /** The child that was given these is gone. */
  release(values: Values): void {
    this.#holdings.release(values);
  }

  /**
   * Somebody put another value there. Servers that waited for it are started. `restart`: those that hold another value than
   * the new one are started anew. Rejects with `SECRET_UNAVAILABLE` when the new value cannot be had, and then nothing is.
   */
  async changed(reference: string, { restart }: { readonly restart: boolean }): Promise<Change> {
    this.#changes.set(reference, (this.#changes.get(reference) ?? 0) + 1);
    this.#asked.delete(reference);
    const retried = this.#lacks.of(reference);
    const holders = this.#holdings.holdersOf(reference);
    let restarted: readonly string[] = [];
    if (restart && holders.length > 0) restarted = await this.#renew(reference, 'its secret was replaced');
    else this.#staleNow(reference);
    for (const server of retried) this.#parts.retry(server);
    return { restarted, retried, untouched: holders.filter((server) => !restarted.includes(server)) };
  }

  report(): readonly UseReport[] {
    return useReports(this.#uses, {
      because: (server, reference) => this.#lacks.because(server, reference),
      isHeld: (server, reference) => this.#holdings.holdersOf(reference).includes(server),
    });
  }

  close(): void {
    this.#lacks.close();
    this.#expiries.close();
    this.#holdings.close();
  }

  async #answers(uses: readonly SecretUse[]): Promise<ReadonlyMap<string, Answer>> {
    const found = new Map<string, Answer>();
    for (let round = 1; ; round++) {
      const missing = uses.filter(({ reference }) => !found.has(reference));
      const fresh = missing.filter((use) => !this.#isGood(use));
      for (const { reference } of missing) {
        const kept = this.#current.get(reference);
        const isFresh = fresh.some((use) => use.reference === reference);
        if (!isFresh && kept !== undefined) found.set(reference, { value: kept.value });
      }
      const before = new Map(fresh.map(({ reference }) => [reference, this.#changes.get(reference)]));
      const answers = await settle(this.#ask([...before.keys()]));
      for (const [reference, answer] of answers) {
        // Replaced while it was fetched: what came is the old value, or may be.
        const overtaken = this.#changes.get(reference) !== before.get(reference);
        if (!overtaken || round === roundsMax) found.set(reference, answer);
      }
      if (uses.every(({ reference }) => found.has(reference))) return found;
    }
  }

  /** Asks for what nobody asks for already. */
  #ask(references: readonly string[]): ReadonlyMap<string, Promise<Answer>> {
    const fresh = references.filter((reference) => !this.#asked.has(reference));
    for (const [reference, asked] of askEach(fresh, this.#parts.providers())) {
      const atMs = this.#parts.clock.steadyMs();
      const heard: Promise<Answer> = asked.then((answer) => {
        if (this.#asked.get(reference) !== heard) return answer;
        this.#asked.delete(reference);
        if ('value' in answer) this.#isNow(reference, answer.value, atMs);
        return answer;
      });
      this.#asked.set(reference, heard);
    }
    return new Map(
      references.flatMap((reference) => {
        const asked = this.#asked.get(reference);
        return asked === undefined ? [] : [[reference, asked] as const];
      }),
    );
  }

  #isNow(reference: string, value: string, atMs: number): void {
    const before = this.#current.get(reference);
    if (before?.value !== value) {
      this.#holdings.learn(value, reference);
      if (before !== undefined) this.#holdings.giveUp(before.value);
    }
    this.#current.set(reference, { value, atMs });
  }

  #isGood({ reference, ttlMs }: SecretUse): boolean {
    const kept = this.#current.get(reference);
    return kept !== undefined && ttlMs !== undefined && this.#parts.clock.steadyMs() - kept.atMs < ttlMs;
  }

  #staleNow(reference: string): void {
    const kept = this.#current.get(reference);
    if (kept !== undefined)
      this.#current.set(reference, { value: kept.value, atMs: Number.NEGATIVE_INFINITY });
  }

  /** Fetches anew and starts those anew who hold something else; gives their names. */
  async #renew(reference: string, why: string): Promise<readonly string[]> {
    this.#staleNow(reference);
    const answer = await this.#ask([reference]).get(reference);
    if (answer === undefined || 'fault' in answer) {
      const { detail, says, hint } = answer?.fault ?? new Fault('BUG');
      throw new Fault('SECRET_UNAVAILABLE', {
        detail: `${reference}: ${detail ?? says}`,
        ...(hint === undefined ? {} : { hint }),
      });
    }
    const outdated = this.#holdings.holdersOfOther(reference, answer.value);
    for (const server of outdated) {
      this.#parts.log('info', { server, reference }, `${server} is started anew: ${why}`);
      this.#parts.restart(server, why);
    }
    return outdated;
  }

  #watch(reference: string): void {
    const kept = this.#current.get(reference);
    const ttlMs = this.#shortestTtl(reference);
    if (kept === undefined || ttlMs === undefined || this.#expiries.has(reference)) return;
    const inMs = Math.max(0, kept.atMs + ttlMs - this.#parts.clock.steadyMs());
    this.#expiries.in(reference, inMs, () => void this.#expired(reference));
  }

  async #expired(reference: string): Promise<void> {
    // Whoever needs it next fetches it; a value that nobody holds is not kept fresh.
    if (this.#holdings.holdersOf(reference).length === 0) return this.#expiries.cancel(reference);
    try {
      await this.#renew(reference, 'the time to live of its secret is over, and there is another value');
      this.#expiries.cancel(reference);
      this.#watch(reference);
    } catch (reason) {
      const { detail, hint } = Fault.from(reason);
      this.#parts.log(
        'warn',
        { detail, hint },
        'a secret cannot be fetched again; the old value stays in use',
      );
      this.#expiries.again(reference, () => void this.#expired(reference));
    }
  }

  #shortestTtl(reference: string): number | undefined {
    const all = [...this.#uses.values()]
      .flatMap((uses) => Object.values(uses))
      .flatMap((use) => (use.reference === reference && use.ttlMs !== undefined ? [use.ttlMs] : []));
    return all.length === 0 ? undefined : Math.min(...all);
  }
}

function lacks(answer: Answer | undefined): boolean {
  return answer === undefined || 'fault' in answer;
}
