import { randomBytes } from 'node:crypto';
import type { Principal, Session } from '../domain/caller.ts';
import type { Arrival, Call, Outlet } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Answer, Request } from '../domain/message.ts';
import type { Upcall } from '../domain/upstream.ts';
import { objectOf } from '../protocol/codec.ts';
import { agreedOn, ofOneRequest } from './agreed.ts';
import { LiveSession } from './live-session.ts';
import { Replay, usualReplay } from './replay.ts';
import { offersOf, type Asleep, type SessionMemory } from './session-memory.ts';

export type SessionBounds = {
  readonly sessionsMax: number;
  readonly perCallerMax: number;
  /** A session that nobody used for this long, and that has no open stream, ends. */
  readonly idleMs: number;
  /** What is kept of one stream for a reader to come back to: no more than it may leave unread, or it would be cut off again. */
  readonly replayBytesMax?: number;
};

export type SessionParts = {
  readonly clock: Clock;
  readonly bounds: SessionBounds;
  /** Told when a session ends, so that its child can be stopped. */
  readonly onEnd: (session: Session) => void;
  /** Undefined: no session outlives mcpd. */
  readonly memory?: SessionMemory | undefined;
};

/** The callers' standing conversations. */
export class SessionStore {
  readonly #parts: SessionParts;
  readonly #byId = new Map<string, LiveSession>();
  readonly #countOf = new Map<string, number>();
  readonly #replay: Replay;
  /** Sessions that last as long as a stream does. */
  readonly #brief = new WeakSet<LiveSession>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
    const { bytesMax } = usualReplay;
    const { replayBytesMax = bytesMax } = parts.bounds;
    this.#replay = new Replay({ ...usualReplay, bytesMax: Math.min(bytesMax, replayBytesMax) });
  }

  get count(): number {
    return this.#byId.size;
  }

  /**
   * The session this message belongs to; a new, not yet counted one for `initialize`. Throws `NO_SESSION` without an id,
   * `UNKNOWN_SESSION` when there is none, it is somebody else's or a better credential's: a session id is not a credential
   * (security best practices 2025-11-25, session hijacking).
   */
  resolve = (principal: Principal, arrival: Arrival): Session => {
    const { message } = arrival;
    if (arrival.era === 'modern') return ofOneRequest(principal, arrival);
    if (message.kind === 'request' && message.method === 'initialize') {
      const opened = this.#admitting(principal, arrival.server, arrival.sessionId);
      // The client's own `initialize` must not slip into a session that we are bringing back.
      const isMeant = opened?.returning === undefined || opened.returning.hello === message;
      if (opened !== undefined && opened.agreed === undefined && isMeant) {
        opened.use(principal);
        return opened;
      }
      // Never the id that a client brought along: it could have planted it for somebody else (fixation).
      return this.#make(principal, arrival.server);
    }
    return this.find(principal, arrival.server, arrival.sessionId);
  };

  /**
   * A session that stands before `initialize`, for a client that must be told first where to send that (2024-11-05
   * basic/transports, HTTP with SSE). Its id is for the door alone. Throws `TOO_MANY`.
   */
  open(principal: Principal, server: string): LiveSession {
    const session = this.#make(principal, server);
    this.#seat(session);
    this.#brief.add(session);
    return session;
  }

  /** Whether there is a session under an id that can be used. */
  isAwake(sessionId: string): boolean {
    const session = this.#byId.get(sessionId);
    return session !== undefined && session.returning === undefined;
  }

  /** A session that was open before mcpd was started, and that this caller may go on with. */
  asleep(principal: Principal, server: string, sessionId: string): Asleep | undefined {
    return this.isAwake(sessionId) ? undefined : this.#parts.memory?.asleep(principal, server, sessionId);
  }

  /** Ends a session that is asleep, also while it is being brought back. */
  forget({ id }: Pick<Asleep, 'id'>): void {
    this.#parts.memory?.forget(id);
    const live = this.#byId.get(id);
    if (live !== undefined) this.end(live);
  }

  /**
   * Gives a session its place back. Nobody finds it before `hello`, and nothing else, was answered as it was then. Throws
   * `TOO_MANY`.
   */
  restore({ id, record }: Asleep, hello: Request): LiveSession {
    const [first, ...others] = record.shown;
    const session = new LiveSession(id, first, record.server, this.#parts.clock.steadyMs(), this.#replay);
    for (const principal of others) session.use(principal);
    session.returning = { hello, offers: record.offers };
    session.isResumed = true;
    this.#seat(session);
    this.#parts.memory?.keep(session);
    return session;
  }

  /** It could not be brought back for now: it sleeps on. */
  putBack(session: Session): void {
    const live = this.#byId.get(session.id);
    if (live !== undefined) live.keeping = undefined;
    this.end(session);
  }

  /** The session under an id, or undefined where `find` would throw. */
  peek(principal: Principal, server: string, sessionId: string | undefined): LiveSession | undefined {
    const session = this.#admitting(principal, server, sessionId);
    return session?.returning === undefined ? session : undefined;
  }

  #admitting(principal: Principal, server: string, sessionId: string | undefined): LiveSession | undefined {
    const session = sessionId === undefined ? undefined : this.#byId.get(sessionId);
    if (session === undefined || session.server !== server) return undefined;
    return session.admits(principal) ? session : undefined;
  }

  find(principal: Principal, server: string, sessionId: string | undefined): LiveSession {
    if (sessionId === undefined) throw new Fault('NO_SESSION');
    const session = this.peek(principal, server, sessionId);
    if (session === undefined) throw new Fault('UNKNOWN_SESSION');
    session.use(principal);
    session.usedAt = this.#parts.clock.steadyMs();
    return session;
  }

  agree = (call: Call, answer: Answer): Session | undefined => {
    if (answer.kind === 'error') return undefined;
    const session = call.session;
    if (!(session instanceof LiveSession)) throw new Fault('BUG', { detail: 'a session from elsewhere' });
    try {
      const agreed = agreedOn(objectOf(answer.text), call.params);
      const { returning } = session;
      // Another program, or the same one after an update: it is not the conversation that the client knows.
      if (returning !== undefined && offersOf(answer.text) !== returning.offers)
        throw new Fault('UNKNOWN_SESSION');
      // It ended while the server thought about it; counted again, it would stand without anybody who knows of it.
      if (session.closed) throw new Fault('UNKNOWN_SESSION');
      this.#seat(session);
      session.agreed = agreed;
      session.returning = undefined;
      if (!this.#brief.has(session)) this.#parts.memory?.begin(session, call, answer);
    } catch (reason) {
      if (this.#byId.has(session.id)) this.end(session);
      else this.#parts.onEnd(session);
      throw reason;
    }
    return session;
  };

  reachedBy = (upcall: Upcall): readonly Session[] => {
    const { audience, server } = upcall;
    if (audience.kind === 'everyone')
      return [...this.#byId.values()].filter((it) => it.server === server && it.agreed !== undefined);
    if (audience.kind === 'call') return [];
    const session = this.#byId.get(audience.sessionId);
    return session === undefined ? [] : [session];
  };

  standing = (session: Session): Outlet => {
    const live = this.#byId.get(session.id);
    return { send: (text) => (live === undefined ? 'gone' : live.deliver(text)) };
  };

  /** Ends a session: on DELETE, when it idles, when its caller is switched off, at shutdown. */
  end(session: Session): void {
    const live = this.#byId.get(session.id);
    if (live === undefined) return;
    this.#byId.delete(live.id);
    const left = (this.#countOf.get(live.principal.name) ?? 1) - 1;
    if (left === 0) this.#countOf.delete(live.principal.name);
    else this.#countOf.set(live.principal.name, left);
    live.close();
    live.keeping?.forget();
    this.#parts.onEnd(live);
  }

  /**
   * Ends a session whose greeting its client will not hear. Not one that it knows already: because it was told of it first, or
   * goes on with it after a restart.
   */
  disown(session: Session): void {
    const live = this.#byId.get(session.id);
    if (live !== undefined && !this.#brief.has(live) && !live.isResumed) this.end(live);
  }

  /** mcpd stops: every session ends here, and those that are remembered sleep. */
  close(): void {
    const { memory, clock } = this.#parts;
    memory?.keepTime(this.#byId.values(), clock.steadyMs(), () => false);
    for (const session of [...this.#byId.values()]) this.putBack(session);
    memory?.close();
  }

  /** Ends each session that matches with any of the credentials that were used in it: one may hold its stream. */
  endWhere(match: (session: Session) => boolean): number {
    return this.#endAll((session) => {
      const { id, server, era, agreed } = session;
      return session.shown().some((principal) => match({ id, server, era, agreed, principal }));
    });
  }

  /** Ends the sessions that nobody used for too long. Called now and then by the daemon. */
  sweep(busy: (session: Session) => boolean): number {
    const now = this.#parts.clock.steadyMs();
    const { idleMs } = this.#parts.bounds;
    const ended = this.#endAll((it) => {
      // Its time begins when its stream breaks, not when that was opened: its client is about to come back for the rest.
      if (it.streaming || busy(it)) it.usedAt = now;
      return now - it.usedAt > idleMs;
    });
    this.#parts.memory?.keepTime(this.#byId.values(), now, busy);
    return ended;
  }

  #endAll(match: (session: LiveSession) => boolean): number {
    const ended = [...this.#byId.values()].filter(match);
    // All at once: thousands may end together.
    this.#parts.memory?.forgetAll(ended);
    for (const session of ended) this.end(session);
    return ended.length;
  }

  #make(principal: Principal, server: string): LiveSession {
    this.#refuseWhenFull(principal);
    const id = randomBytes(24).toString('base64url');
    return new LiveSession(id, principal, server, this.#parts.clock.steadyMs(), this.#replay);
  }

  /** Counts a session and makes it one that is found. Throws `TOO_MANY`. */
  #seat(session: LiveSession): void {
    if (this.#byId.has(session.id)) return;
    this.#refuseWhenFull(session.principal);
    const { name } = session.principal;
    this.#byId.set(session.id, session);
    this.#countOf.set(name, (this.#countOf.get(name) ?? 0) + 1);
  }

  #refuseWhenFull(principal: Principal): void {
    const { sessionsMax, perCallerMax } = this.#parts.bounds;
    if (this.#byId.size >= sessionsMax || (this.#countOf.get(principal.name) ?? 0) >= perCallerMax) {
      throw new Fault('TOO_MANY', {
        detail: 'sessions',
        hint: 'raise sessions.max or sessions.per_caller_max in mcpd.toml',
      });
    }
  }
}
