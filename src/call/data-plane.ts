import type { Credentials, Principal, Session } from '../domain/caller.ts';
import type { Arrival, Call, Outlet } from '../domain/call.ts';
import type { Approval, Charge, Consent, Decision, Permit } from '../domain/decision.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import type { Orders } from '../domain/orders.ts';
import type { Outcome } from '../domain/outcome.ts';
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
  readonly limits: { readonly charge: (orders: Orders, call: Call, permit: Permit) => Charge };
  readonly gate: { readonly ask: (call: Call, permit: Permit) => Consent | Promise<Consent> };
  /** `undefined`: a notification or a reply; it went, and nothing comes back. */
  readonly fleet: Fleet;
  readonly redactor: { readonly clean: (text: JsonText) => RedactedJson };
};

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
  readonly close: (outcome: Outcome) => void;
};

export type Fleet = {
  readonly forward: (pass: Pass) => Promise<Answer | undefined>;
  /** The arguments of a tool that a client repeats in headers; empty while nobody knows the tool. */
  readonly mirrored: (server: string, tool: string) => readonly MirroredArgument[];
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
  readonly pause: (call: Call, answer: Answer, approval: Approval) => Answer;
};

export type Sessions = {
  /** Finds the caller's session, or makes one for `initialize`. A stranger's session is as unknown as none. */
  readonly resolve: (principal: Principal, arrival: Arrival) => Session;
  /** Told the answer to `initialize`: the session stands from now on, or there is none when the answer is an error. */
  readonly agree: (call: Call, answer: Answer) => Session | undefined;
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
