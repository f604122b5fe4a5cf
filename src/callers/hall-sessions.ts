import type { Principal, Session } from '../domain/caller.ts';
import { Fault } from '../domain/faults.ts';
import type { Halt } from '../domain/halt.ts';
import type { JsonText, RequestId } from '../domain/message.ts';

/** A hall session's own session with one server. Its id never leaves the daemon. */
export type Branch = {
  readonly server: string;
  readonly session: Session;
  /** The capability names that the server gave to this session. */
  readonly offers: ReadonlySet<string>;
};

/** Somebody who is told when other servers can be reached than when it last looked. */
export type Watcher = {
  readonly principal: Principal;
  /** Which hall it stands in. */
  readonly hall: string;
  /** What could be reached then. */
  known: ReadonlySet<string>;
  readonly changed: (reachable: ReadonlySet<string>) => void;
};

/** Questions of servers that wait for one client; the oldest is given up for a new one. */
const questionsMax = 1024;
/** Cut names that are remembered for one server; the catalog of its standing child knows nearly all of them anyway. */
const cutNamesMax = 1000;

/** What the hall remembers: its sessions in the legacy era, who wants to hear of changes, and names that were cut. */
export class HallSessions {
  readonly #byId = new Map<string, HallSession>();
  readonly #watchers = new Set<Watcher>();
  readonly #cutNames = new Map<string, Set<string>>();
  readonly #endBranch: (session: Session) => void;

  constructor(endBranch: (session: Session) => void) {
    this.#endBranch = endBranch;
  }

  /** Begins a session whose client said `initialize` with these params. */
  begin(session: Session, greeting: JsonText): HallSession {
    const begun = new HallSession(session, greeting, this.#endBranch);
    this.#byId.set(session.id, begun);
    return begun;
  }

  /** Throws `UNKNOWN_SESSION`. */
  of(session: Session): HallSession {
    const found = this.#byId.get(session.id);
    if (found === undefined) throw new Fault('UNKNOWN_SESSION');
    return found;
  }

  /** A session is over; where it was the hall's, so are its branches. */
  end(session: Session): void {
    const found = this.#byId.get(session.id);
    if (found === undefined) return;
    this.#byId.delete(session.id);
    if (found.watcher !== undefined) this.#watchers.delete(found.watcher);
    found.end();
  }

  /** Whether something is under way in a session. */
  isBusy(session: Session): boolean {
    return this.#byId.get(session.id)?.isBusy === true;
  }

  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  unwatch(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  watchers(): readonly Watcher[] {
    return [...this.#watchers];
  }

  /** Remembers what a server calls something that is listed under a cut name. */
  learn(server: string, name: string): void {
    let names = this.#cutNames.get(server);
    if (names === undefined) this.#cutNames.set(server, (names = new Set()));
    names.delete(name);
    names.add(name);
    for (const oldest of names) {
      if (names.size <= cutNamesMax) break;
      names.delete(oldest);
    }
  }

  learned(server: string): Iterable<string> {
    return this.#cutNames.get(server) ?? [];
  }
}

/** One client's conversation with all its servers at once (legacy era). */
export class HallSession {
  readonly session: Session;
  /** The client's own `initialize` params, said to every server. */
  readonly greeting: JsonText;
  /** The params of its last `logging/setLevel`; said to every server that is met later. */
  logLevel: JsonText | undefined = undefined;
  watcher: Watcher | undefined = undefined;
  readonly #branches = new Map<string, Branch>();
  readonly #opening = new Map<string, Promise<unknown>>();
  readonly #missed = new Set<string>();
  readonly #questions = new Map<string, string>();
  readonly #underWay = new Map<RequestId, Halt>();
  readonly #endBranch: (session: Session) => void;
  #ended = false;

  constructor(session: Session, greeting: JsonText, endBranch: (session: Session) => void) {
    this.session = session;
    this.greeting = greeting;
    this.#endBranch = endBranch;
  }

  get isBusy(): boolean {
    return this.#underWay.size > 0;
  }

  get ended(): boolean {
    return this.#ended;
  }

  branches(): readonly Branch[] {
    return [...this.#branches.values()];
  }

  branch(server: string): Branch | undefined {
    return this.#branches.get(server);
  }

  /** One opening at a time for each server: two requests at once must not start two children. */
  opening<T>(server: string, open: () => Promise<T>): Promise<T> {
    const under = this.#opening.get(server);
    // Every opening of a server gives the same kind of thing: there is one caller.
    if (under !== undefined) return under as Promise<T>;
    const begun = open().finally(() => this.#opening.delete(server));
    this.#opening.set(server, begun);
    return begun;
  }

  /** False: the session is over, or the server has a branch; the new one is ended. */
  opened(branch: Branch): boolean {
    if (!this.#ended && !this.#branches.has(branch.server)) {
      this.#branches.set(branch.server, branch);
      return true;
    }
    this.#endBranch(branch.session);
    return false;
  }

  /** A branch is lost, or of no more use. */
  close(branch: Branch): void {
    if (this.#branches.get(branch.server) !== branch) return;
    this.#branches.delete(branch.server);
    for (const [id, server] of this.#questions) if (server === branch.server) this.#questions.delete(id);
    this.#endBranch(branch.session);
  }

  /** A listing went out without this server. */
  missed(server: string): void {
    this.#missed.add(server);
  }

  /** Whether a listing went out without this server since it was last asked. */
  wasMissed(server: string): boolean {
    return this.#missed.delete(server);
  }

  /** A server asks the client something under an id of ours. */
  asked(id: RequestId, server: string): void {
    if (typeof id !== 'string') return;
    this.#questions.set(id, server);
    for (const oldest of this.#questions.keys()) {
      if (this.#questions.size <= questionsMax) break;
      this.#questions.delete(oldest);
    }
  }

  /** Who asked; once, because every question has one answer. */
  whoAsked(id: RequestId): string | undefined {
    if (typeof id !== 'string') return undefined;
    const server = this.#questions.get(id);
    this.#questions.delete(id);
    return server;
  }

  /** Throws `BAD_MESSAGE` when the client already waits for an answer with this id. */
  begin(id: RequestId, halt: Halt): void {
    if (this.#underWay.has(id)) throw new Fault('BAD_MESSAGE', { detail: 'this request id is still in use' });
    this.#underWay.set(id, halt);
  }

  done(id: RequestId): void {
    this.#underWay.delete(id);
  }

  cancel(id: RequestId): void {
    this.#underWay.get(id)?.call('cancelled by the caller');
  }

  end(): void {
    this.#ended = true;
    for (const halt of this.#underWay.values()) halt.call('session ended');
    for (const branch of this.branches()) this.close(branch);
  }
}
