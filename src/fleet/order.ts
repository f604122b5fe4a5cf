import type { Call } from '../domain/call.ts';
import type { Answer, Json, JsonText, Notice, RequestId } from '../domain/message.ts';
import type { Pass } from '../domain/pass.ts';
import { metaKeys, metaOf } from '../protocol/era.ts';

/** One request on its way through a connection. It is settled exactly once. */
export type Order = {
  /** Undefined for what mcpd itself wants to know. */
  readonly pass: Pass | undefined;
  readonly method: string;
  readonly params: JsonText | undefined;
  /** Whether it needs one of the child's `concurrency` places. */
  readonly placed: boolean;
  /** The call that hears about progress, and under which token. A call in rounds is another one in each of them. */
  about: Call | undefined;
  progressToken: RequestId | undefined;
  /** While nobody is there to hear about it: who keeps the progress that the child reports. */
  away?: ((progress: Notice) => void) | undefined;
  /** How much progress it may still hear in the present window; see `Connection`. */
  progress?: { windowEnds: number; left: number };
  /** Whether its caller asked for log lines. */
  readonly wantsLog: boolean;
  /** For a further round of a call, whose pass is spent: whether its decision still holds when it is written. */
  readonly stands?: () => boolean;
  /** For a subscription of mcpd's own: who hears its news. */
  readonly hears?: (notice: Notice) => void;
  /** Steady milliseconds. */
  dueAt: number;
  /** And not later, whatever progress there is. */
  lastAt: number;
  readonly withinMs: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: Error) => void;
  /** The id on the wire, ours and never used twice; 0 until it is written. */
  wireId: number;
  /** Which of those that wait it is; see `Dispatch.line`. */
  turn: number;
  /** `waiting`: for a place. `due`: it has a place and goes out with the next write. */
  state: 'waiting' | 'due' | 'sent' | 'settled';
};

/** A subscription: it is open for as long as somebody listens, and its answer is its end. */
export function isStream({ method }: Order): boolean {
  return method === 'subscriptions/listen';
}

/** What an unsent order holds in memory, roughly, in bytes. */
export function weightOf(order: Order): number {
  return 256 + (order.params?.length ?? 0);
}

/** The caller's progress token, if it is one. */
export function progressTokenOf(call: Call): RequestId | undefined {
  const meta = call.params['_meta'];
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta)) return undefined;
  const token = meta['progressToken'];
  return typeof token === 'string' || typeof token === 'number' ? token : undefined;
}

/** The log level that a modern request asks for. */
export function logLevelOf(call: Call): Json | undefined {
  return metaOf(call.params)[metaKeys.logLevel];
}
