import { shortHash } from './audit/outside.ts';
import type { DataPlane } from './call/data-plane.ts';
import { resumeSession, type ResumePlane } from './call/resume-session.ts';
import type { SessionStore } from './callers/sessions.ts';
import { Wakes } from './callers/wakes.ts';
import type { FrontPlane } from './front/front-plane.ts';
import { SessionMemory } from './callers/session-memory.ts';
import { SessionTable } from './callers/session-records.ts';
import type { DaemonFile } from './config/schema.ts';
import type { Principal } from './domain/caller.ts';
import { realClock } from './domain/clock.ts';
import { Fault } from './domain/faults.ts';
import type { Orders } from './domain/orders.ts';
import type { Database } from './files/database.ts';
import type { Log } from './log.ts';
import { namePattern } from './policy/match.ts';
import type { Redactor } from './redact/redact.ts';

export type SessionMemoryPlace = {
  readonly database: Database;
  readonly bounds: DaemonFile['sessions'];
  readonly log: Log;
  readonly redactor: Redactor;
  readonly orders: () => Orders;
  readonly stands: (principal: Principal) => boolean;
};

/** What is remembered of sessions. Where it cannot be written they do not outlive a restart, and nobody is kept from working. */
export function openSessionMemory(place: SessionMemoryPlace): SessionMemory | undefined {
  const { database, bounds, log, redactor, orders, stands } = place;
  const trouble = (fault: Fault | undefined) =>
    fault === undefined
      ? log.log('info', {}, 'sessions are remembered again')
      : log.log('warn', { detail: fault.message, hint: fault.hint }, 'sessions do not outlive a restart now');
  try {
    return new SessionMemory({
      records: new SessionTable({
        database,
        bounds: { sessionsMax: bounds.max, perCallerMax: bounds.perCallerMax },
        trouble,
      }),
      clock: realClock,
      idleMs: bounds.idleMs,
      specOf: (server) => orders().servers.get(server)?.spec,
      ordersVersion: () => orders().version,
      clean: (text) => redactor.clean(text),
      compile: namePattern,
      stands,
    });
  } catch (reason) {
    trouble(Fault.from(reason));
    return undefined;
  }
}

/** Brings back the session of an arrival that was open before a restart. */
export function resumer(
  data: DataPlane,
  sessions: SessionStore,
  log: Log,
  draining: () => boolean,
): FrontPlane['resume'] {
  const plane: ResumePlane = {
    data,
    sessions,
    line: new Wakes(),
    tell: ({ id, server, principal }, how, why) =>
      log.log(
        'info',
        { server, caller: principal.name, session: shortHash(id), why },
        `a session was ${how}`,
      ),
  };
  return (arrival, credentials) => (draining() ? undefined : resumeSession(arrival, credentials, plane));
}
