import type { Call } from '../domain/call.ts';
import type { JsonText, Notice } from '../domain/message.ts';
import type { ServerSpec } from '../domain/orders.ts';
import type { Upcall } from '../domain/upstream.ts';
import { encode, objectOf } from '../protocol/codec.ts';
import { newsOf } from '../protocol/translate.ts';
import { Coalescer, isListChanged } from './coalesce.ts';
import type { Connection } from './connection.ts';
import type { ChildDeps } from './deps.ts';
import { meantFor, type Among } from './meant-for.ts';
import type { Members } from './members.ts';
import { ownMeta } from './probe.ts';

export type NewsWork = {
  readonly deps: ChildDeps;
  readonly spec: ServerSpec;
  readonly among: Among;
  readonly members: Members;
  readonly connection: () => Connection | undefined;
  /** Whether a session wants to hear a log line. */
  readonly lets: (sessionId: string, line: Notice) => boolean;
  readonly listsChanged: (connection: Connection) => void;
};

/** What a child that several sessions share says unasked, and which of them hear it. */
export class News {
  readonly #work: NewsWork;
  readonly #storms: Coalescer;
  #again: NodeJS.Timeout | undefined;
  #unheard = 0;

  constructor(work: NewsWork) {
    this.#work = work;
    this.#storms = new Coalescer(work.deps.pace.stormMs, (notice) => this.#listChanged(notice));
  }

  /** Messages that were for nobody, or could have been for somebody else. */
  get unheard(): number {
    return this.#unheard;
  }

  /** A modern child tells of changes only where it is asked to (2026-07-28 basic/patterns/subscriptions). Throws like `listen`. */
  follow(connection: Connection, greeting: JsonText): void {
    const news = newsOf(greeting);
    const filter = {
      ...(news.tools ? { toolsListChanged: true } : {}),
      ...(news.prompts ? { promptsListChanged: true } : {}),
      ...(news.resources ? { resourcesListChanged: true } : {}),
    };
    if (Object.keys(filter).length === 0) return;
    const params = encode({ notifications: filter, _meta: ownMeta(this.#work.deps.version) });
    const hears = (notice: Notice) => {
      if (isListChanged(notice)) this.#storms.hear(notice);
    };
    connection.listen(params, hears, (how) => {
      if (how === 'over') this.#followLater(connection, greeting);
    });
  }

  #followLater(connection: Connection, greeting: JsonText): void {
    clearTimeout(this.#again);
    this.#again = setTimeout(() => {
      // Its successor has been asked by now.
      if (this.#work.connection() !== connection) return;
      try {
        this.follow(connection, greeting);
        // What changed meanwhile was told to nobody.
        this.#work.listsChanged(connection);
      } catch {
        this.#followLater(connection, greeting);
      }
    }, this.#work.deps.pace.followAgainMs).unref();
  }

  /** `about`: the call that it names. */
  hear(notice: Notice, about: Call | undefined): void {
    if (isListChanged(notice)) return this.#storms.hear(notice);
    // That a call asked for log lines does not make every line its own: the child works for others, too.
    if (about !== undefined && notice.method !== 'notifications/message')
      return this.#upcall(notice, audienceOf(about), about.id);
    if (notice.method === 'notifications/resources/updated') return this.#updated(notice);
    const sessionId = this.#whose();
    if (sessionId === undefined) this.#unheard++;
    else if (notice.method !== 'notifications/message' || this.#work.lets(sessionId, notice))
      this.#upcall(notice, { kind: 'session', sessionId });
  }

  stop(): void {
    clearTimeout(this.#again);
    this.#storms.stop();
  }

  #updated(notice: Notice): void {
    for (const hears of this.#work.members.listeners) hears(notice);
    const { uri } = objectOf(notice.params);
    const followers = typeof uri === 'string' ? this.#work.members.followersOf(uri) : [];
    if (followers.length === 0) this.#unheard++;
    for (const sessionId of followers) this.#upcall(notice, { kind: 'session', sessionId });
  }

  #whose(): string | undefined {
    const { among, members } = this.#work;
    const connection = this.#work.connection();
    return meantFor(among, connection?.calls() ?? [], connection?.served, members);
  }

  #listChanged(notice: Notice): void {
    const connection = this.#work.connection();
    if (connection !== undefined) this.#work.listsChanged(connection);
    for (const hears of this.#work.members.listeners) hears(notice);
    for (const sessionId of this.#work.members.sessionIds())
      this.#upcall(notice, { kind: 'session', sessionId });
  }

  #upcall(message: Notice, audience: Upcall['audience'], callId?: string): void {
    const { deps, spec } = this.#work;
    deps.onUpcall({ server: spec.name, audience, message, callId, settle: () => undefined });
  }
}

/** A modern client has no session but its call. */
function audienceOf({ id, session }: Call): Upcall['audience'] {
  return session.era === 'modern' ? { kind: 'call', callId: id } : { kind: 'session', sessionId: session.id };
}
