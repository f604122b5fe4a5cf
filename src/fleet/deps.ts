import type { Clock } from '../domain/clock.ts';
import type { JsonText } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Redacted } from '../domain/redacted.ts';
import type { Upcall } from '../domain/upstream.ts';
import type { Pace } from './pace.ts';

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
  readonly onUpcall: (upcall: Upcall) => void;
  /** Told what tools a server lists when mcpd asks it by itself: all of them, several of one name included. */
  readonly onTools?: (server: string, definitions: readonly JsonText[]) => void;
  /** Told when a running child ended, however it ended; `sessionId` where it was one session's. */
  readonly onInstanceEnd?: (server: string, sessionId: string | undefined, because: string) => void;
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
  /** Told after every change of state. */
  readonly changed: () => void;
};
