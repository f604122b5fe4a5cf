import type { Clock } from '../domain/clock.ts';
import type { JsonText } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Redacted } from '../domain/redacted.ts';
import type { Upcall } from '../domain/upstream.ts';
import type { Launch, WallReport } from '../domain/wall.ts';
import type { Call } from '../domain/call.ts';
import type { Ledger } from './ledger.ts';
import type { Pace } from './pace.ts';
import type { Proving } from './proofs.ts';
import type { Stagger } from './stagger.ts';
import type { Stragglers } from './stragglers.ts';

export type Log = (level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string) => void;

/** What the fleet needs from the rest of the daemon. */
export type FleetDeps = {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Marks our children in their environment; at least 16 of `A-Za-z0-9_-`, the same after a restart of the daemon. */
  readonly cookie: string;
  readonly log: Log;
  /** For what a child wrote itself, before it is logged or shown. */
  readonly clean: (text: string) => Redacted;
  /** Variable → value. Rejects with `SECRET_UNAVAILABLE`. Values go into the child's environment and nowhere else. */
  readonly secretsFor: (spec: ServerSpec) => Promise<Readonly<Record<string, string>>>;
  /** Told when the child that was given these is gone, or never came; it is the very object that `secretsFor` gave. */
  readonly secretsBack?: (secrets: Readonly<Record<string, string>>) => void;
  /**
   * Asked before each start of a child, last thing: resolves when it may be started as its spec says, and rejects with
   * `UPSTREAM_DOWN` and a hint that tells the operator what to mend. It holds up nobody else.
   */
  readonly admit?: (spec: ServerSpec) => Promise<void>;
  /** How children are started so that they are walled off; without it, as their specs say. */
  readonly wall?: {
    /** Before `admit`. Rejects, as that does, where a child may not be started without what its spec wants. */
    readonly launchOf: (spec: ServerSpec) => Promise<Launch>;
    readonly reportOf: (server: string) => WallReport | undefined;
  };
  /** Told whenever a child has answered the handshake. Must not throw. */
  readonly onReady?: (spec: ServerSpec) => void;
  readonly onUpcall: (upcall: Upcall) => void;
  /** Told what tools a server lists when mcpd asks it by itself: all of them, several of one name included. */
  readonly onTools?: (server: string, definitions: readonly JsonText[]) => void;
  /** Told when a running child ended, however it ended; `sessionId` where it was one session's. */
  readonly onInstanceEnd?: (server: string, sessionId: string | undefined, because: string) => void;
  /** How long the answer to a call may take, where its tool says so; else as long as its server is given. */
  readonly answerWithinMs?: (call: Call) => number | undefined;
  /** Where the processes of children are written down for the next daemon; see `endLeftovers`. */
  readonly ledger?: Ledger;
  /**
   * Where the daemon has asked the system to give it the orphans of its children (PR_SET_CHILD_SUBREAPER): collects one that is
   * dead, by its id. Without it orphans are given to the first process of the machine or container.
   */
  readonly reap?: (pid: number) => void;
  /** Leave for calls that mcpd makes by itself, to see whether a server's credential works; without it none is made. */
  readonly proving?: Proving;
  readonly bounds: { readonly depthMax: number };
  /** What mcpd calls itself towards servers. */
  readonly version: string;
  readonly pace?: Pace;
};

/** What one child needs besides its server's spec. */
export type ChildDeps = FleetDeps & {
  readonly pace: Pace;
  /** An id for a child's question, never given twice: one client may talk to many children, and answers by this id alone. */
  readonly nextQuestionId: () => string;
  /** Without it, children start when they like. */
  readonly stagger?: Stagger;
  readonly stragglers?: Stragglers;
  /** Told after every change of state. */
  readonly changed: () => void;
};
