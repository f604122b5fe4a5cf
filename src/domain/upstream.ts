import type { Answer, Notice, Request } from './message.ts';

/** The life of one supervised child. */
export type UpstreamState =
  'starting' | 'ready' | 'backing-off' | 'given-up' | 'lacks-secret' | 'stopping' | 'stopped';

/** What an upstream offers, as its listings said when it was last asked. */
export type Catalog = {
  readonly serverName: string;
  readonly serverVersion: string;
  readonly protocolVersion: string;
  /** Tool name → short SHA-256 of its whole definition. */
  readonly tools: ReadonlyMap<string, string>;
  readonly resources: readonly string[];
  readonly resourceTemplates: readonly string[];
  readonly prompts: readonly string[];
};

/** What an operator sees of one server. Plain data, no secrets. */
export type UpstreamStatus = {
  readonly name: string;
  readonly state: UpstreamState;
  /** Why, in a sentence, where the state needs one. */
  readonly because: string | undefined;
  readonly sharing: 'session' | 'all';
  readonly pid: number | undefined;
  readonly children: number;
  readonly restarts: number;
  /** Round trip of the last health ping, or undefined when there was none. */
  readonly pingMs: number | undefined;
  readonly inFlight: number;
  readonly waiting: number;
  /** Lines from the child that were not valid messages, or belonged to nothing. */
  readonly dropped: number;
  readonly catalog: Catalog | undefined;
};

/** A message from a server towards its callers. */
export type Upcall = {
  readonly server: string;
  /** Whose child said it: one session's, or the one all share. */
  readonly audience: { readonly kind: 'session'; readonly sessionId: string } | { readonly kind: 'everyone' };
  /** For a request, `id` is already ours (`s-1`); the child's own id never leaves. */
  readonly message: Request | Notice;
  /** The call it belongs to, where a progress token said so. */
  readonly callId: string | undefined;
  /** For a request: answers the child without asking anyone. Does nothing once the question was answered. */
  readonly settle: (answer: Answer) => void;
};
