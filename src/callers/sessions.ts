import { randomBytes } from 'node:crypto';
import type { Agreed, Principal, Session } from '../domain/caller.ts';
import type { Arrival, Call, Outlet } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Answer, JsonObject } from '../domain/message.ts';
import type { Upcall } from '../domain/upstream.ts';
import { objectOf } from '../protocol/codec.ts';
import { metaKeys, metaOf } from '../protocol/era.ts';
import { LiveSession } from './live-session.ts';
import { Replay, type ReplayBounds } from './replay.ts';

export type SessionBounds = {
  readonly sessionsMax: number;
  readonly perCallerMax: number;
  /** A session that nobody used for this long, and that has no open stream, ends. */
  readonly idleMs: number;
};

export type SessionParts = {
  readonly clock: Clock;
  readonly bounds: SessionBounds;
  /** Told when a session ends, so that its child can be stopped. */
  readonly onEnd: (session: Session) => void;
};

/** What readers of a session's streams may come back for. */
const replayBounds: ReplayBounds = {
  eventsMax: 1000,
  bytesMax: 8 * 1024 * 1024,
  allBytesMax: 64 * 1024 * 1024,
};

/** The callers' standing conversations. */
export class SessionStore {
  readonly #parts: SessionParts;
  readonly #byId = new Map<string, LiveSession>();
  readonly #countOf = new Map<string, number>();
  readonly #replay = new Replay(replayBounds);

  constructor(parts: SessionParts) {
    this.#parts = parts;
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
      const opened = this.peek(principal, arrival.server, arrival.sessionId);
      if (opened !== undefined && opened.agreed === undefined) {
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
    return session;
  }

  /** The session under an id, or undefined where `find` would throw. */
  peek(principal: Principal, server: string, sessionId: string | undefined): LiveSession | undefined {
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
      // It ended while the server thought about it; counted again, it would stand without anybody who knows of it.
      if (session.closed) throw new Fault('UNKNOWN_SESSION');
      this.#seat(session);
      session.agreed = agreed;
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
    this.#parts.onEnd(live);
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
    return this.#endAll((it) => !it.streaming && !busy(it) && now - it.usedAt > idleMs);
  }

  #endAll(match: (session: LiveSession) => boolean): number {
    const ended = [...this.#byId.values()].filter(match);
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

/** Everything a session would know stands in the request itself (2026-07-28 basic/index, `_meta`). */
function ofOneRequest(principal: Principal, { id, server, message }: Arrival): Session {
  const meta = message.kind === 'reply' ? {} : metaOf(objectOf(message.params));
  const version = meta[metaKeys.version];
  return {
    id,
    principal,
    server,
    era: 'modern',
    agreed: {
      protocolVersion: typeof version === 'string' ? version : '',
      client: clientIn(meta[metaKeys.client]),
      clientCapabilities: namesIn(meta[metaKeys.capabilities]),
    },
  };
}

function clientIn(info: unknown): Agreed['client'] {
  return { name: textOf(info, 'name'), version: textOf(info, 'version') };
}

function namesIn(capabilities: unknown): readonly string[] {
  return typeof capabilities === 'object' && capabilities !== null
    ? Object.keys(capabilities).slice(0, 32)
    : [];
}

function agreedOn(result: JsonObject, params: JsonObject): Agreed {
  const { protocolVersion } = result;
  if (typeof protocolVersion !== 'string') {
    throw new Fault('UPSTREAM_GARBLED', { detail: 'initialize was answered without a protocolVersion' });
  }
  const { clientInfo, capabilities } = params;
  return {
    protocolVersion,
    client: clientIn(clientInfo),
    clientCapabilities: namesIn(capabilities),
  };
}

function textOf(value: unknown, key: string): string {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return '';
  const text = (value as Record<string, unknown>)[key];
  return typeof text === 'string' ? text.slice(0, 128) : '';
}
