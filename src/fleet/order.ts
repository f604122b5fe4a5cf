import type { Answer, JsonText, RequestId } from '../domain/message.ts';
import type { Pass } from '../domain/pass.ts';

/** One request on its way through a connection. It is settled exactly once. */
export type Order = {
  /** Undefined for what mcpd itself wants to know. */
  readonly pass: Pass | undefined;
  readonly method: string;
  readonly params: JsonText | undefined;
  /** Under which the caller wants to hear about progress. */
  readonly progressToken: RequestId | undefined;
  /** Steady milliseconds. */
  readonly dueAt: number;
  readonly withinMs: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (reason: Error) => void;
  /** The id on the wire, ours and never used twice; 0 until it is written. */
  wireId: number;
  /** `waiting`: for a place. `due`: it has a place and goes out with the next write. */
  state: 'waiting' | 'due' | 'sent' | 'settled';
};

/** What an unsent order holds in memory, roughly, in bytes. */
export function weightOf(order: Order): number {
  return 256 + (order.params?.length ?? 0);
}

/** The caller's progress token, if it is one. */
export function progressTokenOf(pass: Pass): RequestId | undefined {
  const meta = pass.call.params['_meta'];
  if (typeof meta !== 'object' || meta === null || Array.isArray(meta)) return undefined;
  const token = meta['progressToken'];
  return typeof token === 'string' || typeof token === 'number' ? token : undefined;
}
