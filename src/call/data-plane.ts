import type { Credentials, Principal, Session } from '../domain/caller.ts';
import type { AgreedUnder, Arrival, Call, Outlet } from '../domain/call.ts';
import type {
  Charge,
  Consent,
  Decision,
  Denial,
  Exhausted,
  Facts,
  Finding,
  Permit,
} from '../domain/decision.ts';
import type { Answer, Json, JsonText } from '../domain/message.ts';
import type { Orders } from '../domain/orders.ts';
import type { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { CleanAnswer, Outcome } from '../domain/outcome.ts';
import type { Grounds, Pass } from '../domain/pass.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import type { MirroredArgument, Upcall } from '../domain/upstream.ts';

/** What the stories need from the rooms, and nothing more. Everything here can fail; everything else is pure. */
export type DataPlane = {
  readonly audit: Audit;
  readonly callers: { readonly identify: (credentials: Credentials) => Principal };
  readonly sessions: Sessions;
  readonly orders: { readonly current: () => Orders };
  readonly tasks: Tasks;
  readonly rounds: Rounds;
  readonly inFlight: InFlight;
  readonly facts: Facts;
  readonly pins: Pins;
  /**
   * Waits where the policy lets calls stand in line; rejects with `CANCELLED` when the call is stopped there. `charged`: this
   * very call was charged when it was asked about, and now only needs its place among those under way.
   */
  readonly limits: {
    readonly charge: (
      orders: Orders,
      call: Call,
      permit: Permit,
      charged: boolean,
    ) => Charge | Promise<Charge>;
  };
  readonly breakers: Breakers;
  readonly gate: Gate;
  /** `undefined`: a notification or a reply; it went, and nothing comes back. */
  readonly fleet: Fleet;
  readonly redactor: Redactor;
};

/** Which definitions of tools somebody has looked at. */
export type Pins = {
  /** Told every answer that lists tools, before it is trimmed. What changed is in quarantine when this returns. */
  readonly saw: (call: Call, answer: Answer) => void;
};

export type Breakers = {
  /** Whether a tool that failed again and again rests. */
  readonly admit: (orders: Orders, call: Call) => Exhausted | undefined;
  readonly went: (orders: Orders, call: Call, how: 'well' | 'badly') => void;
  /** How long to wait before the call is made again; undefined: it is not made again. */
  readonly retryInMs: (orders: Orders, call: Call, attempt: number, fault: Fault) => number | undefined;
  /** Rejects with `CANCELLED` when the call is stopped meanwhile. */
  readonly wait: (call: Call, ms: number) => Promise<void>;
};

/** Asks whoever must agree. */
export type Gate = {
  readonly ask: (call: Call, permit: Permit, orders: Orders) => Consent | Promise<Consent>;
  /** Whether the call comes back to a question of ours that an earlier one of the same call was answered with. */
  readonly continues: (call: Call, permit: Permit, orders: Orders) => boolean;
  /** Whether this reply of a client answers a question of ours, and not one of a server. */
  readonly awaits: (call: Call) => boolean;
  readonly hear: (call: Call) => void;
};

export type Redactor = {
  /** Without the secrets. For what belongs to no call. */
  readonly clean: (text: JsonText) => RedactedJson;
  /** What a caller sends, as the policy lets it pass: the very call that is then decided and forwarded. */
  readonly inward: (orders: Orders, call: Call) => Inward | Promise<Inward>;
  /** What a caller is given. */
  readonly outward: (orders: Orders, call: Call, answer: Answer) => Outward | Promise<Outward>;
  /** What a server says to a caller besides its answers. */
  readonly aside: (orders: Orders, server: string, text: JsonText) => RedactedJson | undefined;
};
export type Inward =
  | { readonly kind: 'clean'; readonly call: Call; readonly found: readonly Finding[] }
  | { readonly kind: 'blocked'; readonly why: Denial; readonly found: readonly Finding[] };
export type Outward =
  | { readonly kind: 'clean'; readonly answer: CleanAnswer; readonly found: readonly Finding[] }
  | { readonly kind: 'blocked'; readonly why: Denial; readonly found: readonly Finding[] };

export type Audit = {
  /** Throws `AUDIT_UNAVAILABLE` when the journal cannot be written. */
  readonly open: (arrival: Arrival) => Trail;
  /** A decision about a message from a server. Throws like `open`. */
  readonly upcall: (
    upcall: Upcall,
    session: Session,
    decision: Decision,
    ordersVersion: string,
    asked: boolean,
  ) => void;
};

/** The record of one call. */
export type Trail = {
  readonly identified: (principal: Principal) => void;
  readonly named: (call: Call) => void;
  readonly decided: (decision: Decision, orders: Orders) => void;
  /** Writes the intent down and issues the pass. Rejects with `AUDIT_UNAVAILABLE`, and then there is no pass. */
  readonly commit: (grounds: Grounds) => Promise<Pass>;
  /** What redaction found, on the way in or out. */
  readonly found: (direction: 'in' | 'out', findings: readonly Finding[]) => void;
  readonly close: (outcome: Outcome) => void;
};

export type Fleet = {
  readonly forward: (pass: Pass) => Promise<Answer | undefined>;
  /**
   * Of a server that is started when it is wanted: wakes it, and keeps it awake until it is left; it has said what it offers by
   * then, or will not. Undefined for all others. Never rejects.
   */
  readonly hold: (server: string, halt: Halt) => Promise<() => void> | undefined;
  /** The arguments of a tool that a client repeats in headers; empty while nobody knows the tool. */
  readonly mirrored: (server: string, tool: string) => readonly MirroredArgument[];
  /** The schema of a tool's arguments; undefined while nobody knows the tool. */
  readonly inputSchema: (server: string, tool: string) => Json | undefined;
  /**
   * What a yes to this call is bound to besides its arguments: the definition of the tool as its server gives it now, and
   * the very child that would carry it out.
   */
  readonly bindingOf: (call: Call) => string;
};

/** Which task belongs to whom. A task id is as good as a key to whatever the task found. */
export type Tasks = {
  readonly toolOf: (session: Session, taskId: string) => string | undefined;
  /** Told every answer; remembers the task that a call became, and leaves others' tasks out of a listing. */
  readonly claim: (call: Call, answer: Answer) => Answer;
};

/** A call that is made in several rounds, because its server wants answers in between. */
export type Rounds = {
  /** The call with the server's own state in place of ours. Throws `STALE_STATE` when it is not ours, or another call's. */
  readonly resume: (call: Call) => Call;
  /** The answer with our seal in place of the server's own state. */
  readonly pause: (call: Call, answer: Answer, approval: AgreedUnder) => Answer;
};

export type Sessions = {
  /** Finds the caller's session, or makes one for `initialize`. A stranger's session is as unknown as none. */
  readonly resolve: (principal: Principal, arrival: Arrival) => Session;
  /** Told the answer to `initialize`: the session stands from now on, or there is none when the answer is an error. */
  readonly agree: (call: Call, answer: Answer) => Session | undefined;
  /** Nobody will be told of a session that was just agreed on. */
  readonly disown: (session: Session) => void;
  /** The sessions an upcall may reach. */
  readonly reachedBy: (upcall: Upcall) => readonly Session[];
  /** The session's standing stream; keeps a bounded backlog while there is none. */
  readonly standing: (session: Session) => Outlet;
};

/** The calls under way. */
export type InFlight = {
  /** Throws `BAD_MESSAGE` when the session already uses this request id. */
  readonly add: (call: Call) => void;
  readonly remove: (call: Call) => void;
  readonly find: (callId: string) => Call | undefined;
  /** The youngest request of a session, whose stream is where a server's question belongs. */
  readonly newest: (session: Session) => Call | undefined;
  /** Stops the request that a `notifications/cancelled` names. */
  readonly cancel: (call: Call) => void;
};
