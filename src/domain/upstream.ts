import type { Answer, Json, JsonText, Notice, Request } from './message.ts';
import type { Risk } from './orders.ts';
import type { WallReport } from './wall.ts';

/** The life of one supervised child. `refused`: it may not be started as it is; see `FleetDeps.admit`. */
export type UpstreamState =
  'starting' | 'ready' | 'backing-off' | 'given-up' | 'lacks-secret' | 'refused' | 'stopping' | 'stopped';

/** What an upstream offers, as its listings said when it was last asked. */
export type Catalog = {
  readonly serverName: string;
  readonly serverVersion: string;
  readonly protocolVersion: string;
  readonly tools: ReadonlyMap<string, OfferedTool>;
  readonly resources: readonly string[];
  readonly resourceTemplates: readonly string[];
  readonly prompts: readonly string[];
  /** Tool name → the arguments that a client repeats in `Mcp-Param-*` headers, where there are any. */
  readonly mirrored: ReadonlyMap<string, readonly MirroredArgument[]>;
};

/** A tool as its server describes it. Whatever it says of itself is the server's word, and no more. */
export type OfferedTool = {
  /**
   * SHA-256 of the whole definition, 64 hex digits; the order of members does not count. Of two tools of one name, of both.
   */
  readonly digest: string;
  /** The whole definition; of two tools of one name, the first. */
  readonly definition: JsonText;
  readonly inputSchema: Json | undefined;
  /** Of `structuredContent`. */
  readonly outputSchema?: Json | undefined;
  /** What its annotations admit to; see `ToolFacts`. */
  readonly admits: Risk | undefined;
};

/** One argument of a tool that is repeated in a header: its name in lower case without `mcp-param-`, and where it stands. */
export type MirroredArgument = { readonly header: string; readonly path: readonly string[] };

/** What an operator sees of one server. Plain data, no secrets. */
export type UpstreamStatus = {
  readonly name: string;
  readonly state: UpstreamState;
  /** Why, in a sentence, where the state needs one. */
  readonly because: string | undefined;
  readonly sharing: 'session' | 'principal' | 'all';
  readonly pid: number | undefined;
  /** Processes, those that wait for a session and those on their way out included. */
  readonly children: number;
  /** Of these, the ones that wait for the next session. */
  readonly spares: number;
  /** Callers whose child was stopped because nobody used it, and comes back with their next message. */
  readonly idle: number;
  readonly restarts: number;
  /** Round trip of the last health ping, or undefined when there was none. */
  readonly pingMs: number | undefined;
  readonly inFlight: number;
  readonly waiting: number;
  /** Lines from the child that were not valid messages, or belonged to nothing. */
  readonly dropped: number;
  readonly catalog: Catalog | undefined;
  /** How well it is walled off; undefined before its first start. */
  readonly wall?: WallReport | undefined;
};

/** A message from a server towards its callers. */
export type Upcall = {
  readonly server: string;
  /** Whose child said it: one session's, or the one all share. */
  readonly audience:
    | { readonly kind: 'session'; readonly sessionId: string }
    | { readonly kind: 'call'; readonly callId: string }
    | { readonly kind: 'everyone' };
  /** For a request, `id` is already ours (`s-1`); the child's own id never leaves. */
  readonly message: Request | Notice;
  /** The call it belongs to, where a progress token said so. */
  readonly callId: string | undefined;
  /**
   * For a request: set when it is put to the caller in the answer to its call, rather than in a message of its own
   * (2026-07-28, multi round-trip requests). Called when the policy has agreed.
   */
  readonly hold?: (() => void) | undefined;
  /** For a request: answers the child without asking anyone. Does nothing once the question was answered. */
  readonly settle: (answer: Answer) => void;
};
