import type { Asleep } from '../callers/session-memory.ts';
import type { Arrival, Outlet } from '../domain/call.ts';
import type { Credentials, Principal, Session } from '../domain/caller.ts';
import { Fault, type FaultCode } from '../domain/faults.ts';
import { Halt } from '../domain/halt.ts';
import type { JsonText, Message, Request } from '../domain/message.ts';
import type { Outcome } from '../domain/outcome.ts';
import { encode } from '../protocol/codec.ts';
import type { DataPlane } from './data-plane.ts';
import { handleCall } from './handle-call.ts';

/** What bringing back a session needs besides the life of a call. */
export type ResumePlane = {
  readonly data: DataPlane;
  readonly sessions: SleepingSessions;
  readonly line: {
    /** Does it once for each session, a few at a time. Rejects with `TOO_MANY` when many come back at once. */
    readonly once: (
      sessionId: string,
      server: string,
      caller: string,
      work: () => Promise<void>,
    ) => Promise<void>;
    /** Undefined where that is not being done. */
    readonly underWay: (sessionId: string) => Promise<void> | undefined;
  };
  /** Told of each session that was brought back, or could not be. */
  readonly tell: (session: Session, how: 'resumed' | 'not resumed', why: string | undefined) => void;
};

/** Sessions that were open before mcpd was started. */
export type SleepingSessions = {
  readonly isAwake: (sessionId: string) => boolean;
  /** Undefined where the caller may not go on with it, or there is none. */
  readonly asleep: (principal: Principal, server: string, sessionId: string) => Asleep | undefined;
  /** Its place, which nobody finds before `hello` was answered as it was then. Throws `TOO_MANY`. */
  readonly restore: (asleep: Asleep, hello: Request) => Session;
  /** For now it sleeps on. */
  readonly putBack: (session: Session) => void;
  /** It is over. */
  readonly end: (session: Session) => void;
};

/** Not the session's fault: it may come back later. What its client is told, which does nothing twice by coming again. */
const passing: ReadonlyMap<FaultCode, FaultCode> = new Map<FaultCode, FaultCode>([
  ['TOO_MANY', 'TOO_MANY'],
  ['UPSTREAM_BUSY', 'TOO_MANY'],
  ['ORDERS_CHANGED', 'TOO_MANY'],
  ['DRAINING', 'DRAINING'],
  // Nobody but mcpd stops it, and when it stops itself.
  ['CANCELLED', 'DRAINING'],
  ['AUDIT_UNAVAILABLE', 'AUDIT_UNAVAILABLE'],
  ['ISSUER_UNAVAILABLE', 'ISSUER_UNAVAILABLE'],
  ['UNAUTHENTICATED', 'UNAUTHENTICATED'],
]);

/**
 * Brings back the session that a message belongs to, where it was open before mcpd was started: a fresh child is introduced
 * with the handshake of then, and each of its words lives the life of a call, so that nothing reaches the child undecided or
 * unrecorded. Undefined where there is nothing to bring back, and when it resolves without the session, it is unknown.
 * Rejects with what may pass: `TOO_MANY` and its like.
 */
export function resumeSession(
  arrival: Arrival,
  credentials: Credentials,
  plane: ResumePlane,
): Promise<void> | undefined {
  const { sessionId, server } = arrival;
  const { sessions, line, data } = plane;
  if (sessionId === undefined) return undefined;
  // It can be used as soon as its child has greeted; but the child is still to be told that it was heard. Else a call that comes
  // in between would be the first thing that it hears after its greeting, and some servers end at that.
  if (sessions.isAwake(sessionId)) return line.underWay(sessionId);
  const principal = data.callers.identify(credentials);
  // Before the line: whoever may not have the session must not hold anybody up.
  if (sessions.asleep(principal, server, sessionId) === undefined) return undefined;
  return line.once(sessionId, server, principal.name, () =>
    resume({ ...arrival, credentials }, sessionId, plane),
  );
}

async function resume(arrival: Arrival, sessionId: string, plane: ResumePlane): Promise<void> {
  const { sessions, data, tell } = plane;
  // It may have waited in line: what was so when it came is looked at again.
  const asleep = sessions.asleep(data.callers.identify(arrival.credentials), arrival.server, sessionId);
  if (asleep === undefined) return;
  const hello = request('initialize', asleep.record.hello);
  const session = sessions.restore(asleep, hello);
  const outcome = await say('resume', hello, arrival, data);
  if (outcome.kind === 'answered' && outcome.opened === session) {
    await tellAgain(arrival, asleep.record, data);
    return tell(session, 'resumed', undefined);
  }
  const fault = outcome.kind === 'failed' ? outcome.fault : undefined;
  tell(session, 'not resumed', fault?.message ?? outcome.kind);
  const later = fault === undefined ? undefined : passing.get(fault.code);
  // A switch that is thrown and taken back must not end everybody's session: it is asked again when the next message comes.
  if (outcome.kind === 'refused' || later !== undefined) sessions.putBack(session);
  else sessions.end(session);
  if (later !== undefined) throw new Fault(later, { detail: fault?.message ?? '', cause: fault });
  if (outcome.kind === 'refused' && outcome.why.kind === 'exhausted')
    throw new Fault('TOO_MANY', { detail: `the limit ${outcome.why.limit} is used up` });
}

/** What the session had told its child since. A policy may have come to refuse some of it, and so may the child. */
async function tellAgain(
  arrival: Arrival,
  { introduced, level, uris }: Asleep['record'],
  data: DataPlane,
): Promise<void> {
  if (!introduced) return;
  await say(
    'ready',
    { kind: 'notice', method: 'notifications/initialized', params: undefined },
    arrival,
    data,
  );
  // The call that woke it need not wait for the rest.
  void (async () => {
    if (level !== undefined) await say('level', request('logging/setLevel', level), arrival, data);
    let count = 0;
    for (const uri of uris)
      await say(`follow-${++count}`, request('resources/subscribe', encode({ uri })), arrival, data);
  })().catch(() => {
    // Each ended on its own record.
  });
}

/** With the credential of whoever came, as one message of its session. */
function say(step: string, message: Message, arrival: Arrival, data: DataPlane): Promise<Outcome> {
  const id = `${arrival.id}/${step}`;
  // Not the halt of whoever came first: others wait for this as well.
  const own = { halt: new Halt(), outlet: nowhere, mirror: undefined };
  return handleCall({ ...arrival, ...own, id, message, era: 'legacy' }, data);
}

function request(method: string, params: JsonText): Request {
  // Nothing that a client can send has this id, but another client of the session may make it up: it is then in use.
  return { kind: 'request', id: `mcpd resumes ${method}`, method, params };
}

const nowhere: Outlet = { send: () => 'gone' };
