/** Orders, calls, clocks and stores for tests of limits. */
import type { Call, Target } from '../../src/domain/call.ts';
import type { Permit, Rate } from '../../src/domain/decision.ts';
import { Halt } from '../../src/domain/halt.ts';
import type { Json, Message } from '../../src/domain/message.ts';
import type {
  Breaker,
  Budget,
  Limit,
  LimitText,
  Orders,
  Retry,
  ServerOrders,
  ToolClass,
} from '../../src/domain/orders.ts';
import { Fault } from '../../src/domain/faults.ts';
import type { After } from '../../src/limits/after.ts';
import type { KeptTake, TakeStore } from '../../src/limits/take-store.ts';

export const rate = (count: number, perMs = 1000): Rate => ({ count, perMs, text: `${count}/s` });
export const tool = (name: string): Target => ({ kind: 'tool', name });

export function budget(most: number, perMs = 1000, path: readonly string[] = ['amount']): Budget {
  return { path, most, perMs, text: `sum(args.${path.join('.')}) <= ${most}/s` };
}

export function limit(name: string, per: LimitText['per'], more: Partial<LimitText> = {}): LimitText {
  return {
    name,
    per,
    tools: undefined,
    rates: [],
    budget: undefined,
    concurrency: undefined,
    waiting: 0,
    ...more,
  };
}
export const perCaller = (...rates: Rate[]): LimitText => limit('per caller', ['caller'], { rates });
export const perCallerAndTool = (...rates: Rate[]): LimitText =>
  limit('per caller and tool', ['caller', 'tool'], { rates });

const exact = (text: string) => ({ text, test: (value: string) => value === text });

function ready(text: LimitText, server: string | undefined): Limit {
  return { text, server, tools: text.tools?.map(exact) };
}

export type OrdersWant = {
  readonly all?: readonly LimitText[];
  readonly server?: readonly LimitText[];
  readonly mode?: 'enforce' | 'observe';
  readonly stage?: 'observe' | 'everyone';
  /** Tool → what its class says. */
  readonly tools?: Readonly<Record<string, { retry?: Retry; breaker?: Breaker }>>;
};

/** The servers `files` and `git`, with the same limits each. */
export function orders({
  all = [],
  server = [],
  mode = 'enforce',
  stage = 'everyone',
  tools = {},
}: OrdersWant = {}): Orders {
  const serverOrders = (name: string) =>
    // Only what limits look at matters here.
    ({
      contract: { mode, stage },
      limits: server.map((text) => ready(text, name)),
      tools: Object.entries(tools).map(
        ([tool, { retry, breaker }]) =>
          ({ text: { name: tool, retry, breaker }, pattern: exact(tool), args: [] }) as unknown as ToolClass,
      ),
    }) as unknown as ServerOrders;
  return {
    version: 'v1',
    servers: new Map(['files', 'git'].map((name) => [name, serverOrders(name)])),
    switches: { tools: new Map(), servers: new Map(), callers: new Map(), lockdown: undefined },
    grants: [],
    roles: new Map(),
    limits: all.map((text) => ready(text, undefined)),
  };
}

export type CallWant = {
  readonly id?: string;
  readonly target?: Target;
  readonly caller?: string;
  readonly server?: string;
  readonly session?: string;
  readonly message?: Message;
  readonly args?: { [key: string]: Json };
};

export function call({
  id = 'c',
  target = tool('read'),
  caller = 'alice',
  server = 'files',
  session = 's1',
  message,
  args,
}: CallWant = {}): Call {
  const principal = { name: caller };
  return {
    id,
    at: 0,
    remote: '',
    principal,
    session: { id: session, principal, server, era: 'legacy', agreed: undefined },
    server,
    target,
    message: message ?? { kind: 'request', id: 1, method: 'm', params: undefined },
    params: args === undefined ? {} : { arguments: args },
    userAgent: undefined,
    outlet: { send: () => 'gone' },
    halt: new Halt(),
    mirror: undefined,
    resumes: undefined,
  };
}

export function permit(...rates: Rate[]): Permit {
  return { kind: 'allow', rule: 'r', record: [], rates, would: undefined };
}

/** A clock whose hands are moved by the test: both go on, and the wall clock can also be set. */
export class FakeClock {
  steady = 0;
  wall = 1_700_000_000_000;
  readonly steadyMs = (): number => this.steady;
  readonly wallMs = (): number => this.wall;

  pass(ms: number): void {
    this.steady += ms;
    this.wall += ms;
  }

  /** Another process: its steady clock starts somewhere else. */
  restart(): void {
    this.steady = (this.steady * 7919) % 10_007;
  }
}

/** Keeps takes as the file does; the death of the limiter leaves them. */
export class FakeStore implements TakeStore {
  takes: KeptTake[] = [];
  overgrown = false;
  broken = false;
  rewrites = 0;

  load(): Iterable<KeptTake> {
    return [...this.takes];
  }

  add(at: number, takes: readonly Omit<KeptTake, 'at'>[]): void {
    this.#work();
    for (const { key, keepMs, amount } of takes) this.takes.push({ key, keepMs, amount, at });
  }

  isOvergrown(): boolean {
    return this.overgrown;
  }

  rewrite(takes: Iterable<KeptTake>): void {
    this.#work();
    this.takes = [...takes];
    this.rewrites++;
  }

  close(): void {
    this.broken = true;
  }

  #work(): void {
    if (this.broken) throw new Fault('AUDIT_UNAVAILABLE', { detail: 'the disk is full' });
  }
}

/** Timers that go off when the test says so. */
export class FakeTimers {
  readonly #timers = new Set<{ ms: number; then: () => void }>();
  readonly after: After = (ms, then) => {
    const timer = { ms, then };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  get lengths(): number[] {
    return [...this.#timers].map(({ ms }) => ms);
  }

  fire(): void {
    const due = [...this.#timers];
    this.#timers.clear();
    for (const { then } of due) then();
  }
}
