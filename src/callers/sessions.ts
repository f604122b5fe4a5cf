import { randomBytes } from 'node:crypto';
import type { Agreed, Principal, Session } from '../domain/caller.ts';
import type { Arrival, Call, Outlet } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import { Fault } from '../domain/faults.ts';
import type { Answer, JsonObject } from '../domain/message.ts';
import type { RedactedJson } from '../domain/redacted.ts';
import type { Upcall } from '../domain/upstream.ts';
import { objectOf } from '../protocol/codec.ts';

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

/** Messages kept for a session that has no standing stream at the moment. */
const backlogMax = 64;

/** The callers' standing conversations. */
export class SessionStore {
  readonly #parts: SessionParts;
  readonly #byId = new Map<string, LiveSession>();
  readonly #countOf = new Map<string, number>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#byId.size;
  }

  /**
   * The session this message belongs to; a new, not yet counted one for `initialize`. Throws `NO_SESSION` without an id,
   * `UNKNOWN_SESSION` when there is none or it is somebody else's: a session id is not a credential
   * (security best practices 2025-11-25, session hijacking).
   */
  resolve = (principal: Principal, arrival: Arrival): Session => {
    const { message } = arrival;
    if (message.kind === 'request' && message.method === 'initialize') {
      this.#refuseWhenFull(principal);
      // Never the id that a client brought along: it could have planted it for somebody else (fixation).
      return new LiveSession(
        randomBytes(24).toString('base64url'),
        principal,
        arrival.server,
        this.#parts.clock.steadyMs(),
      );
    }
    return this.find(principal, arrival.server, arrival.sessionId);
  };

  find(principal: Principal, server: string, sessionId: string | undefined): LiveSession {
    if (sessionId === undefined) throw new Fault('NO_SESSION');
    const session = this.#byId.get(sessionId);
    if (session === undefined || session.principal.name !== principal.name || session.server !== server) {
      throw new Fault('UNKNOWN_SESSION');
    }
    session.usedAt = this.#parts.clock.steadyMs();
    return session;
  }

  agree = (call: Call, answer: Answer): Session | undefined => {
    if (answer.kind === 'error') return undefined;
    const session = call.session;
    if (!(session instanceof LiveSession)) throw new Fault('BUG', { detail: 'a session from elsewhere' });
    try {
      this.#refuseWhenFull(call.principal);
      session.agreed = agreedOn(objectOf(answer.text), call.params);
    } catch (reason) {
      this.#parts.onEnd(session);
      throw reason;
    }
    this.#byId.set(session.id, session);
    this.#countOf.set(session.principal.name, (this.#countOf.get(session.principal.name) ?? 0) + 1);
    return session;
  };

  reachedBy = (upcall: Upcall): readonly Session[] => {
    const { audience, server } = upcall;
    if (audience.kind === 'everyone')
      return [...this.#byId.values()].filter((session) => session.server === server);
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

  endWhere(match: (session: Session) => boolean): number {
    const ended = [...this.#byId.values()].filter(match);
    for (const session of ended) this.end(session);
    return ended.length;
  }

  /** Ends the sessions that nobody used for too long. Called now and then by the daemon. */
  sweep(busy: (session: Session) => boolean): number {
    const now = this.#parts.clock.steadyMs();
    const { idleMs } = this.#parts.bounds;
    return this.endWhere((session) => {
      const live = session as LiveSession;
      return !live.streaming && !busy(live) && now - live.usedAt > idleMs;
    });
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

/** What a standing stream looks like from here. */
export type Stream = Outlet & { readonly close: () => void };

class LiveSession implements Session {
  readonly id: string;
  readonly principal: Principal;
  readonly server: string;
  agreed: Agreed | undefined = undefined;
  usedAt: number;
  #stream: Stream | undefined;
  #backlog: RedactedJson[] = [];

  constructor(id: string, principal: Principal, server: string, now: number) {
    this.id = id;
    this.principal = principal;
    this.server = server;
    this.usedAt = now;
  }

  get streaming(): boolean {
    return this.#stream !== undefined;
  }

  /** Opens the standing stream. Throws `SESSION_BUSY` when there is one: taking it over would hide messages from its reader. */
  attach(stream: Stream): void {
    if (this.#stream !== undefined) throw new Fault('SESSION_BUSY');
    this.#stream = stream;
    const waiting = this.#backlog;
    this.#backlog = [];
    for (const text of waiting) stream.send(text);
  }

  detach(stream: Stream): void {
    if (this.#stream === stream) this.#stream = undefined;
  }

  deliver(text: RedactedJson): 'sent' | 'gone' {
    if (this.#stream !== undefined) return this.#stream.send(text);
    if (this.#backlog.length >= backlogMax) return 'gone';
    this.#backlog.push(text);
    return 'sent';
  }

  close(): void {
    this.#stream?.close();
    this.#stream = undefined;
    this.#backlog = [];
  }
}

function agreedOn(result: JsonObject, params: JsonObject): Agreed {
  const { protocolVersion } = result;
  if (typeof protocolVersion !== 'string') {
    throw new Fault('UPSTREAM_GARBLED', { detail: 'initialize was answered without a protocolVersion' });
  }
  const { clientInfo, capabilities } = params;
  return {
    protocolVersion,
    client: { name: textOf(clientInfo, 'name'), version: textOf(clientInfo, 'version') },
    clientCapabilities:
      typeof capabilities === 'object' && capabilities !== null ? Object.keys(capabilities).slice(0, 32) : [],
  };
}

function textOf(value: unknown, key: string): string {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return '';
  const text = (value as Record<string, unknown>)[key];
  return typeof text === 'string' ? text.slice(0, 128) : '';
}
