import { hash } from 'node:crypto';
import type { Principal, Session } from '../domain/caller.ts';
import type { Call } from '../domain/call.ts';
import type { Clock } from '../domain/clock.ts';
import type { Answer, JsonText } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import { member, object } from '../protocol/codec.ts';
import { definitionDigest } from '../protocol/tool-definition.ts';
import type { CompilePattern } from './key-ring.ts';
import { LiveSession } from './live-session.ts';
import { admitted } from './opens-no-less.ts';
import { helloCharsMax, readRecord, uriCharsMax, urisMax, writeRecord } from './session-record.ts';
import type { SessionRecord } from './session-record.ts';
import type { SessionRecords } from './session-records.ts';

export type SessionMemoryParts = {
  readonly records: SessionRecords;
  readonly clock: Clock;
  readonly idleMs: number;
  /** How a server is started now; undefined where its sessions may not outlive mcpd. */
  readonly specOf: (server: string) => ServerSpec | undefined;
  readonly ordersVersion: () => string;
  /** Without the secrets that mcpd knows. */
  readonly clean: (text: JsonText) => string;
  readonly compile: CompilePattern;
  /** Whether what somebody once signed in with was not taken away since. */
  readonly stands: (principal: Principal) => boolean;
};

/** A session of an earlier run, and what it takes to bring it back. */
export type Asleep = { readonly id: string; readonly record: SessionRecord };

/** What a session says to its child that the next child has to be told again. */
const remembered: ReadonlySet<string> = new Set([
  'notifications/initialized',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]);

/** A clock that was set back by more than this makes records of the future: nobody knows how old they are. */
const clockSlackMs = 5 * 60_000;

/** What has to be remembered so that sessions outlive mcpd, of those servers whose owner says that they may. */
export class SessionMemory {
  readonly #parts: SessionMemoryParts;

  constructor(parts: SessionMemoryParts) {
    this.#parts = parts;
  }

  /** Remembers a session that was just agreed on, if it may be resumed at all; otherwise it ends with mcpd. */
  begin(session: LiveSession, { params, message }: Call, answer: Answer): void {
    const { clock, ordersVersion, records } = this.#parts;
    // It was brought back: it is used, and its record stands.
    if (session.keeping !== undefined) return records.touch(markOf(session.id), clock.wallMs());
    const launch = this.#launchOf(session.server);
    const hello = message.kind === 'request' ? message.params : undefined;
    if (launch === undefined || session.agreed === undefined) return;
    // What would not be the same without a secret cannot be said again; and it is written nowhere.
    if (hello === undefined || hello.length > helloCharsMax || !this.#isClean(hello)) return;
    if (typeof params['protocolVersion'] !== 'string') return;
    const isKept = this.#put(session.id, {
      server: session.server,
      launch,
      shown: [session.principal],
      hello,
      agreed: session.agreed,
      offers: offersOf(answer.text),
      introduced: false,
      level: undefined,
      uris: [],
      openedAt: clock.wallMs(),
      orders: ordersVersion(),
    });
    if (isKept) this.keep(session);
  }

  /** Has a session tell what its record has to be told. */
  keep(session: LiveSession): void {
    session.keeping = { showed: () => this.#showed(session), forget: () => this.#forget([session.id]) };
  }

  /**
   * The session of an earlier run that a caller may go on with. Undefined for everything else, with no difference to be
   * seen: it never was, it was ended, is too old, somebody else's or a better credential's, its server is gone or another.
   */
  asleep(principal: Principal, server: string, id: string): Asleep | undefined {
    const launch = this.#launchOf(server);
    if (launch === undefined) return undefined;
    const { records, compile, stands } = this.#parts;
    const kept = records.find(markOf(id));
    if (kept === undefined || this.#isStale(kept.usedAt)) return undefined;
    const record = readRecord(kept.record, compile);
    if (record?.server !== server || record.launch !== launch) return undefined;
    // A session ends with any of the credentials that were used in it; this one was asleep when that happened.
    if (!record.shown.every(stands) || !admitted(principal, record.shown)) return undefined;
    return { id, record };
  }

  /** Whether `note` would note anything. */
  notes({ session, message }: Call): boolean {
    return (
      message.kind !== 'reply' &&
      remembered.has(message.method) &&
      session instanceof LiveSession &&
      session.keeping !== undefined
    );
  }

  /** Notes what a session told its child and the child agreed to. */
  note({ session, message, params }: Call, answer: Answer | undefined): void {
    if (message.kind === 'reply' || answer?.kind === 'error') return;
    const { uri } = params;
    this.#change(session, (record) => {
      switch (message.method) {
        case 'notifications/initialized':
          return record.introduced ? record : { ...record, introduced: true };
        case 'logging/setLevel':
          return this.#withLevel(record, message.params);
        case 'resources/subscribe':
          return typeof uri === 'string' ? this.#following(record, uri) : record;
        case 'resources/unsubscribe':
          return { ...record, uris: record.uris.filter((it) => it !== uri) };
        default:
          return record;
      }
    });
  }

  /** Notes which sessions were used lately. What nobody came back for is forgotten. */
  keepTime(sessions: Iterable<LiveSession>, steadyMs: number, busy: (session: Session) => boolean): void {
    const { records, clock, idleMs } = this.#parts;
    const now = clock.wallMs();
    for (const session of sessions) {
      if (session.keeping === undefined) continue;
      const agoMs = session.streaming || busy(session) ? 0 : Math.max(0, steadyMs - session.usedAt);
      records.touch(markOf(session.id), now - Math.floor(agoMs));
    }
    records.sweep(now - idleMs);
  }

  /** These are over, for good. */
  forgetAll(sessions: readonly LiveSession[]): void {
    const kept = sessions.filter(({ keeping }) => keeping !== undefined);
    for (const session of kept) session.keeping = undefined;
    this.#forget(kept.map(({ id }) => id));
  }

  /** A session that is asleep is over. */
  forget(id: string): void {
    this.#forget([id]);
  }

  close(): void {
    this.#parts.records.close();
  }

  /**
   * Notes with which credentials a session was used. Written down at once: after a crash a lesser one must not be admitted
   * where a better one was used.
   */
  #showed(session: LiveSession): void {
    const [first, ...others] = session.shown();
    if (first === undefined) return;
    this.#change(session, (record) => ({ ...record, shown: [first, ...others] }));
    this.#parts.records.flush();
  }

  #forget(sessionIds: readonly string[]): void {
    if (sessionIds.length > 0) this.#parts.records.remove(sessionIds.map(markOf));
  }

  #change(session: Session, change: (record: SessionRecord) => SessionRecord): void {
    const { records, compile } = this.#parts;
    const kept = records.find(markOf(session.id));
    const before = kept === undefined ? undefined : readRecord(kept.record, compile);
    if (before === undefined) return;
    const after = change(before);
    // What has become too long is not kept half: the session ends with mcpd.
    if (after !== before && !this.#put(session.id, after)) this.#forget([session.id]);
  }

  #put(id: string, record: SessionRecord): boolean {
    const text = writeRecord(record);
    if (text === undefined) return false;
    this.#parts.records.put(markOf(id), text, this.#parts.clock.wallMs());
    return true;
  }

  #withLevel(record: SessionRecord, level: JsonText | undefined): SessionRecord {
    return level !== undefined && level.length <= 1024 && this.#isClean(level)
      ? { ...record, level }
      : record;
  }

  /** What a session follows beyond the bound is lost with mcpd. */
  #following(record: SessionRecord, uri: string): SessionRecord {
    const chars = record.uris.reduce((sum, it) => sum + it.length, uri.length);
    const isKept =
      !record.uris.includes(uri) &&
      record.uris.length < urisMax &&
      chars <= uriCharsMax &&
      this.#isClean(JSON.stringify(uri) as JsonText);
    return isKept ? { ...record, uris: [...record.uris, uri] } : record;
  }

  #isClean(text: JsonText): boolean {
    return this.#parts.clean(text) === text;
  }

  #isStale(usedAt: number): boolean {
    const ageMs = this.#parts.clock.wallMs() - usedAt;
    return ageMs > this.#parts.idleMs || ageMs < -clockSlackMs;
  }

  #launchOf(server: string): string | undefined {
    const spec = this.#parts.specOf(server);
    return spec?.care.resume === true ? launchDigest(spec) : undefined;
  }
}

/** What stands for a session in the file: its id cannot be found from it. The id holds 192 random bits, so no slow hash is needed. */
export function markOf(sessionId: string): string {
  return hash('sha256', `mcpd session ${sessionId}`);
}

/** What a child offered when it was introduced, as one text to compare: another version of it is another conversation. */
export function offersOf(greeting: JsonText): string {
  const parts = ['protocolVersion', 'capabilities', 'serverInfo'].flatMap((key) => {
    const value = member(greeting, [key]);
    return value === undefined ? [] : [[key, value] as const];
  });
  return definitionDigest(object(parts));
}

const launches = new WeakMap<ServerSpec, string>();

/** Everything the file says about how a server is run. What changes any of it makes another server of it. */
function launchDigest(spec: ServerSpec): string {
  let digest = launches.get(spec);
  if (digest === undefined) launches.set(spec, (digest = hash('sha256', JSON.stringify(spec))));
  return digest;
}
